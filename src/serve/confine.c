/* SPDX-License-Identifier: ISC */
#include "confine/confine.h"
#include "serve/serve-private.h"

#define SETTINGS_MAX 32 /* files of git's configuration */
#define RULES_MAX (10 + SETTINGS_MAX)

/* Rules and the paths in them. */
typedef struct {
	ConfineRule rules[RULES_MAX + 1]; /* the last stays empty */
	guint count;
	GPtrArray *paths;
} Rules;

static void add(Rules *rules, guint access, const char *folder, const char *name)
{
	char *path = g_build_filename(folder, name, NULL);
	g_assert(rules->count < RULES_MAX);
	g_ptr_array_add(rules->paths, path);
	rules->rules[rules->count++] = (ConfineRule){path, access};
}

/* Objects and refs, but neither its configuration nor hooks: others run git there. */
static void add_ledger(Rules *rules, const char *ledger)
{
	static const char *const written[] = {"objects", "refs", REPO_UPDATE_LOCK};
	add(rules, CONFINE_READ, ledger, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(written); i++)
		add(rules, CONFINE_READ | CONFINE_WRITE | CONFINE_MOVE, ledger, written[i]);
}

static void add_state(Rules *rules, const ServeSpec *spec)
{
	static const char *const central[] = {"contacts", "sending", "queue"};
	const char *state = spec->state_path;
	if (spec->node) {
		add(rules, CONFINE_READ, state, "partial");
		g_autofree char *node = g_build_filename("nodes", spec->node, NULL);
		add(rules, CONFINE_READ | CONFINE_WRITE, state, node);
		return;
	}
	add(rules, CONFINE_READ, state, "bundles");
	for (guint i = 0; i < G_N_ELEMENTS(central); i++)
		add(rules, CONFINE_READ | CONFINE_WRITE, state, central[i]);
}

static gboolean make_folders(const ServeSpec *spec, GError **error)
{
	util_autofd int state_dirfd = util_fs_open_dir(AT_FDCWD, spec->state_path, error);
	return state_dirfd >= 0 &&
	       (spec->node || (util_fs_mkdir(state_dirfd, "contacts", 0750, error) &&
			       util_fs_mkdir(state_dirfd, "sending", 0750, error)));
}

/* The lock comes last in the making of a ledger: with it, all is there. */
static gboolean make_ledger(const ServeSpec *spec, const WireRequest *request, const char *path,
			    GError **error)
{
	g_autofree char *lock_path = g_build_filename(path, REPO_UPDATE_LOCK, NULL);
	if (g_file_test(lock_path, G_FILE_TEST_EXISTS))
		return TRUE;
	if (!spec->node && (request->verb == WIRE_WATCH || request->verb == WIRE_GIVE)) {
		g_autoptr(Repo) made = ledger_create(spec->state_path, spec->base, error);
		if (!made)
			return FALSE;
	}
	if (!g_file_test(path, G_FILE_TEST_IS_DIR))
		return TRUE; /* the verb says so */
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, path, error);
	util_autofd int lock = dirfd < 0 ? -1
					 : util_fs_open_beneath(dirfd, REPO_UPDATE_LOCK,
								O_RDWR | O_CREAT, 0644, error);
	return lock >= 0;
}

static void add_settings(Rules *rules)
{
	g_auto(GStrv) settings = repo_config_files();
	for (guint i = 0; i < SETTINGS_MAX && settings[i]; i++)
		add(rules, CONFINE_READ, settings[i], NULL);
}

gboolean serve_confine(const ServeSpec *spec, const char *verb_line, GError **error)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	Rules rules = {.paths = paths};
	g_autofree char *ledger = serve_place_of(spec)->path(spec);
	WireRequest request;
	if (!util_name_check("base", spec->base, error))
		return FALSE;
	/* for what is no verb, an answer is all that is needed */
	if (wire_request_parse(verb_line, strlen(verb_line), &request, NULL)) {
		if (!make_folders(spec, error) || !make_ledger(spec, &request, ledger, error))
			return FALSE;
		add_settings(&rules);
		add_ledger(&rules, ledger);
		add_state(&rules, spec);
	}
	const ConfineSpec confine = {
	    .rules = rules.rules, .programs = TRUE, .unix_sockets = !confine_account_is_local()};
	return confine_self(&confine, NULL, error);
}
