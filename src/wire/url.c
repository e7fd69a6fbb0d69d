/* SPDX-License-Identifier: ISC */
#include "wire/wire-private.h"

#define URL_MAX 1024
#define SSH_PORT 22

static gboolean bad_url(const char *url, const char *why, GError **error)
{
	g_autofree char *shown = util_text_printable(url, (gssize)MIN(strlen(url), 120));
	return util_error_set(error, TS_ERROR_USAGE,
			      "upstream \"%s\": %s; write ssh://USER@HOST[:PORT] or an absolute "
			      "path",
			      shown, why);
}

static const char *part_problem(const char *user, const char *host)
{
	if (!host || host[0] == '\0')
		return "no host is named";
	if (host[0] == '-' || (user && user[0] == '-'))
		return "a name may not start with \"-\"";
	if (user && user[0] == '\0')
		return "the user is empty";
	for (const char *p = host; *p; p++)
		if (!g_ascii_isalnum(*p) && !strchr(".-_:%", *p))
			return "the host has odd characters";
	for (const char *p = user ? user : ""; *p; p++)
		if (!g_ascii_isgraph(*p))
			return "the user has odd characters";
	return NULL;
}

gboolean wire_parse_url(const char *url, char **ret_user, char **ret_host, guint16 *ret_port,
			char **ret_path, GError **error)
{
	g_autofree char *scheme = NULL, *user = NULL, *password = NULL, *host = NULL, *path = NULL;
	g_autofree char *query = NULL, *fragment = NULL;
	g_autoptr(GError) local = NULL;
	int port = -1;
	if (strlen(url) > URL_MAX)
		return bad_url(url, "too long", error);
	if (!g_uri_split_with_user(url, G_URI_FLAGS_HAS_PASSWORD, &scheme, &user, &password, NULL,
				   &host, &port, &path, &query, &fragment, &local))
		return bad_url(url, local->message, error);
	if (!scheme || strcmp(scheme, "ssh") != 0)
		return bad_url(url, "not an ssh:// URL", error);
	if (password)
		return bad_url(url, "passwords are not used, only keys", error);
	if (query || fragment)
		return bad_url(url, "\"?\" and \"#\" are not allowed", error);
	const char *why = part_problem(user, host);
	if (!why && port == 0)
		why = "port 0 is none";
	if (why)
		return bad_url(url, why, error);
	*ret_user = g_steal_pointer(&user);
	*ret_host = g_steal_pointer(&host);
	*ret_port = port < 0 ? SSH_PORT : (guint16)port;
	*ret_path = path && path[0] ? g_steal_pointer(&path) : NULL;
	return TRUE;
}
