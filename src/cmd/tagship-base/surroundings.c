/* SPDX-License-Identifier: ISC */
/* doctor: what is around the base folder: the apps' folders, and whose child a server is. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/tagship-base/doctor.h"

#define CGROUP_MAX 4096
#define SYSTEMCTL_S 10

/* ---- folders ---- */

void base_check_folder(CmdDoctor *doctor, const ConfBaseApp *app)
{
	struct stat st;
	if (stat(app->dir, &st) != 0) {
		cmd_finding(
		    doctor, FALSE,
		    "app %s: %s: %s; nothing is staged until it is there: make it, for this "
		    "account",
		    app->name, app->dir, g_strerror(errno));
		return;
	}
	if (st.st_mode & S_IWOTH)
		cmd_finding(doctor, FALSE,
			    "app %s: everybody may write in %s, and so change what serves: chmod "
			    "o-w %s",
			    app->name, app->dir, app->dir);
	if (faccessat(AT_FDCWD, app->dir, W_OK | X_OK, AT_EACCESS) != 0)
		cmd_finding(doctor, FALSE, "app %s: this account cannot write in %s: chown it",
			    app->name, app->dir);
}

void base_check_features(CmdDoctor *doctor, const Base *base)
{
	g_autofree char *features = base_features(base);
	cmd_finding(doctor, TRUE, "kernel and disk: %s", features);
	if (!strstr(features, "openat2"))
		cmd_finding(doctor, FALSE,
			    "kernel: no openat2(2), which keeps staging within its "
			    "folder: Linux 5.6 or newer");
	if (!strstr(features, "reflink"))
		cmd_note(doctor,
			 "disk: no reflinks (xfs and btrfs have them): staging copies what did "
			 "not change");
}

/* ---- whose child ---- */

/* "tagship-base.service" of "0::/system.slice/tagship-base.service"; NULL: it is in no unit of
 * ours. */
static char *unit_of(const char *pid)
{
	g_autofree char *path = g_build_filename("/proc", pid, "cgroup", NULL);
	g_autofree char *text = NULL;
	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	g_autofree char *name = g_path_get_basename(g_strstrip(text));
	return g_str_has_prefix(name, "tagship-") && g_str_has_suffix(name, ".service")
		   ? g_steal_pointer(&name)
		   : NULL;
}

static gboolean is_ours(const char *pid)
{
	g_autofree char *path = g_build_filename("/proc", pid, "comm", NULL);
	g_autofree char *comm = NULL;
	return !g_file_get_contents(path, &comm, NULL, NULL) || g_str_has_prefix(comm, "tagship");
}

/* "control-group", "process", …; NULL: not known. */
static char *kill_mode(const char *unit)
{
	const char *const argv[] = {"systemctl", "show", "--value", "-p", "KillMode", unit, NULL};
	g_autoptr(GBytes) output = NULL;
	g_autofree char *errors = NULL;
	int status = 0;
	if (!util_child_capture(argv, NULL, NULL, SYSTEMCTL_S, CGROUP_MAX, &output, &errors,
				&status, NULL) ||
	    status != 0)
		return NULL;
	gsize len = 0;
	const char *text = g_bytes_get_data(output, &len);
	return g_strstrip(g_strndup(text, len));
}

static void say_child(CmdDoctor *doctor, const char *pid, const char *unit)
{
	g_autofree char *path = g_build_filename("/proc", pid, "comm", NULL);
	g_autofree char *comm = NULL;
	g_autofree char *mode = kill_mode(unit);
	if (!g_file_get_contents(path, &comm, NULL, NULL))
		return; /* ended meanwhile */
	g_strchomp(comm);
	if (g_strcmp0(mode, "process") == 0)
		cmd_note(doctor,
			 "%s (%s) lives in %s: it outlives a restart of that, but systemd does "
			 "not look after it; better let a unit of its own start it (start = [ "
			 "\"systemctl\", \"start\", ... ])",
			 comm, pid, unit);
	else
		cmd_finding(doctor, FALSE,
			    "%s (%s) lives in %s, and is killed when that is restarted: set "
			    "KillMode=process there, or let a unit of its own start it (start = [ "
			    "\"systemctl\", \"start\", ... ])",
			    comm, pid, unit);
}

void base_check_servers(CmdDoctor *doctor)
{
	g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
	for (const char *pid; proc && (pid = g_dir_read_name(proc));) {
		g_autofree char *unit = g_ascii_isdigit(*pid) ? unit_of(pid) : NULL;
		if (unit && !is_ours(pid))
			say_child(doctor, pid, unit);
	}
}
