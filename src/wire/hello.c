/* SPDX-License-Identifier: ISC */
#include "wire/hello.h"
#include "wire/proto.h"

#define FORMAT_NUMBER "1"
#define WORDS_MAX 300 /* longest value of one line */
#define APP_LINE_MAX 600
#define KBIT_MAX 100000000
#define RTT_MS_MAX (3600 * 1000)
#define OFFSET_MS_MAX (G_MAXINT64 / 2)
#define LISTS_MAX (WIRE_HELLO_MAX - 8192) /* all Live and Held lines; the rest is small */

void wire_hello_free(WireHello *hello)
{
	if (!hello)
		return;
	g_free(hello->software);
	g_free(hello->base);
	g_free(hello->formats);
	g_free(hello->codecs);
	g_free(hello->zlib);
	g_free(hello->features);
	g_strfreev(hello->reported);
	g_strfreev(hello->live);
	g_strfreev(hello->held);
	g_free(hello);
}

void wire_hello_reply_free(WireHelloReply *reply)
{
	if (!reply)
		return;
	g_free(reply->software);
	g_free(reply);
}

/* A value must stay one line of the text. */
static void add_line(UtilTrailers *trailers, const char *key, const char *value)
{
	g_autofree char *line = g_strdup(value);
	util_trailers_add(trailers, key, g_strdelimit(line, "\n\t", ' '));
}

/* As many as central will take: a long list of reasons must not cost the base its contact. */
static void add_lines(UtilTrailers *trailers, const char *key, char **lines, gsize *left)
{
	for (guint i = 0; lines && lines[i] && i < WIRE_HELLO_LIST_MAX; i++) {
		g_autofree char *line = g_strndup(lines[i], APP_LINE_MAX);
		gsize cost = strlen(key) + strlen(": \n") + strlen(line);
		if (cost > *left)
			return;
		*left -= cost;
		add_line(trailers, key, line);
	}
}

static void add_now(UtilTrailers *trailers, gint64 now_utc, gint64 now_ms)
{
	util_trailers_add_time(trailers, "Now", now_utc);
	if (now_ms > 0)
		util_trailers_add_int(trailers, "Now-Ms", now_ms);
}

static gboolean need_now(const UtilTrailers *trailers, gint64 *ret_utc, gint64 *ret_ms,
			 GError **error)
{
	return util_trailers_need_time(trailers, "Now", ret_utc, error) &&
	       util_trailers_opt_int(trailers, "Now-Ms", 0, 999, 0, ret_ms, error);
}

char *wire_hello_format(const WireHello *hello)
{
	gsize left = LISTS_MAX;
	g_autoptr(UtilTrailers) trailers = util_trailers_new();
	g_autofree char *memory = g_strdup_printf("%" G_GUINT64_FORMAT, hello->memory_bytes);
	util_trailers_add(trailers, "Tagship-Hello", FORMAT_NUMBER);
	add_line(trailers, "Software", hello->software);
	util_trailers_add(trailers, "Base", hello->base);
	util_trailers_add_int(trailers, "Incarnation", hello->incarnation);
	add_line(trailers, "Formats", hello->formats);
	add_line(trailers, "Codecs", hello->codecs);
	util_trailers_add(trailers, "Memory-Bytes", memory);
	util_trailers_add(trailers, "Head", hello->head);
	add_now(trailers, hello->now_utc, hello->now_ms);
	if (hello->offset_known)
		util_trailers_add_int(trailers, "Clock-Offset-Ms", hello->offset_ms);
	if (hello->zlib)
		add_line(trailers, "Zlib", hello->zlib);
	if (hello->features)
		add_line(trailers, "Features", hello->features);
	if (hello->disk_free_bytes > 0)
		util_trailers_add_int(trailers, "Disk-Free-Bytes", (gint64)hello->disk_free_bytes);
	if (hello->line_kbit > 0) {
		util_trailers_add_int(trailers, "Line-Kbit", hello->line_kbit);
		util_trailers_add_int(trailers, "Line-Rtt-Ms", hello->line_rtt_ms);
	}
	for (guint i = 0; hello->reported && hello->reported[i] && i < WIRE_HELLO_REPORTED_MAX; i++)
		util_trailers_add(trailers, "Reported", hello->reported[i]);
	add_lines(trailers, "Live", hello->live, &left);
	add_lines(trailers, "Held", hello->held, &left);
	return util_trailers_format(trailers);
}

static UtilTrailers *parse_numbered(const char *text, gsize len, GError **error)
{
	g_autoptr(UtilTrailers) trailers = util_trailers_parse(text, len, error);
	const char *number = NULL;
	if (!trailers || !util_trailers_need(trailers, "Tagship-Hello", &number, error))
		return NULL;
	if (strcmp(number, FORMAT_NUMBER) != 0) {
		g_autofree char *shown =
		    util_text_printable(number, (gssize)MIN(strlen(number), 20));
		util_error_set(error, TS_ERROR_UNSUPPORTED,
			       "hello of format %s; this program speaks format " FORMAT_NUMBER
			       ": update the older side",
			       shown);
		return NULL;
	}
	return g_steal_pointer(&trailers);
}

/* A printable line of a sane length. */
static gboolean need_words(const UtilTrailers *trailers, const char *key, char **ret,
			   GError **error)
{
	const char *value = NULL;
	if (!util_trailers_need(trailers, key, &value, error))
		return FALSE;
	if (strlen(value) > WORDS_MAX || strpbrk(value, "\n\t"))
		return util_error_set(error, TS_ERROR_CORRUPT, "%s: not one line of up to %d bytes",
				      key, WORDS_MAX);
	*ret = g_strdup(value);
	return TRUE;
}

/* Likewise, or NULL. */
static gboolean opt_words(const UtilTrailers *trailers, const char *key, char **ret, GError **error)
{
	return !util_trailers_get(trailers, key) || need_words(trailers, key, ret, error);
}

static gboolean need_head(const UtilTrailers *trailers, const char *key, char ret_head[41],
			  GError **error)
{
	const char *value = NULL;
	if (!util_trailers_need(trailers, key, &value, error))
		return FALSE;
	if (strcmp(value, "-") != 0 && !util_oid_hex_ok(value))
		return util_error_set(error, TS_ERROR_CORRUPT, "%s: neither a commit id nor \"-\"",
				      key);
	g_strlcpy(ret_head, value, 41);
	return TRUE;
}

static gboolean held_ok(const char *value)
{
	g_auto(GStrv) words = g_strsplit(value, " ", 2);
	return words[0] && util_name_check("app", words[0], NULL);
}

static gboolean live_ok(const char *value)
{
	g_auto(GStrv) words = g_strsplit(value, " ", 3);
	return held_ok(value) && words[1] && util_sha256_hex_ok(words[1]) && words[2] &&
	       util_version_check(words[2], NULL);
}

/* A key that may come several times. */
typedef struct {
	const char *key, *form;
	gboolean (*ok)(const char *value);
	guint max;
} Lines;

static const Lines live_lines = {"Live", "APP ROOT VERSION", live_ok, WIRE_HELLO_LIST_MAX};
static const Lines held_lines = {"Held", "APP [REASON]", held_ok, WIRE_HELLO_LIST_MAX};
static const Lines reported_lines = {"Reported", "COMMIT", util_oid_hex_ok,
				     WIRE_HELLO_REPORTED_MAX};

static gboolean take_lines(const UtilTrailers *trailers, const Lines *of, char ***ret_lines,
			   GError **error)
{
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < util_trailers_count(trailers); i++) {
		const char *value = util_trailers_value(trailers, i);
		if (strcmp(util_trailers_key(trailers, i), of->key) != 0)
			continue;
		if (strlen(value) > APP_LINE_MAX || strpbrk(value, "\n\t") || !of->ok(value))
			return util_error_set(error, TS_ERROR_CORRUPT, "%s: line %u is not \"%s\"",
					      of->key, lines->len + 1, of->form);
		if (lines->len == of->max)
			return util_error_set(error, TS_ERROR_CORRUPT, "%s: more than %u lines",
					      of->key, of->max);
		g_ptr_array_add(lines, g_strdup(value));
	}
	g_ptr_array_add(lines, NULL);
	*ret_lines = (char **)g_ptr_array_free(g_steal_pointer(&lines), FALSE);
	return TRUE;
}

WireHello *wire_hello_parse(const char *text, gsize len, GError **error)
{
	g_autoptr(UtilTrailers) trailers = parse_numbered(text, len, error);
	if (!trailers)
		return NULL;
	g_autoptr(WireHello) hello = g_new0(WireHello, 1);
	gint64 memory_bytes = 0, disk_free_bytes = 0;
	if (!need_words(trailers, "Software", &hello->software, error) ||
	    !need_words(trailers, "Base", &hello->base, error) ||
	    !util_name_check("base", hello->base, error) ||
	    !util_trailers_need_int(trailers, "Incarnation", 1, G_MAXINT32, &hello->incarnation,
				    error) ||
	    !need_words(trailers, "Formats", &hello->formats, error) ||
	    !need_words(trailers, "Codecs", &hello->codecs, error) ||
	    !util_trailers_need_int(trailers, "Memory-Bytes", 0, G_MAXINT64, &memory_bytes,
				    error) ||
	    !need_head(trailers, "Head", hello->head, error) ||
	    !need_now(trailers, &hello->now_utc, &hello->now_ms, error) ||
	    !util_trailers_opt_int(trailers, "Clock-Offset-Ms", -OFFSET_MS_MAX, OFFSET_MS_MAX, 0,
				   &hello->offset_ms, error) ||
	    !opt_words(trailers, "Zlib", &hello->zlib, error) ||
	    !opt_words(trailers, "Features", &hello->features, error) ||
	    !util_trailers_opt_int(trailers, "Disk-Free-Bytes", 0, G_MAXINT64, 0, &disk_free_bytes,
				   error) ||
	    !util_trailers_opt_int(trailers, "Line-Kbit", 1, KBIT_MAX, 0, &hello->line_kbit,
				   error) ||
	    !util_trailers_opt_int(trailers, "Line-Rtt-Ms", 0, RTT_MS_MAX, 0, &hello->line_rtt_ms,
				   error) ||
	    !take_lines(trailers, &reported_lines, &hello->reported, error) ||
	    !take_lines(trailers, &live_lines, &hello->live, error) ||
	    !take_lines(trailers, &held_lines, &hello->held, error)) {
		g_prefix_error(error, "hello: ");
		return NULL;
	}
	hello->offset_known = util_trailers_get(trailers, "Clock-Offset-Ms") != NULL;
	hello->memory_bytes = (guint64)memory_bytes;
	hello->disk_free_bytes = (guint64)disk_free_bytes;
	return g_steal_pointer(&hello);
}

char *wire_hello_reply_format(const WireHelloReply *reply)
{
	g_autoptr(UtilTrailers) trailers = util_trailers_new();
	util_trailers_add(trailers, "Tagship-Hello", FORMAT_NUMBER);
	add_line(trailers, "Software", reply->software);
	util_trailers_add(trailers, "Head", reply->head);
	add_now(trailers, reply->now_utc, reply->now_ms);
	util_trailers_add(trailers, "Reports-Head", reply->reports_head);
	util_trailers_add(trailers, "Reports-Lost", reply->reports_lost ? "yes" : NULL);
	return util_trailers_format(trailers);
}

WireHelloReply *wire_hello_reply_parse(const char *text, gsize len, GError **error)
{
	g_autoptr(UtilTrailers) trailers = parse_numbered(text, len, error);
	if (!trailers)
		return NULL;
	g_autoptr(WireHelloReply) reply = g_new0(WireHelloReply, 1);
	if (!need_words(trailers, "Software", &reply->software, error) ||
	    !need_head(trailers, "Head", reply->head, error) ||
	    !need_now(trailers, &reply->now_utc, &reply->now_ms, error) ||
	    !need_head(trailers, "Reports-Head", reply->reports_head, error)) {
		g_prefix_error(error, "central's hello: ");
		return NULL;
	}
	reply->reports_lost = util_trailers_get(trailers, "Reports-Lost") != NULL;
	return g_steal_pointer(&reply);
}
