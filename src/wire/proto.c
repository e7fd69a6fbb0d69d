/* SPDX-License-Identifier: ISC */
#include "wire/proto.h"

#define MAX_ARGS 2

/* One argument of a verb; FALSE if it is not of its form. */
typedef gboolean (*TakeArg)(const char *word, WireRequest *request);

typedef struct {
	WireVerb verb;
	const char *name;
	const char *usage;
	TakeArg args[MAX_ARGS]; /* as many as the verb has */
} VerbRow;

static gboolean take_root_or_none(const char *word, WireRequest *request)
{
	if (strcmp(word, "-") != 0 && !util_sha256_hex_ok(word))
		return FALSE;
	g_strlcpy(request->old_root, word, sizeof request->old_root);
	return TRUE;
}

static gboolean take_hash(const char *word, WireRequest *request)
{
	if (!util_sha256_hex_ok(word))
		return FALSE;
	g_strlcpy(request->hash, word, sizeof request->hash);
	return TRUE;
}

static gboolean take_offset(const char *word, WireRequest *request)
{
	return util_text_parse_count(word, G_MAXINT64, &request->offset);
}

static gboolean take_head(const char *word, WireRequest *request)
{
	if (strcmp(word, "-") != 0 && !util_oid_hex_ok(word))
		return FALSE;
	g_strlcpy(request->head, word, sizeof request->head);
	return TRUE;
}

static const VerbRow verbs[] = {
    {WIRE_HELLO, "hello", "hello", {NULL}},
    {WIRE_UPLOAD_PACK, "git-upload-pack", "git-upload-pack", {NULL}},
    {WIRE_WANT, "want", "want OLD-ROOT|- NEW-ROOT", {take_root_or_none, take_hash}},
    {WIRE_GET, "get", "get BUNDLE OFFSET", {take_hash, take_offset}},
    {WIRE_REPORT, "report", "report", {NULL}},
    {WIRE_WATCH, "watch", "watch HEAD|-", {take_head}},
    {WIRE_GIVE, "give", "give", {NULL}},
};

/* TRUE for git-upload-pack 'PATH', the way git itself asks. */
static gboolean is_git_spelling(const char *line, gsize len)
{
	static const char head[] = "git-upload-pack '";
	if (len < sizeof head || memcmp(line, head, sizeof head - 1) != 0 || line[len - 1] != '\'')
		return FALSE;
	for (gsize i = sizeof head - 1; i < len - 1; i++)
		if (line[i] == '\'' || line[i] == '\\' || g_ascii_iscntrl(line[i]))
			return FALSE;
	return TRUE;
}

static const char *line_problem(const char *line, gsize len)
{
	if (len == 0)
		return "no verb was given";
	if (len > WIRE_VERB_MAX)
		return "the verb line is longer than 512 bytes";
	for (gsize i = 0; i < len; i++)
		if (!g_ascii_isalnum(line[i]) && !(line[i] && strchr(" ./:_-", line[i])))
			return "only A-Z a-z 0-9 . / : _ - and single spaces are allowed";
	return NULL;
}

static gboolean take_args(const VerbRow *row, char **words, WireRequest *request)
{
	guint n = 0;
	while (n < MAX_ARGS && row->args[n])
		n++;
	if (g_strv_length(words) != n)
		return FALSE;
	for (guint i = 0; i < n; i++)
		if (!row->args[i](words[i], request))
			return FALSE;
	return TRUE;
}

static gboolean unknown_verb(const char *word, GError **error)
{
	const char *names[G_N_ELEMENTS(verbs) + 1] = {NULL};
	for (guint i = 0; i < G_N_ELEMENTS(verbs); i++)
		names[i] = verbs[i].name;
	const char *nearest = util_text_nearest(word, names);
	return util_error_set(error, TS_ERROR_USAGE, "there is no verb \"%.40s\"%s%s%s", word,
			      nearest ? "; did you mean \"" : "", nearest ? nearest : "",
			      nearest ? "\"?" : "");
}

gboolean wire_request_parse(const char *line, gsize len, WireRequest *ret_request, GError **error)
{
	WireRequest request = {.verb = WIRE_UPLOAD_PACK};
	if (len <= WIRE_VERB_MAX && is_git_spelling(line, len)) {
		*ret_request = request;
		return TRUE;
	}
	const char *why = line_problem(line, len);
	if (why)
		return util_error_set(error, TS_ERROR_USAGE, "%s", why);
	g_autofree char *copy = g_strndup(line, len);
	g_auto(GStrv) words = g_strsplit(copy, " ", -1);
	for (guint i = 0; i < G_N_ELEMENTS(verbs); i++) {
		if (strcmp(words[0], verbs[i].name) != 0)
			continue;
		request.verb = verbs[i].verb;
		if (!take_args(&verbs[i], words + 1, &request))
			return util_error_set(error, TS_ERROR_USAGE, "the form is: %s",
					      verbs[i].usage);
		*ret_request = request;
		return TRUE;
	}
	return unknown_verb(words[0], error);
}

char *wire_request_format(const WireRequest *request)
{
	switch (request->verb) {
	case WIRE_HELLO:
		return g_strdup("hello");
	case WIRE_UPLOAD_PACK:
		return g_strdup("git-upload-pack");
	case WIRE_WANT:
		return g_strdup_printf("want %s %s", request->old_root, request->hash);
	case WIRE_GET:
		return g_strdup_printf("get %s %" G_GUINT64_FORMAT, request->hash, request->offset);
	case WIRE_REPORT:
		return g_strdup("report");
	case WIRE_WATCH:
		return g_strdup_printf("watch %s", request->head);
	case WIRE_GIVE:
		return g_strdup("give");
	}
	g_assert_not_reached();
}

static const char *const code_names[] = {
    [TS_ERROR_FAILED] = "failed",
    [TS_ERROR_USAGE] = "usage",
    [TS_ERROR_REFUSED] = "refused",
    [TS_ERROR_CORRUPT] = "corrupt",
    [TS_ERROR_NOT_AUTHENTIC] = "not-authentic",
    [TS_ERROR_EXISTS] = "exists",
    [TS_ERROR_NOT_FOUND] = "not-found",
    [TS_ERROR_NO_SPACE] = "no-space",
    [TS_ERROR_AGAIN] = "again",
    [TS_ERROR_UNSUPPORTED] = "unsupported",
};

gboolean wire_reply_ok(UtilStream *stream, gint64 length, GError **error)
{
	if (length < 0)
		return util_stream_puts(stream, "ok\n", error);
	g_autofree char *line = g_strdup_printf("ok %" G_GINT64_FORMAT "\n", length);
	return util_stream_puts(stream, line, error);
}

/* One printable line of at most max bytes. */
static char *one_line(const char *text, gsize max)
{
	g_autofree char *joined = g_strdup(text);
	g_strdelimit(g_strstrip(joined), "\n", '|');
	char *line = util_text_printable(joined, -1);
	if (strlen(line) > max)
		*g_utf8_find_prev_char(line, line + max + 1) = '\0';
	return line;
}

gboolean wire_reply_error(UtilStream *stream, const GError *reply, GError **error)
{
	gboolean ours = reply->domain == TS_ERROR && reply->code >= 0 &&
			reply->code < (int)G_N_ELEMENTS(code_names);
	const char *code = code_names[ours ? reply->code : TS_ERROR_FAILED];
	g_autofree char *text = one_line(reply->message, WIRE_REPLY_MAX - 64);
	g_autofree char *line = g_strdup_printf("error %s %s\n", code, text);
	return util_stream_puts(stream, line, error);
}

/* "CODE TEXT" into *error; always FALSE. */
static gboolean error_reply(const char *rest, GError **error)
{
	const char *space = strchr(rest, ' ');
	gsize len = space ? (gsize)(space - rest) : strlen(rest);
	g_autofree char *text = one_line(space ? space + 1 : rest, WIRE_REPLY_MAX);
	for (guint i = 0; i < G_N_ELEMENTS(code_names); i++)
		if (strlen(code_names[i]) == len && memcmp(code_names[i], rest, len) == 0)
			return util_error_set(error, (TsErrorCode)i, "central: %s", text);
	/* a code of a newer central: its words are all that can be said */
	return util_error_set(error, TS_ERROR_FAILED, "central: %s", text);
}

gboolean wire_reply_read(UtilStream *stream, gint64 *ret_length, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *line = util_stream_read_line(stream, WIRE_REPLY_MAX, &local);
	if (!line && !local)
		return util_error_set(error, TS_ERROR_AGAIN,
				      "central ended the call before it replied");
	if (!line) {
		g_propagate_prefixed_error(error, g_steal_pointer(&local), "reply: ");
		return FALSE;
	}
	guint64 length = 0;
	if (g_str_has_prefix(line, "error "))
		return error_reply(line + strlen("error "), error);
	gboolean bare = strcmp(line, "ok") == 0;
	if (!bare && !(g_str_has_prefix(line, "ok ") &&
		       util_text_parse_count(line + strlen("ok "), G_MAXINT64, &length))) {
		g_autofree char *shown = one_line(line, 120);
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "\"%s\" is no reply; does the forced command on central "
				      "run \"tagship serve\", and does its shell print nothing?",
				      shown);
	}
	if (ret_length)
		*ret_length = bare ? -1 : (gint64)length;
	return TRUE;
}

char *wire_read_all(UtilStream *stream, gsize max_bytes, gsize *ret_len, GError **error)
{
	g_autoptr(GByteArray) all = g_byte_array_new();
	guint8 chunk[4096];
	for (;;) {
		gssize n = stream->read(stream, chunk, sizeof chunk, error);
		if (n < 0)
			return NULL;
		if (n == 0)
			break;
		g_byte_array_append(all, chunk, (guint)n);
		if (all->len > max_bytes) {
			util_error_set(error, TS_ERROR_CORRUPT,
				       "more than %" G_GSIZE_FORMAT " bytes were sent", max_bytes);
			return NULL;
		}
	}
	*ret_len = all->len;
	g_byte_array_append(all, (const guint8 *)"", 1);
	return (char *)g_byte_array_free(g_steal_pointer(&all), FALSE);
}
