/* SPDX-License-Identifier: ISC */
/*
 * A look at the text before libconfig sees it, by the same lexical rules (its scanner.l): strings,
 * comments, names, numbers. Found wrong in libconfig 1.5 and refused here: @include opens any file
 * (a FIFO hangs, a folder makes the library exit); integers without L go through atoi and wrap;
 * hexadecimal ones are cut to 32 bits; leading zeros are octal in later versions; a comment that
 * never ends is taken.
 */
#include <string.h>

#include "conf/conf-private.h"

#define NESTING_MAX 8

typedef struct {
	const char *file;
	const char *at;
	const char *end;
	guint line;
	guint depth;
} Scan;

static gboolean refuse(const Scan *scan, guint line, GError **error, const char *what)
{
	return util_error_set(error, TS_ERROR_USAGE, "%s:%u: %s", scan->file, line, what);
}

static gboolean scan_string(Scan *scan, GError **error)
{
	guint start = scan->line;

	for (scan->at++; scan->at < scan->end; scan->at++) {
		if (*scan->at == '"') {
			scan->at++;
			return TRUE;
		}
		if (*scan->at == '\n')
			scan->line++;
		if (*scan->at == '\\' && scan->at + 1 < scan->end &&
		    (scan->at[1] == '\\' || scan->at[1] == '"'))
			scan->at++;
	}
	return refuse(scan, start, error,
		      "the string that begins here has no end; close it with \"");
}

static gboolean scan_comment(Scan *scan, GError **error)
{
	guint start = scan->line;

	for (scan->at += 2; scan->at < scan->end; scan->at++) {
		if (*scan->at == '\n')
			scan->line++;
		if (*scan->at == '*' && scan->at + 1 < scan->end && scan->at[1] == '/') {
			scan->at += 2;
			return TRUE;
		}
	}
	return refuse(scan, start, error,
		      "the comment that begins here has no end; close it with */");
}

/* NULL if libconfig reads this word as the number it says; else what is wrong. */
static char *number_problem(const char *word)
{
	gsize sign = *word == '-' || *word == '+';
	gsize n = strspn(word + sign, "0123456789");
	const char *suffix = word + sign + n;
	gboolean is_long = g_str_equal(suffix, "L") || g_str_equal(suffix, "LL");
	g_autofree char *number = g_strndup(word, sign + n);

	if (n == 0 || (*suffix && !is_long))
		return g_strdup_printf("\"%s\" is not a whole decimal number; write digits only",
				       word);
	if (n > 1 && word[sign] == '0')
		return g_strdup_printf("\"%s\" begins with 0, which some versions of libconfig "
				       "read as octal; write it without",
				       word);
	if (!g_ascii_string_to_signed(*number == '+' ? number + 1 : number, 10,
				      is_long ? G_MININT64 : G_MININT32,
				      is_long ? G_MAXINT64 : G_MAXINT32, NULL, NULL))
		return g_strdup_printf("the number %s is too large", word);
	return NULL;
}

static gboolean scan_number(Scan *scan, GError **error)
{
	const char *start = scan->at++;
	g_autofree char *word = NULL;
	g_autofree char *problem = NULL;

	while (scan->at < scan->end && (g_ascii_isalnum(*scan->at) || *scan->at == '.'))
		scan->at++;
	word = g_strndup(start, (gsize)(scan->at - start));
	problem = number_problem(word);
	return !problem || refuse(scan, scan->line, error, problem);
}

static gboolean scan_bracket(Scan *scan, GError **error)
{
	if (strchr("([{", *scan->at) && ++scan->depth > NESTING_MAX)
		return refuse(scan, scan->line, error, "brackets are nested too deeply");
	if (strchr(")]}", *scan->at) && scan->depth > 0)
		scan->depth--;
	scan->at++;
	return TRUE;
}

static gboolean scan_token(Scan *scan, GError **error)
{
	char c = *scan->at;
	char next = '\0';
	if (scan->at + 1 < scan->end)
		next = scan->at[1];

	if (c == '"')
		return scan_string(scan, error);
	if (c == '/' && next == '*')
		return scan_comment(scan, error);
	if (c == '#' || (c == '/' && next == '/')) {
		while (scan->at < scan->end && *scan->at != '\n')
			scan->at++;
		return TRUE;
	}
	if (c == '@')
		return refuse(scan, scan->line, error,
			      "@include is not allowed here; write its content into this file");
	if (g_ascii_isalpha(c) || c == '*') {
		while (scan->at < scan->end &&
		       (g_ascii_isalnum(*scan->at) || strchr("-_*", *scan->at)))
			scan->at++;
		return TRUE;
	}
	if (g_ascii_isdigit(c) || c == '-' || c == '+' || c == '.')
		return scan_number(scan, error);
	if (strchr("()[]{}", c))
		return scan_bracket(scan, error);
	if (c == '\n')
		scan->line++;
	scan->at++; /* punctuation, blanks; what else it is, libconfig refuses */
	return TRUE;
}

gboolean conf_scan_text(const char *file, const char *text, gsize len, GError **error)
{
	Scan scan = {.file = file, .at = text, .end = text + len, .line = 1};
	const char *bad;

	if (!g_utf8_validate_len(text, len, &bad)) {
		for (const char *p = text; p < bad; p++)
			scan.line += *p == '\n';
		return refuse(&scan, scan.line, error,
			      *bad ? "bytes that are not UTF-8; save the file as UTF-8"
				   : "a NUL byte; this is not a text file");
	}
	while (scan.at < scan.end)
		if (!scan_token(&scan, error))
			return FALSE;
	return TRUE;
}
