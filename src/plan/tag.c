/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

typedef struct {
	const char *at;
	const char *end;
} Cursor;

/* Where git looks for them: at the start of a line, and git takes the last BEGIN. Here there must
 * be one at most, and nothing behind it, so that both see the same message. */
static const struct {
	const char *begin;
	const char *end;
} armours[] = {
    {"-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"},
    {"-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----"},
    {"-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----"},
    {"-----BEGIN SIGNED MESSAGE-----", "-----END SIGNED MESSAGE-----"},
};

static gsize line_length(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (gsize)(end - at));
	return newline ? (gsize)(newline - at) : (gsize)(end - at);
}

static gboolean starts_with(const char *at, const char *end, const char *prefix)
{
	gsize len = strlen(prefix);
	return (gsize)(end - at) >= len && memcmp(at, prefix, len) == 0;
}

static gboolean line_is(const char *at, const char *end, const char *text)
{
	return starts_with(at, end, text) && line_length(at, end) == strlen(text);
}

/* "NAME VALUE\n" at the cursor. */
static gboolean take_header(Cursor *cursor, const char *name, char **ret_value, GError **error)
{
	gsize name_len = strlen(name);
	gsize len = line_length(cursor->at, cursor->end);
	if (!starts_with(cursor->at, cursor->end, name) || len <= name_len + 1 ||
	    cursor->at[name_len] != ' ' || cursor->at + len == cursor->end)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "tag object: no good \"%s\" line where one must be; make the "
				      "tag again with git tag -f -a",
				      name);
	*ret_value = g_strndup(cursor->at + name_len + 1, len - name_len - 1);
	cursor->at += len + 1;
	return TRUE;
}

/* "Name <mail> SECONDS +ZONE" */
static gboolean split_tagger(PlanTag *tag, const char *line, GError **error)
{
	const char *close = strrchr(line, '>');
	if (close && strchr(line, '<') && strchr(line, '<') < close && close[1] == ' ') {
		const char *time = close + 2;
		gsize digits = strspn(time, "0123456789");
		const char *zone = time + digits;
		if (digits > 0 && digits <= 12 && zone[0] == ' ' &&
		    (zone[1] == '+' || zone[1] == '-') && strspn(zone + 2, "0123456789") == 4 &&
		    zone[6] == '\0') {
			tag->tagger = g_strndup(line, (gsize)(close - line) + 1);
			tag->tagged_utc = g_ascii_strtoll(time, NULL, 10);
			return TRUE;
		}
	}
	g_autofree char *shown = plan_show(line);
	return util_error_set(error, TS_ERROR_CORRUPT,
			      "tag object: \"tagger %s\" is not of the form \"Name <mail> seconds "
			      "+zone\"; make the tag again with git tag -f -a",
			      shown);
}

static gboolean parse_headers(PlanTag *tag, Cursor *cursor, GError **error)
{
	static const char *const types[] = {"commit", "tree", "blob", "tag", NULL};
	g_autofree char *tagger = NULL;
	if (!take_header(cursor, "object", &tag->object, error) ||
	    !take_header(cursor, "type", &tag->type, error) ||
	    !take_header(cursor, "tag", &tag->name, error) ||
	    !take_header(cursor, "tagger", &tagger, error) || !split_tagger(tag, tagger, error))
		return FALSE;
	if (!util_oid_hex_ok(tag->object))
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "tag object: \"object\" is no object id of 40 hex digits");
	if (!g_strv_contains(types, tag->type))
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "tag object: \"type\" is none of commit, tree, blob, tag");
	if (cursor->at == cursor->end)
		return TRUE;
	if (*cursor->at == '\n') {
		cursor->at++;
		return TRUE;
	}
	g_autofree char *line = g_strndup(cursor->at, line_length(cursor->at, cursor->end));
	g_autofree char *shown = plan_show(line);
	return util_error_set(error, TS_ERROR_REFUSED,
			      "tag object: unknown header line \"%s\" after the tagger; git tag "
			      "writes none: make the tag again with git tag -f",
			      shown);
}

/* The armour whose BEGIN line starts here, -1 for none. */
static int armour_at(const char *at, const char *end)
{
	for (guint i = 0; i < G_N_ELEMENTS(armours); i++)
		if (starts_with(at, end, armours[i].begin))
			return (int)i;
	return -1;
}

/* `at` is at a BEGIN line: its END line must be the last of the object. */
static gboolean check_armour(const char *at, const char *end, guint which, GError **error)
{
	if (!line_is(at, end, armours[which].begin))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "tag message: text stands behind \"%s\" in its line",
				      armours[which].begin);
	at += line_length(at, end);
	while (at < end) {
		at++; /* the newline */
		if (armour_at(at, end) >= 0)
			return util_error_set(error, TS_ERROR_REFUSED,
					      "tag message: a second signature begins inside the "
					      "first; sign the tag once");
		if (line_is(at, end, armours[which].end))
			break;
		at += line_length(at, end);
	}
	if (at >= end)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "tag message: the signature that begins with \"%s\" has no "
				      "END line; make the tag again",
				      armours[which].begin);
	at += line_length(at, end);
	if (at == end || at + 1 == end)
		return TRUE;
	return util_error_set(error, TS_ERROR_REFUSED,
			      "tag message: text follows the signature's END line, which the "
			      "signature does not cover; make and sign the tag again");
}

static gboolean split_message(PlanTag *tag, const Cursor *cursor, GError **error)
{
	const char *at = cursor->at;
	int which = -1;
	while (at < cursor->end) {
		which = armour_at(at, cursor->end);
		if (which >= 0)
			break;
		at += line_length(at, cursor->end);
		at += at < cursor->end;
	}
	if (which >= 0) {
		if (!check_armour(at, cursor->end, (guint)which, error))
			return FALSE;
		tag->signature = g_strndup(at, (gsize)(cursor->end - at));
	}
	tag->message_len = (gsize)(at - cursor->at);
	tag->message = g_strndup(cursor->at, tag->message_len);
	return TRUE;
}

PlanTag *plan_tag_parse(const char *raw, gsize len, GError **error)
{
	g_autoptr(PlanTag) tag = g_new0(PlanTag, 1);
	Cursor cursor = {raw, raw + len};
	if (len > 0 && memchr(raw, '\0', len)) {
		util_error_set(error, TS_ERROR_REFUSED,
			       "tag object: it holds a NUL byte, behind which tools see different "
			       "things; make the tag again without it");
		return NULL;
	}
	if (!parse_headers(tag, &cursor, error) || !split_message(tag, &cursor, error))
		return NULL;
	return g_steal_pointer(&tag);
}

void plan_tag_free(PlanTag *tag)
{
	if (!tag)
		return;
	g_free(tag->object);
	g_free(tag->type);
	g_free(tag->name);
	g_free(tag->tagger);
	g_free(tag->message);
	g_free(tag->signature);
	g_free(tag);
}
