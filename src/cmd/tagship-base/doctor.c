/* SPDX-License-Identifier: ISC */
/* Each finding with what to do; exit status 1 if anything is wrong, for monitoring. */
#include <unistd.h>

#include "cmd/notices.h"
#include "cmd/tagship-base/clock.h"
#include "cmd/tagship-base/contact.h"
#include "cmd/tagship-base/doctor.h"
#include "cmd/tagship-base/nodes.h"

static void check_key(CmdDoctor *doctor, const Base *base)
{
	g_autoptr(GError) error = NULL;
	gboolean good = util_sshsig_check_key_file(base->conf->key_file, &error);
	cmd_finding(doctor, good, "%s", good ? "key: only its owner can read it" : error->message);
	if (cmd_key_is_old(base->conf->key_file, util_clock_now_utc(base->clock)))
		cmd_note(doctor, "key: over a year old; tagship-base key rotate");
}

/* Whose word counts here. */
static void check_trust(CmdDoctor *doctor, const Base *base)
{
	g_autoptr(GError) error = NULL;
	const MirrorSpec spec = {.root_dirfd = base->dirfd, .conf = base->conf};
	g_autoptr(TrustKeys) keys = mirror_keys(&spec, &error);
	gboolean changed = keys && !g_strv_equal(trust_keys_list(keys),
						 (const char *const *)base->conf->central_keys);
	cmd_finding(doctor, keys != NULL, "central's key: %s",
		    !keys     ? error->message
		    : changed ? "changed since it was pinned, by central's own statements"
			      : "as pinned in base.cfg");
	if (!*base->conf->recovery_keys)
		cmd_finding(doctor, TRUE,
			    "recovery key: none pinned; if central's key is stolen, central_keys "
			    "must be changed here by hand");
	if (!base->conf->signers)
		return;
	g_clear_error(&error);
	g_autoptr(TrustSigners) signers = trust_signers_load(AT_FDCWD, base->conf->signers, &error);
	if (signers)
		cmd_finding(doctor, trust_signers_count(signers) > 0,
			    "signers: %u; orders run only by their signed tags",
			    trust_signers_count(signers));
	else
		cmd_finding(doctor, FALSE, "signers: %s; nothing new is accepted", error->message);
}

static void check_ledger(CmdDoctor *doctor, const Base *base)
{
	g_autoptr(GError) error = NULL;
	const MirrorSpec spec = {
	    .root_path = base->root, .root_dirfd = base->dirfd, .conf = base->conf};
	gboolean good = mirror_verify(&spec, &error);
	cmd_finding(doctor, good, "ledger: %s%s", good ? "verified end to end" : error->message,
		    good ? ""
			 : "; put mirror.git back from a backup, or let central take this base "
			   "anew (tagship base key NAME --replace)");
}

static void check_contact(CmdDoctor *doctor, const Base *base)
{
	gint64 time = 0, offset = 0;
	g_autoptr(UtilTrailers) contact = base_last_contact(base);
	if (!contact || !util_trailers_need_time(contact, "Time", &time, NULL)) {
		cmd_finding(doctor, FALSE, "central was never reached; run tagship-base pull");
		return;
	}
	const char *failed = util_trailers_get(contact, "Error");
	if (failed && *failed)
		cmd_finding(doctor, FALSE, "last contact failed: %s", failed);
	gint64 age = util_clock_now_utc(base->clock) - time;
	g_autofree char *ago = util_text_duration(age);
	gboolean by_file = util_trailers_get(contact, "By-File") != NULL;
	gboolean silent = !by_file && age > base->conf->silent_s;
	cmd_finding(doctor, !silent, "last contact %s ago%s%s", ago, by_file ? ", by a file" : "",
		    silent ? "; is the pull timer (or run) on, is the line up?" : "");
	g_autofree char *stale = base_head_alarm(base);
	if (stale)
		cmd_finding(doctor, FALSE, "%s", stale);
	(void)base_clock_offset(contact, &offset); /* not known: 0 */
	cmd_finding(doctor, !base_clock_is_off(offset), "clock: %.3f s off central's%s",
		    (double)offset / 1000,
		    base_clock_is_off(offset) ? "; check NTP here and there" : "");
	g_autofree char *doubt = base_clock_doubt(base);
	if (doubt)
		cmd_finding(doctor, FALSE, "clock not trusted: %s", doubt);
}

static void check_disk(CmdDoctor *doctor, const Base *base)
{
	guint64 free_bytes = 0;
	if (!mirror_free_bytes(base->dirfd, base->conf, &free_bytes)) {
		cmd_finding(doctor, FALSE, "disk: what is free cannot be asked");
		return;
	}
	g_autofree char *text = util_text_bytes(free_bytes);
	gboolean good = free_bytes > (guint64)base->conf->min_free_mb * 1000000;
	cmd_finding(doctor, good, "disk: %s free%s", text,
		    good ? ""
			 : ", below min_free_mb: nothing is fetched; tagship-base gc, or a larger "
			   "disk");
}

/* What the live tree's shared links lead to. */
static void check_shared(CmdDoctor *doctor, const Base *base, const ConfBaseApp *app,
			 const char *root)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) manifest = activate_manifest(base->dirfd, root, &error);
	if (!manifest) {
		cmd_finding(doctor, FALSE, "app %s: %s", app->name, error->message);
		return;
	}
	for (guint i = 0; i < manifest_count(manifest); i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		if (!manifest_is_shared_link(entry))
			continue;
		g_autofree char *path =
		    g_build_filename(app->dir, MANIFEST_SHARED_FOLDER, entry->path, NULL);
		gboolean there = g_file_test(path, G_FILE_TEST_IS_DIR);
		cmd_finding(doctor, there, "app %s: %s%s", app->name, path,
			    there ? ": shared by all versions"
				  : " is missing or no folder, and the live version's link leads "
				    "to it: make it, for the account that the app runs as");
	}
}

static void check_app(CmdDoctor *doctor, const Base *base, const ConfBaseApp *app)
{
	g_autoptr(GError) error = NULL;
	ActivateSpec spec = base_activate_spec(base, app);
	g_autoptr(DecideApp) state = activate_read(&spec, &error);
	if (!state) {
		cmd_finding(doctor, FALSE, "app %s: %s", app->name, error->message);
		return;
	}
	base_check_folder(doctor, app);
	g_autofree char *path = g_build_filename(app->dir, "current", NULL);
	g_autofree char *target = util_fs_readlink(AT_FDCWD, path, NULL);
	g_autofree char *tree = target ? g_path_get_basename(target) : NULL;
	const char *live = decide_app_live_tree(state);
	if (live && g_strcmp0(live, tree) != 0)
		cmd_finding(
		    doctor, FALSE,
		    "app %s: %s points at %s, the journal says %s is live; somebody changed it "
		    "by hand",
		    app->name, path, tree ? tree : "nothing", live);
	else if (decide_app_is_down(state))
		cmd_finding(doctor, FALSE,
			    "app %s is down: nothing healthy serves; tagship-base log %s says why, "
			    "tagship-base activate or rollback %s tries again",
			    app->name, app->name, app->name);
	else
		cmd_finding(doctor, TRUE, "app %s: %s", app->name,
			    live ? live : "nothing live yet");
	if (decide_app_live_root(state))
		check_shared(doctor, base, app, decide_app_live_root(state));
	gboolean flag = activate_in_maintenance(&spec);
	if (flag != (decide_app_maintenance(state, NULL) != 0))
		cmd_finding(doctor, FALSE,
			    "app %s: %s/maintenance was %s by hand; tagship-base maintenance %s on "
			    "or off says which is meant",
			    app->name, app->dir, flag ? "made" : "removed", app->name);
	const char *reason = NULL;
	if (decide_app_held(state, &reason))
		cmd_finding(doctor, FALSE, "app %s is held: %s", app->name, reason ? reason : "");
	if (decide_app_stopped(state, &reason))
		cmd_finding(doctor, FALSE, "app %s is stopped by central (tagship resume): %s",
			    app->name, reason ? reason : "");
}

static void check_nodes(CmdDoctor *doctor, const Base *base)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) nodes = site_nodes(base->dirfd, &error);
	if (!nodes)
		cmd_finding(doctor, FALSE, "nodes: %s", error->message);
	for (guint i = 0; nodes && i < nodes->len; i++) {
		const SiteNode *node = g_ptr_array_index(nodes, i);
		gint64 age = util_clock_now_utc(base->clock) - node->heard_utc;
		g_autofree char *ago = util_text_duration(age);
		cmd_finding(doctor, node->heard_utc && age < base->conf->silent_s,
			    "node %s: %s%s%s", node->name,
			    node->heard_utc ? "heard " : "never heard; run tagship-base pull there",
			    node->heard_utc ? ago : "", node->heard_utc ? " ago" : "");
	}
}

int base_doctor(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	CmdDoctor doctor = cmd_doctor_begin(cmd);
	check_key(&doctor, base);
	check_trust(&doctor, base);
	check_ledger(&doctor, base);
	check_contact(&doctor, base);
	check_disk(&doctor, base);
	cmd_check_clock(&doctor);
	cmd_check_notify(&doctor, base->dirfd, base->conf->notify);
	base_check_features(&doctor, base);
	cmd_check_confinement(&doctor, "unpacking, and serving nodes");
	if (base->conf->apps->len == 0)
		cmd_finding(&doctor, FALSE, "no app in %s/base.cfg; add one", base->root);
	for (guint i = 0; i < base->conf->apps->len; i++)
		check_app(&doctor, base, g_ptr_array_index(base->conf->apps, i));
	base_check_servers(&doctor);
	check_nodes(&doctor, base);
	cmd_finding(&doctor, TRUE, "tagship-base run: %s",
		    util_fs_locked(base->dirfd, "lock/run")
			? "running"
			: "not running (fine if timers pull and activate)");
	return cmd_doctor_end(&doctor, error);
}
