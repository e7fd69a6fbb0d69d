/* SPDX-License-Identifier: ISC */
/* The manifest as text. */
#include "manifest/manifest-private.h"

#define HEAD "tagship-manifest 1\n"

static gboolean needs_quote(guchar c)
{
	return c < 0x21 || c == 0x7f || c == '%';
}

static void append_quoted(GString *text, const char *path)
{
	static const char digits[] = "0123456789ABCDEF";
	for (const char *p = path; *p; p++) {
		guchar c = (guchar)*p;
		if (!needs_quote(c)) {
			g_string_append_c(text, *p);
			continue;
		}
		g_string_append_c(text, '%');
		g_string_append_c(text, digits[c >> 4]);
		g_string_append_c(text, digits[c & 15]);
	}
}

char *manifest_quote(const char *path)
{
	GString *text = g_string_sized_new(strlen(path) + 8);
	append_quoted(text, path);
	return g_string_free(text, FALSE);
}

static int upper_digit(char c)
{
	return c >= 'a' && c <= 'f' ? -1 : g_ascii_xdigit_value(c);
}

char *manifest_unquote(const char *text, gsize len)
{
	GString *path = g_string_sized_new(len);
	for (gsize i = 0; i < len; i++) {
		guchar c = (guchar)text[i];
		if (c == '%' && len - i > 2 && upper_digit(text[i + 1]) >= 0 &&
		    upper_digit(text[i + 2]) >= 0) {
			c = (guchar)(upper_digit(text[i + 1]) << 4 | upper_digit(text[i + 2]));
			i += 2;
			if (c && needs_quote(c)) {
				g_string_append_c(path, (char)c);
				continue;
			}
			c = '%'; /* quoted without need: not canonical */
		}
		if (needs_quote(c)) {
			g_string_free(path, TRUE);
			return NULL;
		}
		g_string_append_c(path, (char)c);
	}
	return g_string_free(path, FALSE);
}

static void append_entry(GString *text, const ManifestEntry *entry)
{
	char hash[UTIL_SHA256_HEX];
	switch (entry->type) {
	case MANIFEST_DIR:
		g_string_append_printf(text, "d 0755 %" G_GINT64_FORMAT " ", entry->mtime_s);
		break;
	case MANIFEST_FILE:
		util_hex_encode(entry->sha256, UTIL_SHA256_BYTES, hash);
		g_string_append_printf(text,
				       "f %04o %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %s ",
				       (guint)entry->mode, entry->size, entry->mtime_s, hash);
		break;
	case MANIFEST_LINK:
		g_string_append_printf(text, "l %" G_GINT64_FORMAT " ", entry->mtime_s);
		break;
	}
	append_quoted(text, entry->path);
	if (entry->type == MANIFEST_LINK) {
		g_string_append_c(text, ' ');
		append_quoted(text, entry->target);
	}
	g_string_append_c(text, '\n');
}

GBytes *manifest_format(const Manifest *manifest)
{
	g_assert(manifest->sealed);
	GString *text = g_string_sized_new(64 + (gsize)manifest->entries->len * 140);
	g_string_append(text, HEAD);
	for (guint i = 0; i < manifest->entries->len; i++)
		append_entry(text, manifest_entry(manifest, i));
	return g_string_free_to_bytes(text);
}

void manifest_root(const Manifest *manifest, char ret_root[UTIL_SHA256_HEX])
{
	g_assert(manifest->sealed);
	g_autoptr(UtilSha256) sha = util_sha256_new();
	g_autoptr(GString) line = g_string_new(HEAD);
	guint8 digest[UTIL_SHA256_BYTES];
	util_sha256_update(sha, line->str, line->len);
	for (guint i = 0; i < manifest->entries->len; i++) {
		g_string_truncate(line, 0);
		append_entry(line, manifest_entry(manifest, i));
		util_sha256_update(sha, line->str, line->len);
	}
	util_sha256_finish(sha, digest);
	util_hex_encode(digest, sizeof digest, ret_root);
}

/* A line being read, field by field. */
typedef struct {
	const char *at;
	const char *end;
} Line;

/* The next field, up to a space or the end of the line; empty ones are FALSE. */
static gboolean next_field(Line *line, const char **ret_field, gsize *ret_len)
{
	const char *start = line->at;
	const char *space = memchr(start, ' ', (gsize)(line->end - start));
	const char *stop = space ? space : line->end;
	*ret_field = start;
	*ret_len = (gsize)(stop - start);
	/* a space must be followed by a further field, an end by none */
	line->at = space ? space + 1 : line->end;
	return stop > start && (!space || line->at < line->end);
}

/* Decimal without leading zeros, at most max. */
static gboolean parse_number(const char *text, gsize len, guint64 max, guint64 *ret_value)
{
	if (len == 0 || len > 19 || (len > 1 && text[0] == '0'))
		return FALSE;
	guint64 value = 0;
	for (gsize i = 0; i < len; i++) {
		if (!g_ascii_isdigit(text[i]))
			return FALSE;
		value = value * 10 + (guint64)(text[i] - '0');
	}
	*ret_value = value;
	return value <= max;
}

static gboolean next_number(Line *line, guint64 max, guint64 *ret_value)
{
	const char *field = NULL;
	gsize len = 0;
	return next_field(line, &field, &len) && parse_number(field, len, max, ret_value);
}

static gboolean next_mtime(Line *line, gint64 *ret_mtime_s)
{
	const char *field = NULL;
	gsize len = 0;
	if (!next_field(line, &field, &len))
		return FALSE;
	gboolean negative = *field == '-';
	guint64 value = 0;
	if (!parse_number(field + negative, len - negative,
			  negative ? -(guint64)MANIFEST_MTIME_MIN : (guint64)MANIFEST_MTIME_MAX,
			  &value))
		return FALSE;
	*ret_mtime_s = negative ? -(gint64)value : (gint64)value;
	return !negative || value != 0;
}

static gboolean next_mode(Line *line, guint16 *ret_mode)
{
	const char *field = NULL;
	gsize len = 0;
	if (!next_field(line, &field, &len) || len != 4)
		return FALSE;
	*ret_mode = memcmp(field, "0644", 4) == 0 ? 0644 : 0755;
	return *ret_mode == 0644 || memcmp(field, "0755", 4) == 0;
}

static gboolean next_hash(Line *line, guint8 ret_digest[UTIL_SHA256_BYTES])
{
	const char *field = NULL;
	gsize len = 0;
	char hex[UTIL_SHA256_HEX] = "";
	if (!next_field(line, &field, &len) || len != UTIL_SHA256_HEX - 1)
		return FALSE;
	memcpy(hex, field, len);
	return util_hex_decode(hex, UTIL_SHA256_BYTES, ret_digest);
}

static char *next_name(Line *line)
{
	const char *field = NULL;
	gsize len = 0;
	return next_field(line, &field, &len) ? manifest_unquote(field, len) : NULL;
}

static gboolean parse_entry(Manifest *manifest, Line line)
{
	ManifestEntry entry = {0};
	const char *type = NULL;
	gsize len = 0;
	if (!next_field(&line, &type, &len) || len != 1)
		return FALSE;
	gboolean ok = FALSE;
	switch (*type) {
	case MANIFEST_DIR:
		ok = next_mode(&line, &entry.mode) && next_mtime(&line, &entry.mtime_s);
		break;
	case MANIFEST_FILE:
		ok = next_mode(&line, &entry.mode) &&
		     next_number(&line, MANIFEST_SIZE_MAX, &entry.size) &&
		     next_mtime(&line, &entry.mtime_s) && next_hash(&line, entry.sha256);
		break;
	case MANIFEST_LINK:
		entry.mode = 0777;
		ok = next_mtime(&line, &entry.mtime_s);
		break;
	}
	if (!ok)
		return FALSE;
	entry.type = (ManifestType)*type;
	g_autofree char *path = next_name(&line);
	g_autofree char *target = path && *type == MANIFEST_LINK ? next_name(&line) : NULL;
	if (!path || (*type == MANIFEST_LINK && !target) || line.at != line.end)
		return FALSE;
	guint count = manifest->entries->len;
	if (count > 0 && strcmp(manifest_entry(manifest, count - 1)->path, path) >= 0)
		return FALSE;
	entry.path = path;
	entry.target = target;
	manifest_add(manifest, &entry);
	return TRUE;
}

Manifest *manifest_parse(const char *text, gsize len, GError **error)
{
	if (len < strlen(HEAD) || memcmp(text, HEAD, strlen(HEAD)) != 0) {
		util_error_set(error, TS_ERROR_CORRUPT,
			       "not a manifest of format 1: it does not begin with "
			       "\"tagship-manifest 1\"");
		return NULL;
	}
	g_autoptr(Manifest) manifest = manifest_new();
	const char *end = text + len;
	guint number = 1;
	for (const char *p = text + strlen(HEAD); p < end; number++) {
		const char *newline = memchr(p, '\n', (gsize)(end - p));
		if (!newline || manifest->entries->len >= MANIFEST_ENTRIES_MAX ||
		    !parse_entry(manifest, (Line){p, newline})) {
			util_error_set(error, TS_ERROR_CORRUPT, "manifest line %u is damaged",
				       number + 1);
			return NULL;
		}
		p = newline + 1;
	}
	g_autoptr(GError) inner = NULL;
	if (!manifest_seal(manifest, &inner)) {
		util_error_set(error, TS_ERROR_CORRUPT, "manifest: %s", inner->message);
		return NULL;
	}
	return g_steal_pointer(&manifest);
}
