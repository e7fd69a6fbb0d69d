/* SPDX-License-Identifier: ISC */
/*
 * The bubblewrap command line. Its root is an empty tmpfs: mount points can be made there, which
 * they could not on a read-only bind of the real root. Each folder at the top is bound onto it,
 * but those that hold what a build must not see; at the end the tmpfs itself becomes read-only.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build/build-private.h"

#define TRY_DEADLINE_S 10
#define NOBODY "65534"

/* At the top, and never seen by a build. /var is bound in parts, /proc, /dev and /tmp are new. */
static const char *const hidden_tops[] = {"tmp", "home",  "root",       "run", "srv",
					  "mnt", "media", "proc",       "dev", "sys",
					  "var", "boot",  "lost+found", NULL};

/* Made as empty folders, because programs look for them. */
static const char *const empty_tops[] = {"/home", "/root", "/run", "/srv", "/mnt", "/media", NULL};

/* What compilers, packagers and interpreters read. */
static const char *const var_parts[] = {"/var/lib/dpkg",
					"/var/lib/rpm",
					"/var/lib/gems",
					"/var/lib/ghc",
					"/var/lib/texmf",
					"/var/cache/fontconfig",
					NULL};

/* Readable by a worker that is root, and by nobody else's business. */
static const char *const etc_secret_folders[] = {"/etc/ssh", "/etc/ssl/private", "/etc/pki/private",
						 NULL};
static const char *const etc_secret_files[] = {
    "/etc/shadow",  "/etc/shadow-",          "/etc/gshadow",     "/etc/gshadow-",
    "/etc/sudoers", "/etc/security/opasswd", "/etc/krb5.keytab", NULL};

static void add(GPtrArray *args, const char *first, ...) G_GNUC_NULL_TERMINATED;

static void add(GPtrArray *args, const char *first, ...)
{
	va_list list;

	va_start(list, first);
	for (const char *arg = first; arg; arg = va_arg(list, const char *))
		g_ptr_array_add(args, g_strdup(arg));
	va_end(list);
}

static gboolean is_dir(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static gboolean lies_in(const char *path, const char *folder)
{
	return g_str_has_prefix(path, folder) &&
	       (path[strlen(folder)] == '/' || path[strlen(folder)] == '\0');
}

static gboolean hides(const GPtrArray *hidden, const char *path)
{
	for (guint i = 0; i < hidden->len; i++)
		if (lies_in(path, hidden->pdata[i]))
			return TRUE;
	return FALSE;
}

/* Real paths of what must be hidden, none within another; what does not exist needs no hiding. */
static GPtrArray *resolve_hidden(const char *const *hide)
{
	GPtrArray *hidden = g_ptr_array_new_with_free_func(g_free);

	for (; hide && *hide; hide++) {
		char *real = realpath(*hide, NULL);

		if (real && !hides(hidden, real))
			g_ptr_array_add(hidden, g_strdup(real));
		free(real);
	}
	return hidden;
}

/* One folder or link at the top. */
static void add_top(GPtrArray *args, const char *name, const GPtrArray *hidden)
{
	g_autofree char *path = g_strconcat("/", name, NULL);
	g_autofree char *target = NULL;

	if (g_strv_contains(hidden_tops, name) || hides(hidden, path))
		return;
	target = g_file_read_link(path, NULL);
	if (target) {
		add(args, "--symlink", target, path, NULL);
		return;
	}
	if (!is_dir(path))
		return;
	add(args, "--ro-bind", path, path, NULL);
	for (guint i = 0; i < hidden->len; i++) {
		const char *inside = hidden->pdata[i];

		if (!lies_in(inside, path))
			continue;
		if (is_dir(inside))
			add(args, "--tmpfs", inside, "--remount-ro", inside, NULL);
		else
			add(args, "--ro-bind", "/dev/null", inside, NULL);
	}
}

static gboolean add_tops(GPtrArray *args, const GPtrArray *hidden, GError **error)
{
	g_autoptr(GPtrArray) names = util_fs_list(AT_FDCWD, "/", error);

	for (guint i = 0; names && i < names->len; i++)
		add_top(args, names->pdata[i], hidden);
	return names != NULL;
}

static void add_etc_and_var(GPtrArray *args, gboolean network)
{
	char *resolver = network ? realpath("/etc/resolv.conf", NULL) : NULL;

	for (const char *const *p = etc_secret_folders; *p; p++)
		if (is_dir(*p))
			add(args, "--tmpfs", *p, NULL);
	for (const char *const *p = etc_secret_files; *p; p++)
		if (access(*p, R_OK) == 0)
			add(args, "--ro-bind", "/dev/null", *p, NULL);
	for (const char *const *p = var_parts; *p; p++)
		if (is_dir(*p))
			add(args, "--ro-bind", *p, *p, NULL);
	/* names are often resolved by a file that /etc only links to */
	if (resolver && g_str_has_prefix(resolver, "/run/"))
		add(args, "--ro-bind", resolver, resolver, NULL);
	free(resolver);
}

static void add_own(GPtrArray *args, const BuildSandbox *sandbox)
{
	for (const char *const *p = empty_tops; *p; p++)
		add(args, "--dir", *p, NULL);
	if (sandbox->workspace)
		add(args, "--bind", sandbox->workspace, "/build", NULL);
	else
		add(args, "--dir", "/build", NULL);
	add(args, "--proc", "/proc", "--dev", "/dev", NULL);
	/* /dev/shm too: what is written there should count as disk, not as memory */
	if (sandbox->tmp)
		add(args, "--bind", sandbox->tmp, "/tmp", "--bind", sandbox->tmp, "/var/tmp",
		    "--bind", sandbox->tmp, "/dev/shm", NULL);
	add(args, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/build", NULL);
}

GPtrArray *build_sandbox_args(const BuildSandbox *sandbox, GError **error)
{
	g_autoptr(GPtrArray) args = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) hidden = resolve_hidden(sandbox->hide);

	add(args, sandbox->bwrap, "--unshare-all", "--die-with-parent", "--new-session",
	    "--hostname", "build", "--cap-drop", "ALL", NULL);
	/* the first process is 1: it has ended only when all of the namespace has */
	add(args, "--as-pid-1", NULL);
	if (sandbox->network)
		add(args, "--share-net", NULL);
	/* tar and others give files away when they think that they are root */
	if (geteuid() == 0)
		add(args, "--unshare-user", "--uid", NOBODY, "--gid", NOBODY, NULL);
	if (!add_tops(args, hidden, error))
		return NULL;
	add_etc_and_var(args, sandbox->network);
	add_own(args, sandbox);
	add(args, "--", NULL);
	return g_steal_pointer(&args);
}

static gboolean refuse(GError **error, const char *what, const char *remedy)
{
	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "builds need a sandbox, and %s; %s, or write sandbox = \"none\" in the "
	    "app's file to build unconfined",
	    what, remedy);
}

gboolean build_sandbox_try(const char *bwrap, GError **error)
{
	BuildSandbox sandbox = {.bwrap = bwrap ? bwrap : "bwrap"};
	g_autoptr(GPtrArray) args = build_sandbox_args(&sandbox, error);
	g_autoptr(GBytes) output = NULL;
	g_autoptr(GError) problem = NULL;
	g_autofree char *said = NULL;
	g_auto(GStrv) lines = NULL;
	g_autofree char *what = NULL;
	int status = 0;

	if (!args)
		return FALSE;
	add(args, "/bin/sh", "-c", "exit 0", NULL);
	g_ptr_array_add(args, NULL);
	if (!util_child_capture((const char *const *)args->pdata, NULL, NULL, TRY_DEADLINE_S, 4096,
				&output, &said, &status, &problem)) {
		what = g_strdup_printf("bubblewrap cannot be run (%s)", problem->message);
		return refuse(error, what, "install it (apt-get install bubblewrap)");
	}
	if (status == 0)
		return TRUE;
	lines = g_strsplit(said, "\\x0a", 2); /* as util_child_capture shows a newline */
	what = g_strdup_printf("bubblewrap does not work here (%s)", *lines ? *lines : "");
	return refuse(error, what,
		      "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1; on Ubuntu "
		      "kernel.apparmor_restrict_unprivileged_userns=0)");
}

gboolean build_sandbox_works(GError **error)
{
	return build_sandbox_try(NULL, error);
}
