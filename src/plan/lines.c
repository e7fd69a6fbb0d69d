/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

#define BODY_LINES_SHOWN 6
#define TRAILER_LINES_SHOWN 40

/* White space that editors and chat windows leave in front of a line, beside blanks: byte order
 * mark, no-break space, zero-width space, ideographic space. */
static const char *const odd_spaces[] = {"\xef\xbb\xbf", "\xc2\xa0", "\xe2\x80\x8b",
					 "\xe3\x80\x80"};
/* What an input method for Chinese makes of ':'. */
static const char wide_colon[] = "\xef\xbc\x9a";

static gsize space_at(const char *line, gsize len, gsize at)
{
	if (at < len && (line[at] == ' ' || line[at] == '\t'))
		return 1;
	for (guint i = 0; i < G_N_ELEMENTS(odd_spaces); i++) {
		gsize n = strlen(odd_spaces[i]);
		if (len - at >= n && memcmp(line + at, odd_spaces[i], n) == 0)
			return n;
	}
	return 0;
}

static gsize skip_spaces(const char *line, gsize len, gsize at)
{
	gsize n = 0;
	while (at < len && (n = space_at(line, len, at)) > 0)
		at += n;
	return at;
}

static PlanKey scan_key(const char *line, gsize len)
{
	PlanKey key = {.start = skip_spaces(line, len, 0)};
	gsize at = key.start;
	if (at == len || !g_ascii_isalpha(line[at]))
		return key;
	while (at < len && (g_ascii_isalnum(line[at]) || line[at] == '-' || line[at] == '_'))
		at++;
	gsize key_len = at - key.start;
	gsize colon = skip_spaces(line, len, at);
	gsize wide = sizeof(wide_colon) - 1;
	if (colon < len && line[colon] == ':')
		key.value = colon + 1;
	else if (len - colon >= wide && memcmp(line + colon, wide_colon, wide) == 0)
		key.value = colon + wide;
	else
		return key;
	key.len = key_len;
	key.plain =
	    key.start == 0 && colon == at && line[colon] == ':' && !memchr(line, '_', key_len);
	key.value = skip_spaces(line, len, key.value);
	return key;
}

static gboolean key_looks(const char *line, const PlanKey *key)
{
	static const char prefix[] = "release-";
	const char *start = line + key->start;
	gsize n = sizeof(prefix) - 1;
	if (key->len > n && g_ascii_strncasecmp(start, prefix, n) == 0 && g_ascii_isalpha(start[n]))
		return TRUE;
	if (key->len == 0 || key->len > 40 || g_ascii_tolower(*start) != 'r')
		return FALSE;
	g_autofree char *name = g_strndup(start, key->len);
	return plan_trailer_guess(name) != NULL;
}

gboolean plan_line_looks(const char *line, gsize len)
{
	PlanKey key = scan_key(line, len);
	return key_looks(line, &key);
}

static void line_clear(gpointer item)
{
	PlanLine *line = item;
	g_free(line->text);
}

static gboolean is_blank(const PlanLines *lines, guint index)
{
	return plan_lines_get(lines, index)->text[0] == '\0';
}

/* Finds title and last paragraph; a message without text keeps title == number of lines. */
static void find_paragraphs(PlanLines *lines)
{
	guint n = lines->lines->len;
	while (lines->title < n && is_blank(lines, lines->title))
		lines->title++;
	if (lines->title == n)
		return;
	lines->last = n - 1;
	while (is_blank(lines, lines->last))
		lines->last--;
	lines->first = lines->last;
	while (lines->first > 0 && !is_blank(lines, lines->first - 1))
		lines->first--;
	lines->trailers = TRUE;
	for (guint i = lines->first; i <= lines->last; i++) {
		const PlanLine *line = plan_lines_get(lines, i);
		gboolean continuation = line->indented && i > lines->first && !line->looks;
		if (!continuation && !line->key.plain)
			lines->trailers = FALSE;
	}
}

PlanLines *plan_lines_new(const char *message, gsize len)
{
	PlanLines *lines = g_new0(PlanLines, 1);
	lines->lines = g_array_new(FALSE, FALSE, sizeof(PlanLine));
	g_array_set_clear_func(lines->lines, line_clear);
	const char *end = message + len;
	while (message < end) {
		const char *newline = memchr(message, '\n', (gsize)(end - message));
		gsize size = newline ? (gsize)(newline - message) : (gsize)(end - message);
		PlanLine line = {.text = g_strchomp(g_strndup(message, size))};
		gsize used = strlen(line.text);
		line.key = scan_key(line.text, used);
		line.looks = key_looks(line.text, &line.key);
		line.indented = line.text[0] == ' ' || line.text[0] == '\t';
		g_array_append_val(lines->lines, line);
		message += newline ? size + 1 : size;
	}
	find_paragraphs(lines);
	return lines;
}

void plan_lines_free(PlanLines *lines)
{
	if (!lines)
		return;
	g_array_unref(lines->lines);
	g_free(lines);
}

const PlanLine *plan_lines_get(const PlanLines *lines, guint index)
{
	g_assert(index < lines->lines->len);
	return &g_array_index(lines->lines, PlanLine, index);
}

char *plan_line_key(const PlanLine *line)
{
	return g_strndup(line->text + line->key.start, line->key.len);
}

static void show_line(GString *out, const char *prefix, const char *text)
{
	g_autofree char *plain = g_strdelimit(g_strdup(text), "\t", ' ');
	g_autofree char *shown = plan_show(plain);
	g_string_append_printf(out, "    %s%s\n", prefix, shown);
}

static void show_trailer(GString *out, const PlanLine *line)
{
	g_autofree char *key = plan_line_key(line);
	const PlanTrailer *meant = line->looks ? plan_trailer_guess(key) : NULL;
	g_autofree char *prefix = g_strconcat(meant ? meant->name : key, ": ", NULL);
	show_line(out, prefix, line->text + line->key.value);
}

/* Fills trailers with the lines of all trailers and body with the rest, both shown. */
static void sort_lines(const PlanLines *lines, GString *body, GString *trailers)
{
	gboolean in_trailer = FALSE, gap = FALSE;
	guint n_body = 0, n_trailers = 0;
	for (guint i = 0; i < lines->lines->len; i++) {
		const PlanLine *line = plan_lines_get(lines, i);
		gboolean last = lines->trailers && i >= lines->first && i <= lines->last;
		gboolean starts = line->looks || (last && line->key.plain && !line->indented);
		in_trailer = starts || (in_trailer && line->indented);
		if (in_trailer && ++n_trailers <= TRAILER_LINES_SHOWN) {
			if (starts)
				show_trailer(trailers, line);
			else
				show_line(trailers, "", line->text);
		}
		if (in_trailer)
			continue;
		if (line->text[0] == '\0') {
			gap = body->len > 0;
			continue;
		}
		if (++n_body <= BODY_LINES_SHOWN) {
			g_string_append(body, gap ? "\n" : "");
			show_line(body, "", line->text);
		} else if (n_body == BODY_LINES_SHOWN + 1) {
			g_string_append(body, "    […]\n");
		}
		gap = FALSE;
	}
}

char *plan_lines_corrected(const PlanLines *lines)
{
	GString *body = g_string_new(NULL);
	g_autoptr(GString) trailers = g_string_new(NULL);
	sort_lines(lines, body, trailers);
	if (body->len == 0)
		g_string_append(body, "    A title: what is new in this release\n");
	g_string_append_c(body, '\n');
	g_string_append_len(body, trailers->str, (gssize)trailers->len);
	if (body->str[body->len - 1] == '\n')
		g_string_truncate(body, body->len - 1);
	return g_string_free(body, FALSE);
}
