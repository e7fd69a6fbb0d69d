/* SPDX-License-Identifier: ISC */
/* What single values must look like. */
#include <string.h>

#include <gio/gio.h>

#include "conf/conf-private.h"

static gboolean bad(GError **error, const char *format, const char *value)
{
	g_autofree char *shown = util_text_printable(value, -1);
	g_auto(GStrv) parts = g_strsplit(format, "%", 2);

	return util_error_set(error, TS_ERROR_USAGE, "%s\"%s\"%s", parts[0], shown, parts[1]);
}

static gboolean has_control(const char *value)
{
	for (; *value; value++)
		if ((guchar)*value < 0x20 || *value == 0x7f)
			return TRUE;
	return FALSE;
}

gboolean conf_check_name(const char *value, GError **error)
{
	return util_name_check("name", value, error);
}

gboolean conf_check_not_empty(const char *value, GError **error)
{
	if (*value && !has_control(value))
		return TRUE;
	return bad(error, "% is empty or has control characters", value);
}

gboolean conf_check_path(const char *value, GError **error)
{
	g_autofree char *canonical = NULL;

	if (*value != '/' || has_control(value))
		return bad(error, "% is not an absolute path; begin it with /", value);
	canonical = g_canonicalize_filename(value, "/");
	if (!canonical[strspn(canonical, "/")])
		return bad(error, "% is the whole file system; name a folder of its own", value);
	return TRUE;
}

gboolean conf_check_inside(const char *value, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(value, "/", -1);

	if (has_control(value) || strlen(value) > 4000)
		return bad(error, "% has control characters or is too long", value);
	if (!*parts)
		return bad(error, "% is empty; write a path inside the tree", value);
	for (char **p = parts; *p; p++)
		if (!**p || g_str_equal(*p, ".") || g_str_equal(*p, "..") || strlen(*p) > 255)
			return bad(
			    error,
			    "% is not a plain path inside the tree; write it relative, without "
			    "\".\", \"..\" or a / at either end",
			    value);
	return TRUE;
}

gboolean conf_check_output(const char *value, GError **error)
{
	if (g_str_equal(value, "."))
		return TRUE;
	if (!conf_check_inside(value, error))
		return FALSE;
	if (g_str_has_prefix(value, ".git/") || g_str_has_prefix(value, ".home/") ||
	    g_str_equal(value, ".git") || g_str_equal(value, ".home"))
		return bad(error, "% is not for built files; name another folder", value);
	return TRUE;
}

gboolean conf_check_key(const char *value, GError **error)
{
	if (util_sshsig_key_ok(value))
		return TRUE;
	return bad(
	    error,
	    "% is not an ed25519 public key; write \"ssh-ed25519 AAAA...\" without a comment",
	    value);
}

gboolean conf_check_ssh_url(const char *value, GError **error)
{
	g_autofree char *scheme = NULL;
	g_autofree char *user = NULL;
	g_autofree char *host = NULL;
	g_autofree char *path = NULL;
	int port = 0;
	gboolean ok;

	ok = !has_control(value) && !strpbrk(value, " ?#%") &&
	     g_uri_split_network(value, G_URI_FLAGS_NONE, &scheme, NULL, NULL, NULL) &&
	     g_str_equal(scheme, "ssh") &&
	     g_uri_split(value, G_URI_FLAGS_NONE, NULL, &user, &host, &port, &path, NULL, NULL,
			 NULL);
	if (ok && host && *host && *host != '-' && port != 0 &&
	    (!user || (*user && *user != '-' && !strchr(user, ':'))))
		return TRUE;
	return bad(error, "% is not an ssh URL; write ssh://user@host or ssh://user@host:port",
		   value);
}

gboolean conf_check_serve_url(const char *value, GError **error)
{
	return !*value || conf_check_ssh_url(value, error);
}

gboolean conf_check_board(const char *value, GError **error)
{
	return !*value || conf_check_path(value, error);
}

gboolean conf_check_upstream(const char *value, GError **error)
{
	return *value == '/' ? conf_check_path(value, error) : conf_check_ssh_url(value, error);
}

gboolean conf_check_command(const char *const *argv, GError **error)
{
	if (!*argv)
		return TRUE;
	if (!**argv)
		return util_error_set(error, TS_ERROR_USAGE,
				      "the program's name is empty; write the program first, then "
				      "its arguments");
	if (**argv != '/' && strchr(*argv, '/'))
		return bad(error,
			   "the program % is a relative path; write it absolute, or a plain name "
			   "found in PATH",
			   *argv);
	return TRUE;
}

#define DURATION_MAX_S (31 * 24 * 3600)

/* -1: it is none. */
gint64 conf_duration_s(const char *value)
{
	static const struct {
		const char *unit;
		gint64 s;
	} units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 24 * 3600}};
	gsize digits = strspn(value, "0123456789");
	if (g_str_equal(value, "0"))
		return 0;
	for (guint i = 0; digits > 0 && digits < 9 && i < G_N_ELEMENTS(units); i++)
		if (g_str_equal(value + digits, units[i].unit)) {
			gint64 s = g_ascii_strtoll(value, NULL, 10) * units[i].s;
			return s <= DURATION_MAX_S ? s : -1;
		}
	return -1;
}

gboolean conf_check_duration(const char *value, GError **error)
{
	if (conf_duration_s(value) >= 0)
		return TRUE;
	return bad(error, "% is no duration up to 31 days; write 0, or as 90s, 30m, 24h, 7d",
		   value);
}

gboolean conf_check_apart(const char *const *paths, GError **error)
{
	for (const char *const *a = paths; *a; a++)
		for (const char *const *b = paths; *b; b++)
			if (a != b && g_str_has_prefix(*b, *a) && (*b)[strlen(*a)] == '/')
				return bad(error,
					   "% lies beneath another path of the list; name only the "
					   "upper one",
					   *b);
	return TRUE;
}
