/* SPDX-License-Identifier: ISC */
/*
 * A zone's file (TZif, RFC 8536), looked through before GLib reads it: GLib 2.74 takes its numbers
 * for granted, so that a file cut short or damaged ends the program, or is read past its end.
 */
#include "plan/plan-private.h"

#define HEADER_BYTES 44
#define TYPE_BYTES 6

typedef struct {
	guint time_bytes;
	gsize n_times, n_types, n_chars;
	const guint8 *times, *indices, *types, *chars;
} Block;

/* The two forms of a POSIX zone rule with an explicit offset in summer. */
#define RULE_NAME "(?:<[^>]*>|[A-Za-z]+)"
#define RULE_OFFSET "([-+]?)([0-9]{1,3})(?::([0-9]{2}))?"

static gint64 rule_offset_s(GMatchInfo *match, int group)
{
	g_autofree char *sign = g_match_info_fetch(match, group);
	g_autofree char *hours = g_match_info_fetch(match, group + 1);
	g_autofree char *minutes = g_match_info_fetch(match, group + 2);
	gint64 s = g_ascii_strtoll(hours, NULL, 10) * 3600 +
		   (minutes ? g_ascii_strtoll(minutes, NULL, 10) * 60 : 0);
	return sign && sign[0] == '-' ? -s : s;
}

/* TRUE for a rule like Dublin's "IST-1GMT0,M10.5.0,M3.5.0/1", whose "summer" is behind its
 * standard time: GLib 2.74 is an hour off with those. */
static gboolean rule_is_negative(const char *rule)
{
	g_autoptr(GRegex) regex =
	    g_regex_new("^" RULE_NAME RULE_OFFSET RULE_NAME RULE_OFFSET ",", 0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	g_assert(regex != NULL);
	if (!g_regex_match(regex, rule, 0, &match))
		return FALSE;
	/* POSIX counts west of Greenwich as positive */
	return rule_offset_s(match, 4) > rule_offset_s(match, 1);
}

/* What GLib asks of it as well, but by g_return_if_fail. None is fine. */
static gboolean rule_is_sound(const char *rule)
{
	if (!*rule)
		return TRUE;
	/* not the name of a zone's file, which GLib would take, too */
	if (!g_regex_match_simple("^" RULE_NAME RULE_OFFSET, rule, 0, 0))
		return FALSE;
	g_autoptr(GTimeZone) tz = g_time_zone_new_identifier(rule);
	return tz != NULL;
}

static guint64 be_at(const guint8 *data, gsize bytes)
{
	guint64 value = 0;
	for (gsize i = 0; i < bytes; i++)
		value = value << 8 | data[i];
	return value;
}

static gint64 time_at(const Block *block, gsize index)
{
	const guint8 *at = block->times + index * block->time_bytes;
	guint64 value = be_at(at, block->time_bytes);
	return block->time_bytes == 4 ? (gint32)value : (gint64)value;
}

/* A header and what it counts, all of it there; *at is then behind it. */
static gboolean read_block(const guint8 **at, const guint8 *end, guint time_bytes, Block *ret_block)
{
	const guint8 *header = *at;
	gsize left = (gsize)(end - header);
	if (left < HEADER_BYTES || memcmp(header, "TZif", 4) != 0)
		return FALSE;
	guint64 isut = be_at(header + 20, 4), isstd = be_at(header + 24, 4);
	guint64 leap = be_at(header + 28, 4), times = be_at(header + 32, 4);
	guint64 types = be_at(header + 36, 4), chars = be_at(header + 40, 4);
	guint64 bytes = times * (time_bytes + 1) + types * TYPE_BYTES + chars +
			leap * (time_bytes + 4) + isstd + isut;
	if (bytes > left - HEADER_BYTES)
		return FALSE;
	*ret_block =
	    (Block){time_bytes, times, types, chars, header + HEADER_BYTES, NULL, NULL, NULL};
	ret_block->indices = ret_block->times + times * time_bytes;
	ret_block->types = ret_block->indices + times;
	ret_block->chars = ret_block->types + types * TYPE_BYTES;
	*at = header + HEADER_BYTES + bytes;
	return TRUE;
}

/* Nothing in it leads out of it, time goes on, and no clock is further off than any is. */
static gboolean check_block(const Block *block)
{
	for (gsize i = 0; i < block->n_times; i++)
		if (block->indices[i] >= block->n_types ||
		    (i > 0 && time_at(block, i) <= time_at(block, i - 1)))
			return FALSE;
	for (gsize i = 0; i < block->n_types; i++) {
		const guint8 *type = block->types + i * TYPE_BYTES;
		gint32 offset_s = (gint32)be_at(type, 4);
		if (ABS((gint64)offset_s) > PLAN_WINDOW_S || type[5] >= block->n_chars ||
		    !memchr(block->chars + type[5], '\0', block->n_chars - type[5]))
			return FALSE;
	}
	return block->n_types > 0;
}

gboolean plan_tzif_check(const char *data, gsize len, gint64 *ret_misread_from_utc)
{
	const guint8 *at = (const guint8 *)data, *end = at + len;
	Block block;
	*ret_misread_from_utc = G_MAXINT64;
	if (!read_block(&at, end, 4, &block))
		return FALSE;
	if (data[4] < '2') /* no second block, and no rule */
		return check_block(&block);
	if (!read_block(&at, end, 8, &block) || !check_block(&block) || at == end || *at != '\n')
		return FALSE;
	const guint8 *rule = at + 1;
	const guint8 *rule_end = memchr(rule, '\n', (gsize)(end - rule));
	if (!rule_end)
		return FALSE;
	g_autofree char *text = g_strndup((const char *)rule, (gsize)(rule_end - rule));
	if (strlen(text) != (gsize)(rule_end - rule) || !rule_is_sound(text))
		return FALSE;
	if (rule_is_negative(text))
		*ret_misread_from_utc =
		    block.n_times > 0 ? time_at(&block, block.n_times - 1) : G_MININT64;
	return TRUE;
}
