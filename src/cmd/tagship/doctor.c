/* SPDX-License-Identifier: ISC */
/* Each finding with what to do; exit status 1 if anything is wrong, for monitoring. */
#include <sys/stat.h>
#include <unistd.h>

#include "status/status.h"
#include "cmd/notices.h"
#include "cmd/tagship/doctor.h"
#include "confine/confine.h"

#define RELEASES_LOOKED_AT 200 /* of an app, the newest */
#define WATCHES_SPARE 20       /* of other programs of this account */
#define BOARD_OLD_S (15 * 60)
#define WORKER_STARTS_US (2 * G_USEC_PER_SEC)

static void check_error(CmdDoctor *doctor, gboolean good, const char *what, const GError *error)
{
	if (good)
		cmd_finding(doctor, TRUE, "%s", what);
	else
		cmd_finding(doctor, FALSE, "%s: %s", what, error->message);
}

/* `key`: from keys/central.pub, or NULL. */
static void check_key(CmdDoctor *doctor, Central *central, const char *key)
{
	g_autoptr(GError) error = NULL;
	gboolean good = util_sshsig_check_key_file(central->key_file, &error);
	check_error(doctor, good, "signing key: only its owner can read it", error);
	if (cmd_key_is_old(central->key_file, util_clock_now_utc(central->clock)))
		cmd_note(doctor, "signing key: over a year old; tagship key rotate");
	if (!good)
		return; /* ssh-keygen would not touch it */
	g_autofree char *own = util_sshsig_public_key(central->key_file, &error);
	if (!own)
		cmd_finding(doctor, FALSE, "signing key: %s", error->message);
	else if (g_strcmp0(own, key) != 0)
		cmd_finding(doctor, FALSE,
			    "signing key: %s.pub is not its public half; write \"%s\" into it",
			    central->key_file, own);
}

static void check_recovery(CmdDoctor *doctor, Central *central)
{
	g_autofree char *key = publish_key_recovery(central);
	gboolean here = faccessat(central->dirfd, PUBLISH_RECOVERY, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (!key)
		cmd_finding(doctor, FALSE,
			    "recovery key: none; if the signing key is stolen, each base must be "
			    "mended by hand (tagship key recovery FILE.pub)");
	else
		cmd_finding(doctor, !here, "recovery key: %s",
			    here ? "its private half is still here, where whoever steals the "
				   "signing key finds it; move " PUBLISH_RECOVERY
				   " off this machine"
				 : "known, and not on this machine");
}

static void check_bwrap(CmdDoctor *doctor, Central *central, char **apps)
{
	gboolean wanted = FALSE;
	for (guint i = 0; apps[i]; i++) {
		g_autoptr(ConfApp) app = conf_app_load(central->dirfd, apps[i], NULL);
		wanted = wanted || (app && strcmp(app->sandbox, "bwrap") == 0);
	}
	g_autoptr(GError) error = NULL;
	if (!wanted)
		return;
	gboolean works = build_sandbox_works(&error);
	check_error(doctor, works, "bubblewrap runs builds", error);
}

static void check_disk(CmdDoctor *doctor, Central *central)
{
	guint64 free_bytes = 0;
	g_autoptr(GError) error = NULL;
	if (!util_fs_free_bytes(central->dirfd, &free_bytes, &error)) {
		cmd_finding(doctor, FALSE, "disk: %s", error->message);
		return;
	}
	g_autofree char *text = util_text_bytes(free_bytes);
	gboolean good = free_bytes > (guint64)central->conf->min_free_mb * 1000000;
	cmd_finding(doctor, good, "disk: %s free%s", text,
		    good ? ""
			 : ", below min_free_mb: builds and bundles stop; tagship gc, or a larger "
			   "disk");
}

static void check_hooks(CmdDoctor *doctor, const ConfApp *app)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *missing = cmd_hooks_missing(app->repo, &error);
	if (!missing)
		cmd_finding(doctor, FALSE, "app %s: hooks: %s", app->name, error->message);
	else if (*missing)
		cmd_finding(doctor, FALSE,
			    "app %s: hook %s is not ours; run: tagship hook install %s", app->name,
			    missing, app->repo);
	g_autofree char *chained = cmd_hooks_chained(app->repo);
	if (chained && *chained)
		cmd_finding(doctor, TRUE, "app %s: hooks that were there before run first: %s",
			    app->name, chained);
}

/* A tag that we dealt with and that is gone without a recorded deletion. */
static void check_missing_tags(CmdDoctor *doctor, Central *central, const ConfApp *app, Repo *repo)
{
	g_autoptr(GHashTable) seen = library_seen(central->library, app->name, NULL);
	GHashTableIter iter;
	gpointer name = NULL, oid = NULL;
	if (!seen)
		return;
	g_hash_table_iter_init(&iter, seen);
	while (g_hash_table_iter_next(&iter, &name, &oid)) {
		char now[REPO_OID];
		if (!g_str_has_prefix(name, "refs/tags/") || repo_ref_get(repo, name, now, NULL))
			continue;
		g_autoptr(PublishRelease) release = publish_release(central, app->name, oid, NULL);
		if (release && decide_release_is_cancelled(release))
			continue;
		g_autofree char *meant =
		    release ? g_strdup_printf(". If it was meant to go: tagship cancel %s %.12s",
					      app->name, (char *)oid)
			    : g_strdup("");
		cmd_finding(doctor, FALSE,
			    "app %s: %s is gone from %s without a recorded deletion; nothing was "
			    "cancelled. Put it back: git -C %s update-ref %s %s%s",
			    app->name, (char *)name, app->repo, app->repo, (char *)name,
			    (char *)oid, meant);
	}
}

/* A freeze that came after plans which fall into it keeps nothing back. */
static void check_freezes(CmdDoctor *doctor, Central *central, const PublishFacts *facts,
			  const char *app)
{
	g_autoptr(GPtrArray) releases =
	    publish_releases(central, NULL, app, RELEASES_LOOKED_AT, NULL);
	for (guint i = 0; releases && i < releases->len; i++) {
		const PublishRelease *release = releases->pdata[i];
		for (guint t = 0; t < release->targets->len; t++) {
			const PublishTarget *target = release->targets->pdata[t];
			g_autofree char *frozen = publish_frozen(facts, release, target);
			if (frozen)
				cmd_finding(doctor, FALSE,
					    "%s %s at %s: %s; replan or cancel it, or push it with "
					    "Release-Override: REASON",
					    app, release->version, target->base, frozen);
		}
	}
}

static void check_app(CmdDoctor *doctor, Central *central, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ConfApp) app = conf_app_load(central->dirfd, name, &error);
	g_autoptr(Repo) repo = app ? repo_open(app->repo, &error) : NULL;
	if (!repo) {
		cmd_finding(doctor, FALSE, "app %s: %s", name, error->message);
		return;
	}
	guint before = doctor->bad;
	check_hooks(doctor, app);
	check_missing_tags(doctor, central, app, repo);
	if (doctor->bad == before)
		cmd_finding(doctor, TRUE, "app %s: repository and hooks", name);
}

static void check_ledger(CmdDoctor *doctor, Central *central, const char *base, const char *key)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Repo) ledger = ledger_open(central->path, base, &error);
	char head[REPO_OID];
	g_autoptr(TrustKeys) keys = publish_own_keys(central->dirfd, key);
	gboolean good = ledger != NULL && keys != NULL;
	if (good && repo_ref_get(ledger, LEDGER_ORDERS, head, NULL))
		good = ledger_verify(ledger, head, "", base, &keys, &error);
	g_autofree char *what = g_strdup_printf("base %s: ledger verified end to end", base);
	check_error(doctor, good, what, error);
	g_autoptr(UtilTrailers) contact = publish_contact(central, base);
	gint64 heard = 0, offset_ms = 0;
	if (!contact || !util_trailers_need_time(contact, "Time", &heard, NULL)) {
		cmd_finding(doctor, FALSE, "base %s: never heard; run tagship-base pull there",
			    base);
		return;
	}
	g_autofree char *ago = util_text_duration(util_clock_now_utc(central->clock) - heard);
	gboolean silent = publish_base_is_silent(central, base, contact, &heard);
	cmd_finding(doctor, !silent, "base %s: heard %s ago%s%s", base, ago,
		    util_trailers_get(contact, "By-File") ? ", by a file" : "",
		    silent ? "; is its pull timer running, is its line up?" : "");
	if (publish_clock_is_off(contact, &offset_ms))
		cmd_finding(doctor, FALSE, "base %s: its clock is %+.3f s off ours; check its NTP",
			    base, (double)offset_ms / 1000);
}

/* Each watching base takes one of this account's watches. */
static void check_watches(CmdDoctor *doctor, guint bases)
{
	g_autofree char *text = NULL;
	guint64 most = 0;
	if (!g_file_get_contents("/proc/sys/fs/inotify/max_user_instances", &text, NULL, NULL) ||
	    !g_ascii_string_to_unsigned(g_strstrip(text), 10, 0, G_MAXUINT32, &most, NULL))
		return;
	if (bases + WATCHES_SPARE > most)
		cmd_finding(doctor, FALSE,
			    "%u bases, but this account may watch only %" G_GUINT64_FORMAT
			    " folders: some look every 2 s instead; sysctl "
			    "fs.inotify.max_user_instances=%u",
			    bases, most, 2 * bases + WATCHES_SPARE);
}

/* Hints that wait. They are stuck when no worker runs, but one just told of them needs a moment to
 * start. */
static guint count_hints(Central *central, gboolean *ret_stuck)
{
	gint64 until = g_get_monotonic_time() + WORKER_STARTS_US;
	for (;;) {
		gboolean running = publish_worker_running(central);
		g_autoptr(GPtrArray) hints = store_hint_list(central->queue_dirfd, NULL);
		guint count = hints ? hints->len : 0;
		*ret_stuck = count > 0 && !running;
		if (!*ret_stuck || g_get_monotonic_time() >= until)
			return count;
		g_usleep(G_USEC_PER_SEC / 20);
	}
}

static void check_board(CmdDoctor *doctor, Central *central)
{
	const char *board = central->conf->board;
	g_autofree char *parent = g_path_get_dirname(board);
	g_autofree char *newest = g_build_filename(board, "metrics.prom", NULL);
	struct stat st;
	gboolean there = g_file_test(board, G_FILE_TEST_EXISTS);
	gboolean good = access(there ? board : parent, W_OK | X_OK) == 0 &&
			(!there || g_file_test(board, G_FILE_TEST_IS_DIR));
	/* the worker may not write where whoever runs this may */
	gboolean old = publish_worker_running(central) &&
		       (stat(newest, &st) != 0 ||
			util_clock_now_utc(central->clock) - st.st_mtime > BOARD_OLD_S);
	cmd_finding(doctor, good && !old, "board: %s%s", board,
		    !good ? " is no folder that this account can write: chown it, or name another"
		    : old ? " is not kept, though a worker runs: log/worker.log says why "
			    "(tagship-worker.service needs ReadWritePaths= for it)"
			  : "");
}

/* What tells people what happens. */
static void check_telling(CmdDoctor *doctor, Central *central)
{
	const ConfCentral *conf = central->conf;
	gboolean by_hooks = strcmp(conf->worker, "service") != 0;
	cmd_check_notify(doctor, central->dirfd, conf->notify);
	if (*conf->board)
		check_board(doctor, central);
	if (by_hooks && (*conf->board || *conf->notify))
		cmd_finding(doctor, FALSE,
			    "worker: \"hook\" in central.cfg: %s not looked after while nothing "
			    "happens, as when a base falls silent; worker = \"service\", and "
			    "systemctl enable --now tagship-worker",
			    *conf->board ? "the board and notices are" : "notices are");
}

static void check_worker(CmdDoctor *doctor, Central *central)
{
	if (strcmp(central->conf->worker, "service") == 0) {
		gboolean running = publish_worker_running(central);
		cmd_finding(doctor, running, "worker: %s",
			    running ? "running" : "not running; systemctl start tagship-worker");
	}
	gboolean stuck = FALSE;
	guint hints = count_hints(central, &stuck);
	cmd_finding(doctor, !stuck, "queue: %u hints waiting%s", hints,
		    stuck ? " and no worker runs; tagship worker --once" : "");
}

static void check_programs(CmdDoctor *doctor)
{
	const char *argv[] = {"git", "--version", NULL};
	g_autoptr(GBytes) output = NULL;
	g_autofree char *errors = NULL;
	int status = 0;
	g_autoptr(GError) error = NULL;
	gboolean good =
	    util_child_capture(argv, NULL, NULL, 20, 4096, &output, &errors, &status, &error) &&
	    status == 0;
	cmd_finding(doctor, good, "git %s", good ? "runs" : "does not run; install it");
	g_autofree char *broken = cmd_hooks_broken();
	if (*broken)
		cmd_finding(doctor, FALSE,
			    "hooks: not there, or not executable: %s; pushes are refused or go "
			    "unseen: install tagship again",
			    broken);
}

static void check_all(CmdDoctor *doctor, Central *central)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) apps = conf_app_names(central->dirfd, &error);
	g_auto(GStrv) bases = conf_peer_names(central->dirfd, apps ? &error : NULL);
	if (!apps || !bases) {
		cmd_finding(doctor, FALSE, "state folder: %s", error->message);
		return;
	}
	g_autofree char *key = publish_key_public(central->dirfd, PUBLISH_KEY ".pub");
	check_programs(doctor);
	cmd_check_ownership(doctor, central);
	check_key(doctor, central, key);
	check_recovery(doctor, central);
	check_bwrap(doctor, central, apps);
	cmd_check_confinement(doctor, "serving bases");
	if (!confine_account_is_local())
		cmd_finding(doctor, TRUE,
			    "serving bases: this account is not in /etc/passwd, so what answers "
			    "may ask the machine's own services who it is; a line there for it "
			    "would close that");
	check_disk(doctor, central);
	cmd_check_clock(doctor);
	cmd_check_sshd(doctor, central, bases);
	check_watches(doctor, g_strv_length(bases));
	check_worker(doctor, central);
	check_telling(doctor, central);
	g_autoptr(GError) failed = NULL;
	g_autoptr(PublishFacts) facts = publish_facts_new(central, NULL, NULL, NULL, &failed);
	check_error(doctor, facts != NULL, "bases and freezes", failed);
	for (guint i = 0; apps[i]; i++) {
		check_app(doctor, central, apps[i]);
		if (facts)
			check_freezes(doctor, central, facts, apps[i]);
	}
	if (!key)
		cmd_finding(doctor, FALSE, "ledgers: not verified without %s.pub",
			    central->key_file);
	for (guint i = 0; key && bases[i]; i++)
		check_ledger(doctor, central, bases[i], key);
}

int cmd_doctor(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central)
		return 1;
	CmdDoctor doctor = cmd_doctor_begin(cmd);
	check_all(&doctor, central);
	return cmd_doctor_end(&doctor, error);
}
