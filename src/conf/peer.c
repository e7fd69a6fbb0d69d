/* SPDX-License-Identifier: ISC */
/* STATE/bases.d/NAME.cfg. */
#include <errno.h>

#include "conf/conf-private.h"

#define FOLDER "bases.d"
#define AT(field) G_STRUCT_OFFSET(ConfPeer, field)

static const ConfKey keys[] = {
    {.name = "zone",
     .help = "Time zone of the base, e.g. \"Asia/Shanghai\"",
     .kind = CONF_TEXT,
     .offset = AT(zone),
     .required = TRUE,
     .check = conf_check_not_empty},
    {.name = "groups",
     .help = "Groups it belongs to, for Release-To: @group",
     .kind = CONF_LIST,
     .offset = AT(groups),
     .check = conf_check_name,
     .unique = TRUE},
    {.name = "apps",
     .help = "Apps it runs",
     .kind = CONF_LIST,
     .offset = AT(apps),
     .check = conf_check_name,
     .unique = TRUE},
    {.name = "key",
     .help = "Public key of the base (`tagship-base init` prints it)",
     .kind = CONF_TEXT,
     .offset = AT(key),
     .required = TRUE,
     .check = conf_check_key},
    {.name = "line_kbit",
     .help = "Its line rate in kbit/s; 0: as central.cfg says",
     .kind = CONF_INT,
     .offset = AT(line_kbit),
     .max = 10000000},
    {.name = "freeze",
     .help = "Times in which nothing may activate here, as in central.cfg",
     .kind = CONF_LIST,
     .offset = AT(freeze),
     .check = conf_check_not_empty},
    {.name = "incarnation",
     .help = "Raised by `tagship base key --replace`; leave it alone",
     .kind = CONF_INT,
     .offset = AT(incarnation),
     .min = 1,
     .max = 1000000,
     .fallback = 1},
};

static const ConfTable table = {
    .keys = keys, .n_keys = G_N_ELEMENTS(keys), .size = sizeof(ConfPeer)};

static ConfPeer *peer_new(const char *name)
{
	ConfPeer *peer = g_new0(ConfPeer, 1);

	peer->name = g_strdup(name);
	conf_table_defaults(&table, peer);
	return peer;
}

void conf_peer_free(ConfPeer *peer)
{
	if (!peer)
		return;
	conf_table_clear(&table, peer);
	g_free(peer->name);
	g_free(peer);
}

static char *peer_file(const char *name, GError **error)
{
	char *file = conf_entry_file(FOLDER, "base", name, error);

	if (file && g_str_equal(name, "all")) {
		util_error_set(
		    error, TS_ERROR_USAGE,
		    "base \"all\": Release-To: all means every base; choose another name");
		g_clear_pointer(&file, g_free);
	}
	return file;
}

ConfPeer *conf_peer_load(int state_dirfd, const char *name, GError **error)
{
	g_autofree char *file = peer_file(name, error);
	g_autoptr(ConfPeer) peer = NULL;

	if (!file)
		return NULL;
	peer = peer_new(name);
	if (!conf_table_load(&table, state_dirfd, file, peer, error))
		return NULL;
	return g_steal_pointer(&peer);
}

char **conf_peer_names(int state_dirfd, GError **error)
{
	return conf_entry_names(state_dirfd, FOLDER, "base", error);
}

/* The text of the file, read again before it is written: NULL with error if that fails. */
static GString *peer_text(const ConfPeer *peer, const char *file, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(ConfPeer) again = peer_new(peer->name);

	g_string_printf(text, "# tagship base %s. See tagship.cfg(5).\n\n", peer->name);
	conf_table_format(&table, peer, NULL, "", text);
	if (!conf_table_parse(&table, file, text->str, text->len, again, error))
		return NULL;
	return g_steal_pointer(&text);
}

gboolean conf_peer_create(int state_dirfd, const ConfPeer *peer, GError **error)
{
	g_autofree char *file = peer_file(peer->name, error);
	g_autoptr(GString) text = file ? peer_text(peer, file, error) : NULL;

	return text && util_fs_mkdir(state_dirfd, FOLDER, 0755, error) &&
	       util_fs_create_file(state_dirfd, file, text->str, text->len, 0644, error);
}

gboolean conf_peer_replace(int state_dirfd, const ConfPeer *peer, GError **error)
{
	g_autofree char *file = peer_file(peer->name, error);
	g_autoptr(GString) text = file ? peer_text(peer, file, error) : NULL;
	struct stat st;

	if (!text)
		return FALSE;
	/* it may be damaged (that is what a replacement mends), but it must be there */
	if (fstatat(state_dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return util_error_errno(error, errno, "%s", file);
	return util_fs_write_file(state_dirfd, file, text->str, text->len, 0644, error);
}

gboolean conf_peer_remove(int state_dirfd, const char *name, GError **error)
{
	return conf_entry_remove(state_dirfd, FOLDER, "base", name, error);
}
