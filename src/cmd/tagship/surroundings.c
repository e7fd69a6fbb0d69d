/* SPDX-License-Identifier: ISC */
/* doctor: what is around the state folder: who owns it, and the sshd that bases come by. */
#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/tagship/doctor.h"

#define SSHD_S 10
#define SSHD_OUTPUT_MAX (256 * 1024)
#define AUTHORIZED_MAX (16 * 1024 * 1024)
#define STARTUPS_OF_OTHERS 3 /* admins, developers */

/* ---- ownership ---- */

static char *user_of(uid_t uid)
{
	const struct passwd *pw = getpwuid(uid);
	return pw ? g_strdup(pw->pw_name) : g_strdup_printf("uid %u", (guint)uid);
}

static void check_entry(CmdDoctor *doctor, Central *central, const char *name,
			const struct stat *state)
{
	struct stat st;
	if (fstatat(central->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return; /* gone by now */
	g_autofree char *path = g_build_filename(central->path, name, NULL);
	g_autofree char *owner = user_of(state->st_uid);
	if (st.st_uid != state->st_uid) {
		g_autofree char *other = user_of(st.st_uid);
		cmd_finding(doctor, FALSE,
			    "%s belongs to %s, the state folder to %s: chown -R %s %s", path, other,
			    owner, owner, path);
	}
	if (!S_ISLNK(st.st_mode) && (st.st_mode & S_IWOTH))
		cmd_finding(doctor, FALSE, "%s: everybody may write there: chmod o-w %s", path,
			    path);
}

void cmd_check_ownership(CmdDoctor *doctor, Central *central)
{
	struct stat state;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) names = util_fs_list(central->dirfd, ".", &error);
	if (!names || fstat(central->dirfd, &state) != 0) {
		cmd_finding(doctor, FALSE, "state folder: %s",
			    error ? error->message : g_strerror(errno));
		return;
	}
	guint before = doctor->bad;
	g_autofree char *owner = user_of(state.st_uid);
	if (state.st_mode & S_IWOTH)
		cmd_finding(doctor, FALSE, "%s: everybody may write there: chmod o-w %s",
			    central->path, central->path);
	for (guint i = 0; i < names->len; i++)
		check_entry(doctor, central, names->pdata[i], &state);
	if (geteuid() != state.st_uid)
		cmd_note(doctor,
			 "this is not run as %s, to whom the state folder belongs: what that "
			 "account may not do is not found (sudo -u %s tagship doctor)",
			 owner, owner);
	if (doctor->bad == before)
		cmd_finding(doctor, TRUE, "state folder: all of it belongs to %s", owner);
}

/* ---- sshd ---- */

/* Its absolute path: it would not run by another. */
static char *sshd_program(void)
{
	g_autofree char *program = g_find_program_in_path("sshd");
	return g_strdup(program ? program : "/usr/sbin/sshd");
}

/* Its settings for this account, as `sshd -T` prints them; NULL with why not. sshd wants a host key
 * that it can read, so it gets one. */
static char *sshd_settings(const char *user, char **ret_why)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *dir = g_dir_make_tmp("tagship-doctor-XXXXXX", &error);
	g_autofree char *key = dir ? g_build_filename(dir, "key", NULL) : NULL;
	g_autofree char *match = g_strdup_printf("user=%s,host=localhost,addr=127.0.0.1", user);
	g_autofree char *program = sshd_program();
	const char *const argv[] = {program, "-T", "-h", key, "-C", match, NULL};
	g_autoptr(GBytes) output = NULL;
	g_autofree char *errors = NULL;
	int status = 0;
	gboolean ran = dir && util_sshsig_keygen(key, "doctor", &error) &&
		       util_child_capture(argv, NULL, NULL, SSHD_S, SSHD_OUTPUT_MAX, &output,
					  &errors, &status, &error);
	if (dir)
		(void)util_fs_remove_tree(AT_FDCWD, dir, NULL); /* a key of no use to anybody */
	if (ran && status == 0) {
		gsize len = 0;
		const char *text = g_bytes_get_data(output, &len);
		return g_strndup(text, len);
	}
	*ret_why = ran ? g_strdup(g_strchomp(errors)) : g_strdup(error->message);
	return NULL;
}

/* All values of this name behind each other; "" if there are none. */
static char *setting(const char *settings, const char *name)
{
	g_auto(GStrv) lines = g_strsplit(settings, "\n", -1);
	g_autoptr(GString) values = g_string_new(NULL);
	gsize len = strlen(name);
	for (guint i = 0; lines[i]; i++)
		if (strncmp(lines[i], name, len) == 0 && lines[i][len] == ' ')
			g_string_append_printf(values, "%s%s", values->len > 0 ? " " : "",
					       lines[i] + len + 1);
	return g_string_free(g_steal_pointer(&values), FALSE);
}

/* All bases may call at once, after a line was down. "10:30:100": from 10 on some are turned away.
 */
static void check_startups(CmdDoctor *doctor, const char *settings, guint bases)
{
	g_autofree char *value = setting(settings, "maxstartups");
	guint64 begin = g_ascii_strtoull(value, NULL, 10);
	guint wanted = bases + STARTUPS_OF_OTHERS;
	if (begin >= wanted)
		cmd_finding(doctor, TRUE, "sshd: MaxStartups %s", value);
	else
		cmd_note(doctor,
			 "sshd: MaxStartups %s, and %u bases: when they all call at once, some "
			 "are turned away and try again later; MaxStartups %u:30:%u",
			 value, bases, wanted, 2 * wanted);
}

static void check_shell(CmdDoctor *doctor, const struct passwd *pw)
{
	gboolean works = access(pw->pw_shell, X_OK) == 0 &&
			 !g_str_has_suffix(pw->pw_shell, "/nologin") &&
			 !g_str_has_suffix(pw->pw_shell, "/false");
	cmd_finding(doctor, works, "sshd: shell of %s: %s%s%s", pw->pw_name, pw->pw_shell,
		    works ? "" : ", and the forced command needs one: usermod --shell /bin/sh ",
		    works ? "" : pw->pw_name);
}

/* Each base's key is there, if keys are kept in a file. */
static void check_authorized(CmdDoctor *doctor, Central *central, const char *settings,
			     const struct passwd *pw, char **bases)
{
	g_autofree char *command = setting(settings, "authorizedkeyscommand");
	g_autofree char *path = g_build_filename(pw->pw_dir, ".ssh", "authorized_keys", NULL);
	g_autofree char *text = NULL;
	gsize len = 0;
	g_autoptr(GError) error = NULL;
	if (*command && strcmp(command, "none") != 0) {
		cmd_finding(doctor, TRUE, "sshd: AuthorizedKeysCommand %s", command);
		return;
	}
	if (!util_fs_read_file(AT_FDCWD, path, AUTHORIZED_MAX, &text, &len, &error)) {
		cmd_note(doctor, "sshd: which bases it lets in is not known here: %s",
			 error->message);
		return;
	}
	for (guint i = 0; bases[i]; i++) {
		g_autoptr(ConfPeer) peer = conf_peer_load(central->dirfd, bases[i], NULL);
		if (peer && !strstr(text, peer->key))
			cmd_finding(
			    doctor, FALSE,
			    "sshd: the key of base %s is not in %s: tagship authorized-keys "
			    "prints its line",
			    bases[i], path);
	}
}

void cmd_check_sshd(CmdDoctor *doctor, Central *central, char **bases)
{
	g_autoptr(GUri) url = g_uri_parse(central->conf->serve_url, G_URI_FLAGS_HAS_PASSWORD, NULL);
	const char *user = url ? g_uri_get_user(url) : NULL;
	const struct passwd *pw = user ? getpwnam(user) : NULL;
	g_autofree char *why = NULL;
	if (!*central->conf->serve_url)
		return; /* bases come by path, or by file */
	if (!pw) {
		cmd_note(doctor, "sshd: %s: that account is not on this machine; not looked at",
			 central->conf->serve_url);
		return;
	}
	check_shell(doctor, pw);
	g_autofree char *settings = sshd_settings(pw->pw_name, &why);
	if (!settings) {
		cmd_note(doctor, "sshd: its settings cannot be read: %s", why);
		return;
	}
	g_autofree char *env = setting(settings, "acceptenv");
	if (!strstr(env, "GIT_PROTOCOL"))
		cmd_note(doctor,
			 "sshd: AcceptEnv lacks GIT_PROTOCOL: git talks its older protocol, "
			 "which lists every ref each time");
	check_startups(doctor, settings, g_strv_length(bases));
	check_authorized(doctor, central, settings, pw, bases);
}
