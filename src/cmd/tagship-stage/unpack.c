/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cmd/tagship-stage/unpack.h"

#define RESULT_MAX_BYTES ((gsize)1024 * 1024)
#define PROGRESS_EVERY_US (2 * G_USEC_PER_SEC)

typedef struct {
	const char *app, *version;
	gint64 last_us;
} Teller;

static void tell(gpointer user_data, const char *what, guint64 done, guint64 total)
{
	Teller *teller = user_data;
	gint64 now_us = g_get_monotonic_time();
	if (now_us - teller->last_us < PROGRESS_EVERY_US)
		return;
	teller->last_us = now_us;
	if (total > 0)
		g_printerr("%s %s: %s %u %%\n", teller->app, teller->version, what,
			   (guint)(100.0 * (double)done / (double)total));
	else
		g_printerr("%s %s: %s\n", teller->app, teller->version, what);
}

/* The accepted order, if it still needs staging. */
static Order *find_order(const ActivateSpec *spec, const char *release, GError **error)
{
	g_autoptr(DecideApp) state = activate_read(spec, error);
	const DecideOrder *order = state ? decide_app_find(state, release) : NULL;
	if (state && !order)
		util_error_set(error, TS_ERROR_NOT_FOUND, "no accepted order of release %s",
			       release);
	return order ? order_copy(order->order) : NULL;
}

static gboolean unpack(const ActivateSpec *spec, const char *release, UtilTrailers *result,
		       GError **error)
{
	g_autofree char *lack = NULL;
	g_autoptr(Order) order = find_order(spec, release, error);
	if (!order)
		return FALSE;
	Teller teller = {spec->app->name, order->version, g_get_monotonic_time()};
	UtilProgress progress = {.report = tell, .user_data = &teller};
	StageSpec stage = {.root_path = spec->root_path,
			   .root_dirfd = spec->root_dirfd,
			   .app = spec->app,
			   .order = order,
			   .memory_bytes = (guint64)spec->conf->memory_mb * 1024 * 1024,
			   .min_free_bytes = (guint64)spec->conf->min_free_mb * 1000000,
			   .progress = &progress};
	g_autoptr(StageResult) staged = NULL;
	if (!stage_confine(&stage, &lack, error))
		return FALSE;
	g_autofree char *note =
	    lack ? g_strconcat("unpacking is less confined than it could be: ", lack, NULL) : NULL;
	util_trailers_add(result, "Note", note);
	if (!stage_run(&stage, &staged, error))
		return FALSE;
	util_trailers_add(result, "Tree", staged->tree);
	util_trailers_add(result, "How", staged->how);
	for (guint i = 0; i < staged->altered->len; i++)
		util_trailers_add(result, "Altered", staged->altered->pdata[i]);
	return TRUE;
}

int unpack_child(const char *root_path, int root_dirfd, const ConfBase *conf, const char *app,
		 const char *release)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(UtilTrailers) result = util_trailers_new();
	const ConfBaseApp *conf_app = conf_base_app(conf, app);
	ActivateSpec spec = {.root_path = root_path,
			     .root_dirfd = root_dirfd,
			     .conf = conf,
			     .app = conf_app,
			     .clock = util_clock_system()};
	gboolean ok = FALSE;
	if (conf_app)
		ok = unpack(&spec, release, result, &error);
	else
		util_error_set(&error, TS_ERROR_USAGE, "no app \"%s\" in base.cfg", app);
	if (!ok) {
		util_trailers_add(result, "Error", error->message);
		util_trailers_add_int(result, "Code",
				      error->domain == TS_ERROR ? error->code : TS_ERROR_FAILED);
	}
	g_autofree char *text = util_trailers_format(result);
	if (!util_fs_write_all(STDOUT_FILENO, text, strlen(text), NULL))
		return 1; /* nobody is there to tell */
	return ok ? 0 : util_error_exit_status(error);
}

void unpacked_free(Unpacked *unpacked)
{
	if (!unpacked)
		return;
	g_free(unpacked->tree);
	g_free(unpacked->how);
	g_free(unpacked->note);
	g_clear_pointer(&unpacked->altered, g_ptr_array_unref);
	g_free(unpacked);
}

static UtilTrailers *read_result(int fd, GError **error)
{
	struct stat st;
	if (fstat(fd, &st) != 0) {
		util_error_errno(error, errno, "result of unpacking");
		return NULL;
	}
	gsize len = MIN((gsize)st.st_size, RESULT_MAX_BYTES);
	g_autofree char *text = g_malloc(len + 1);
	if (!util_fs_pread_full(fd, text, len, 0, error))
		return NULL;
	return util_trailers_parse(text, len, error);
}

static gboolean take_result(const UtilTrailers *result, Unpacked **ret_unpacked, GError **error)
{
	g_autoptr(Unpacked) unpacked = g_new0(Unpacked, 1);
	const char *why = util_trailers_get(result, "Error");
	gint64 code = TS_ERROR_FAILED;
	unpacked->tree = g_strdup(util_trailers_get(result, "Tree"));
	unpacked->how = g_strdup(util_trailers_get(result, "How"));
	unpacked->note = g_strdup(util_trailers_get(result, "Note"));
	unpacked->altered = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < util_trailers_count(result); i++)
		if (strcmp(util_trailers_key(result, i), "Altered") == 0)
			g_ptr_array_add(unpacked->altered,
					g_strdup(util_trailers_value(result, i)));
	gboolean ok = !why && unpacked->tree && unpacked->how;
	*ret_unpacked = g_steal_pointer(&unpacked);
	if (ok)
		return TRUE;
	if (!util_trailers_opt_int(result, "Code", 0, TS_ERROR_UNSUPPORTED, TS_ERROR_FAILED, &code,
				   error))
		return FALSE;
	return util_error_set(error, (TsErrorCode)code, "%s",
			      why ? why : "unpacking ended without a result");
}

/* Unpacking needs nothing of the environment; fault points (util/fault.h) reach it. */
static char **unpack_environment(void)
{
	static const char *const names[] = {"TAGSHIP_FAULT", "TAGSHIP_FAULT_LOG"};
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	g_strv_builder_add(builder, "LANG=C.UTF-8");
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *value = g_getenv(names[i]);
		if (!value)
			continue;
		g_autofree char *entry = g_strdup_printf("%s=%s", names[i], value);
		g_strv_builder_add(builder, entry);
	}
	return g_strv_builder_end(builder);
}

gboolean unpack_run(const char *root_path, const char *app, const char *release,
		    Unpacked **ret_unpacked, GError **error)
{
	const char *const argv[] = {"/proc/self/exe", "--unpack", release, root_path, app, NULL};
	UtilChildResult child = {0};
	util_autofd int result_fd = memfd_create("unpacked", MFD_CLOEXEC);
	if (result_fd < 0)
		return util_error_errno(error, errno, "memfd_create");
	g_auto(GStrv) env = unpack_environment();
	UtilChildSpec spec = {.argv = argv,
			      .env = (const char *const *)env,
			      .output_fd = result_fd,
			      .error_fd = STDOUT_FILENO};
	if (!util_child_run(&spec, &child, error))
		return FALSE;
	if (child.exit_status >= 128)
		return util_error_set(error, TS_ERROR_FAILED, "unpacking ended by signal %d",
				      child.exit_status - 128);
	g_autoptr(UtilTrailers) result = read_result(result_fd, error);
	return result && take_result(result, ret_unpacked, error);
}
