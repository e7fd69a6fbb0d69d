/* SPDX-License-Identifier: ISC */
/* What a base reads, by the hello it said last: central writes nothing else for it. */
#include "publish/publish-private.h"

#define DELTA_FORMAT 2 /* bundle/bundle.h */
#define MEMORY_DEFAULT ((gint64)128 * 1024 * 1024)

/* The number behind "WORD=" in a list of such; 0 if it is not there. */
static guint64 number_of(const char *list, const char *word)
{
	guint64 number = 0;
	g_auto(GStrv) parts = g_strsplit(list, " ", -1);
	gsize len = strlen(word);
	for (guint i = 0; parts[i]; i++)
		if (g_str_has_prefix(parts[i], word) && parts[i][len] == '=' &&
		    !g_ascii_string_to_unsigned(parts[i] + len + 1, 10, 0, G_MAXUINT32, &number,
						NULL))
			return 0;
	return number;
}

static gboolean has_word(const char *list, const char *word)
{
	g_auto(GStrv) words = g_strsplit(list, " ", -1);
	return g_strv_contains((const char *const *)words, word);
}

static char *say_plain(const UtilTrailers *contact)
{
	const char *software = util_trailers_get(contact, "Software");
	return g_strdup_printf("%s there reads no deltas of format %d, so this is a plain bundle; "
			       "update it",
			       software ? software : "tagship", DELTA_FORMAT);
}

static void judge(PublishReader *reader, Central *central, const UtilTrailers *contact)
{
	const char *formats = util_trailers_get(contact, "Formats");
	const char *codecs = util_trailers_get(contact, "Codecs");
	const char *zlib = util_trailers_get(contact, "Zlib");
	gint64 memory = 0;
	reader->old_orders = formats && number_of(formats, "order") < 2;
	reader->no_keys = formats && number_of(formats, "order") < 3;
	reader->plain = (formats && number_of(formats, "delta") < DELTA_FORMAT) ||
			(codecs && !has_word(codecs, "delta"));
	g_autofree char *boot = central->clock->boot_id(central->clock);
	g_autofree char *own = zlib ? bundle_zlib_digest_kept(central->dirfd, boot) : NULL;
	reader->whole_archives = zlib && strcmp(zlib, own) != 0;
	if (util_trailers_need_int(contact, "Memory-Bytes", 1, G_MAXINT64, &memory, NULL) &&
	    memory < MEMORY_DEFAULT)
		reader->memory_bytes = (guint64)memory;
	if (reader->plain)
		reader->why = say_plain(contact);
	else if (reader->whole_archives)
		reader->why = g_strdup("its zlib packs otherwise than the one here, so archives "
				       "travel as they are; install the same zlib");
	(void)util_trailers_need_int(contact, "Line-Kbit", 1, CONF_RATE_MAX, &reader->line_kbit,
				     NULL); /* else 0: not known */
}

void publish_reader(Central *central, const char *base, PublishReader *ret)
{
	*ret = (PublishReader){0};
	g_autoptr(ConfPeer) peer = conf_peer_load(central->dirfd, base, NULL);
	g_autoptr(UtilTrailers) contact = publish_contact(central, base);
	if (contact)
		judge(ret, central, contact);
	/* what the line gave counts more than what somebody once wrote down */
	if (ret->line_kbit == 0 && peer)
		ret->line_kbit = peer->line_kbit;
	if (ret->line_kbit == 0)
		ret->line_kbit = central->conf->line_kbit;
}

gint64 publish_slowest_kbit(Central *central, const GPtrArray *targets)
{
	gint64 slowest = CONF_RATE_MAX;
	for (guint i = 0; i < targets->len; i++) {
		g_auto(PublishReader) reader = {0};
		publish_reader(central, ((const PublishTarget *)targets->pdata[i])->base, &reader);
		slowest = MIN(slowest, reader.line_kbit);
	}
	return slowest;
}

void publish_reader_clear(PublishReader *reader)
{
	g_clear_pointer(&reader->why, g_free);
}
