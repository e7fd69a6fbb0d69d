/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "publish/publish-private.h"

#define CLOCK_ALARM_MS 2000
#define AGAIN_S 60
#define PAUSE_MOST_S 3600
#define TRIES_WORTH 5 /* with a minute at first: for half an hour */
#define CENTRAL_MARK "central.cfg"
#define LOG_FILE "log/worker.log"

static gboolean open_folders(Central *central, GError **error)
{
	central->dirfd = store_open_state(central->path, error);
	if (central->dirfd < 0)
		return FALSE;
	if (faccessat(central->dirfd, CENTRAL_MARK, F_OK, 0) != 0)
		return util_error_set(
		    error, TS_ERROR_NOT_FOUND,
		    "%s is not a tagship state folder (no central.cfg in it); make "
		    "one with \"tagship init %s\", or name yours with -C DIR or "
		    "TAGSHIP_STATE",
		    central->path, central->path);
	central->queue_dirfd = util_fs_open_dir(central->dirfd, "queue", error);
	if (central->queue_dirfd < 0)
		return FALSE;
	central->bundles_dirfd = util_fs_open_dir(central->dirfd, "bundles", error);
	return central->bundles_dirfd >= 0;
}

Central *central_open(const char *state_path, GError **error)
{
	g_autoptr(Central) central = g_new0(Central, 1);
	central->dirfd = central->queue_dirfd = central->bundles_dirfd = -1;
	central->path = g_canonicalize_filename(state_path, NULL);
	central->clock = util_clock_system();
	central->again_s = AGAIN_S;
	central->key_file = g_build_filename(central->path, "keys", "central", NULL);
	if (!open_folders(central, error))
		return NULL;
	central->conf = conf_central_load(central->dirfd, error);
	if (!central->conf)
		return NULL;
	central->library = library_open(central->path, error);
	if (!central->library)
		return NULL;
	return g_steal_pointer(&central);
}

void central_close(Central *central)
{
	if (!central)
		return;
	util_closep(&central->dirfd);
	util_closep(&central->queue_dirfd);
	util_closep(&central->bundles_dirfd);
	if (central->library)
		library_free(central->library);
	conf_central_free(central->conf);
	g_free(central->key_file);
	g_free(central->path);
	g_free(central);
}

gboolean central_create(const char *state_path, CentralReady ready, gpointer user_data,
			GError **error)
{
	if (!util_fs_mkdir_parents(AT_FDCWD, state_path, 0755, error))
		return FALSE;
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, state_path, error);
	if (dirfd < 0)
		return FALSE;
	if (faccessat(dirfd, CENTRAL_MARK, F_OK, 0) == 0)
		return util_error_set(error, TS_ERROR_EXISTS,
				      "%s is a tagship state folder already", state_path);
	if (!store_make_state(dirfd, error))
		return FALSE;
	util_autofd int queue = util_fs_open_dir(dirfd, "queue", error);
	if (queue < 0 || !store_queue_init(queue, error))
		return FALSE;
	g_autofree char *key = g_build_filename(state_path, "keys", "central", NULL);
	g_autoptr(GError) key_error = NULL;
	if (!util_sshsig_keygen(key, "tagship central", &key_error) &&
	    !g_error_matches(key_error, TS_ERROR, TS_ERROR_EXISTS)) {
		g_propagate_error(error, g_steal_pointer(&key_error));
		return FALSE;
	}
	g_autoptr(Library) library = library_open(state_path, error);
	if (!library)
		return FALSE;
	/* last, because it is the mark of a complete state folder */
	g_autofree char *text = conf_central_template();
	g_autoptr(GString) settings = g_string_new(text);
	return (!ready || ready(state_path, settings, user_data, error)) &&
	       util_fs_write_file(dirfd, CENTRAL_MARK, settings->str, settings->len, 0644, error);
}

UtilTrailers *publish_contact(Central *central, const char *base)
{
	g_autofree char *path = g_strdup_printf("contacts/%s", base);
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(central->dirfd, path, 64 * 1024, &text, &len, NULL))
		return NULL;
	return util_trailers_parse(text, len, NULL);
}

gboolean publish_base_is_gone(Central *central, const char *base)
{
	g_autoptr(GError) unknown = NULL;
	g_autoptr(ConfPeer) peer = conf_peer_load(central->dirfd, base, &unknown);
	return !peer && g_error_matches(unknown, TS_ERROR, TS_ERROR_NOT_FOUND);
}

gboolean publish_base_is_silent(const Central *central, const char *base,
				const UtilTrailers *contact, gint64 *ret_since_utc)
{
	struct stat st;
	g_autofree char *file = g_strdup_printf("bases.d/%s.cfg", base);
	*ret_since_utc = 0;
	if (contact && (util_trailers_get(contact, "By-File") ||
			!util_trailers_need_time(contact, "Time", ret_since_utc, NULL)))
		return FALSE;
	if (!contact && fstatat(central->dirfd, file, &st, 0) == 0)
		*ret_since_utc = st.st_mtime;
	return *ret_since_utc > 0 &&
	       util_clock_now_utc(central->clock) - *ret_since_utc > central->conf->silent_s;
}

gboolean publish_clock_is_off(const UtilTrailers *contact, gint64 *ret_offset_ms)
{
	gint64 seconds = 0;
	*ret_offset_ms = 0;
	/* a file that was carried here says nothing of it: neither key is there */
	if (!util_trailers_need_int(contact, "Clock-Offset-Ms", G_MININT64 / 2, G_MAXINT64 / 2,
				    ret_offset_ms, NULL) &&
	    util_trailers_need_int(contact, "Clock-Offset-S", G_MININT64 / 2000, G_MAXINT64 / 2000,
				   &seconds, NULL))
		*ret_offset_ms = seconds * 1000;
	return ABS(*ret_offset_ms) > CLOCK_ALARM_MS;
}

int publish_open_log(Central *central, GError **error)
{
	int fd = openat(central->dirfd, LOG_FILE,
			O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		util_error_errno(error, errno, "%s/" LOG_FILE, central->path);
	return fd;
}

void publish_note(Central *central, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_autofree char *when = util_time_format_utc(util_clock_now_utc(central->clock));
	g_autofree char *line = g_strdup_printf("%s %s\n", when, text);
	util_autofd int fd = publish_open_log(central, NULL);
	if (fd >= 0)
		(void)util_fs_write_all(fd, line, strlen(line), NULL); /* only a note */
}

/* ---- trying again ---- */

void publish_pause_begin(PublishPause *pause, const Central *central)
{
	gint64 pause_s = MIN(central->again_s << MIN(pause->tries, 10), PAUSE_MOST_S);
	pause->tries++;
	pause->until_us = g_get_monotonic_time() + pause_s * G_USEC_PER_SEC;
}

gboolean publish_pause_over(const PublishPause *pause)
{
	return g_get_monotonic_time() >= pause->until_us;
}

gboolean publish_pause_worth(const PublishPause *pause)
{
	return pause->tries > 0 && pause->tries <= TRIES_WORTH;
}

/* ---- what pre-receive and the worker compile plans against ---- */

struct PublishFacts {
	GPtrArray *peers; /* ConfPeer */
	PlanBase *bases;
	GPtrArray *freezes;  /* PlanFreeze, of all */
	GPtrArray *lists;    /* GPtrArray of PlanFreeze, of one base each */
	GPtrArray *versions; /* char *, NULL-terminated */
	char **app_names;
	PlanFacts facts;
};

static GPtrArray *parse_freezes(char *const *texts, const char *where, GError **error)
{
	g_autoptr(GPtrArray) freezes =
	    g_ptr_array_new_with_free_func((GDestroyNotify)plan_freeze_free);
	for (guint i = 0; texts[i]; i++) {
		PlanFreeze *freeze = plan_freeze_parse(texts[i], error);
		if (!freeze) {
			g_prefix_error(error, "%s: freeze: ", where);
			return NULL;
		}
		g_ptr_array_add(freezes, freeze);
	}
	return g_steal_pointer(&freezes);
}

static gboolean facts_load_bases(PublishFacts *self, Central *central, const char *app,
				 GError **error)
{
	g_auto(GStrv) names = conf_peer_names(central->dirfd, error);
	if (!names)
		return FALSE;
	self->bases = g_new0(PlanBase, g_strv_length(names) + 1);
	for (guint i = 0; names[i]; i++) {
		ConfPeer *peer = conf_peer_load(central->dirfd, names[i], error);
		if (!peer)
			return FALSE;
		g_ptr_array_add(self->peers, peer);
		g_autofree char *where = g_strdup_printf("bases.d/%s.cfg", names[i]);
		GPtrArray *freezes = parse_freezes(peer->freeze, where, error);
		if (!freezes)
			return FALSE;
		g_ptr_array_add(self->lists, freezes);
		self->bases[i] = (PlanBase){
		    .name = peer->name,
		    .zone = peer->zone,
		    .groups = (const char *const *)peer->groups,
		    .freezes = freezes,
		    .runs_app = app && g_strv_contains((const char *const *)peer->apps, app)};
	}
	self->facts.n_bases = self->peers->len;
	self->facts.bases = self->bases;
	return TRUE;
}

/* Of an order whose plan names none: the app's, else what a base takes by itself. */
static gint64 app_outage_s(Central *central, const char *name)
{
	g_autoptr(ConfApp) app = conf_app_load(central->dirfd, name, NULL);
	return app && app->max_outage_s > 0 ? app->max_outage_s : CONF_MAX_OUTAGE_S;
}

static gboolean may_override(Central *central, const char *name, const char *pusher)
{
	g_autoptr(ConfApp) app = conf_app_load(central->dirfd, name, NULL);
	return !pusher || (app && g_strv_contains((const char *const *)app->override, pusher));
}

PublishFacts *publish_facts_new(Central *central, const char *app, const char *const *app_names,
				const char *pusher, GError **error)
{
	g_autoptr(PublishFacts) self = g_new0(PublishFacts, 1);
	self->peers = g_ptr_array_new_with_free_func((GDestroyNotify)conf_peer_free);
	self->lists = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
	self->versions = g_ptr_array_new_with_free_func(g_free);
	self->app_names = g_strdupv((char **)(gsize)app_names);
	self->freezes = parse_freezes(central->conf->freeze, "central.cfg", error);
	if (!self->freezes || !facts_load_bases(self, central, app, error))
		return NULL;
	self->facts.freezes = self->freezes;
	self->facts.zone_dir = central->conf->zone_dir;
	self->facts.gate_lead_s = central->conf->gate_lead_s;
	self->facts.now_utc = self->facts.pushed_utc = util_clock_now_utc(central->clock);
	if (!app)
		return g_steal_pointer(&self);
	self->facts.may_override = may_override(central, app, pusher);
	g_autoptr(GPtrArray) versions = library_versions(central->library, app, error);
	if (!versions)
		return NULL;
	for (guint i = 0; i < versions->len; i++) {
		const LibraryVersion *version = g_ptr_array_index(versions, i);
		g_ptr_array_add(self->versions, g_strdup(version->version));
	}
	g_ptr_array_add(self->versions, NULL);
	self->facts.versions = (const char *const *)self->versions->pdata;
	self->facts.app_names = (const char *const *)self->app_names;
	self->facts.outage_s = app_outage_s(central, app);
	return g_steal_pointer(&self);
}

const PlanFacts *publish_facts_plan(const PublishFacts *facts)
{
	return &facts->facts;
}

void publish_facts_free(PublishFacts *facts)
{
	if (!facts)
		return;
	g_ptr_array_unref(facts->peers);
	g_ptr_array_unref(facts->lists);
	g_clear_pointer(&facts->freezes, g_ptr_array_unref);
	g_ptr_array_unref(facts->versions);
	g_strfreev(facts->app_names);
	g_free(facts->bases);
	g_free(facts);
}
