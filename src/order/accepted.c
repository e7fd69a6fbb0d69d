/* SPDX-License-Identifier: ISC */
#include "order/accepted.h"

#include "order/order-private.h"

#define HEAD_WORD "tagship-accepted "
#define FORMAT 3
#define LINE_MAX_BYTES (12 * ORDER_NOTE_MAX + 100)

/* of an order's line, by format */
static const guint word_counts[] = {0, 4, 6, 8};

typedef struct {
	const char *at;
	const char *end;
	guint64 format;
} Cursor;

void accepted_order_free(AcceptedOrder *accepted)
{
	if (!accepted)
		return;
	order_free(accepted->order);
	g_free(accepted->cancel_reason);
	g_free(accepted->gate_reason);
	g_free(accepted->trust_reason);
	g_free(accepted);
}

gint accepted_compare_seq(gconstpointer a, gconstpointer b)
{
	const AcceptedOrder *x = *(AcceptedOrder *const *)a, *y = *(AcceptedOrder *const *)b;
	return x->order->seq < y->order->seq ? -1 : x->order->seq > y->order->seq;
}

void accepted_stop_clear(AcceptedStop *stop)
{
	stop->seq = 0;
	g_clear_pointer(&stop->reason, g_free);
}

/* One line without its newline; NULL if there is none within LINE_MAX_BYTES, or a NUL in it. */
static char *take_line(Cursor *cursor)
{
	gsize left = MIN((gsize)(cursor->end - cursor->at), LINE_MAX_BYTES);
	const char *newline = left > 0 ? memchr(cursor->at, '\n', left) : NULL;
	if (!newline || memchr(cursor->at, '\0', (gsize)(newline - cursor->at)))
		return NULL;
	char *line = g_strndup(cursor->at, (gsize)(newline - cursor->at));
	cursor->at = newline + 1;
	return line;
}

/* `"…"` as written by quote(); NULL for anything else. */
static char *unquote(const char *text)
{
	gsize len = strlen(text);
	if (len < 2 || text[0] != '"' || text[len - 1] != '"')
		return NULL;
	g_autofree char *inner = g_strndup(text + 1, len - 2);
	g_autofree char *value = g_strcompress(inner);
	g_autofree char *again = g_strescape(value, NULL);
	return strcmp(again, inner) == 0 ? g_steal_pointer(&value) : NULL;
}

/* "-" or `"…"`; FALSE for anything else. */
static gboolean parse_reason(const char *text, char **ret_reason)
{
	if (strcmp(text, "-") == 0)
		return TRUE;
	*ret_reason = unquote(text);
	return *ret_reason != NULL;
}

static void format_reason(GString *out, const char *reason)
{
	if (!reason) {
		g_string_append(out, "-");
		return;
	}
	g_autofree char *clipped = g_strndup(reason, ORDER_NOTE_MAX);
	g_autofree char *quoted = g_strescape(clipped, NULL);
	g_string_append_printf(out, "\"%s\"", quoted);
}

/* A line as words; blanks within quotes part nothing. NULL where a quote is not closed. */
static char **split_words(const char *line)
{
	g_autoptr(GStrvBuilder) words = g_strv_builder_new();
	const char *from = line;
	gboolean quoted = FALSE;
	for (const char *at = line;; at++) {
		if (*at == '\0' || (*at == ' ' && !quoted)) {
			g_autofree char *word = g_strndup(from, (gsize)(at - from));
			g_strv_builder_add(words, word);
			from = at + 1;
		}
		if (*at == '\0')
			break;
		if (*at == '\\' && at[1] != '\0')
			at++;
		else if (*at == '"')
			quoted = !quoted;
	}
	return g_strv_builder_end(words);
}

static gboolean parse_seq(const char *text, guint64 *ret_seq)
{
	return g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, ret_seq, NULL);
}

static gboolean parse_gate(char **words, AcceptedOrder *accepted)
{
	accepted->gate_open = strcmp(words[0], "open") == 0;
	accepted->gate_decided = accepted->gate_open || strcmp(words[0], "shut") == 0;
	return parse_reason(words[1], &accepted->gate_reason);
}

/* "order LENGTH CANCEL_SEQ REASON", from format 2 on with " GATE REASON", from format 3 on with
 * " TRUST REASON" */
static gboolean parse_head(const char *line, guint64 format, AcceptedOrder *accepted,
			   guint64 *ret_len)
{
	g_auto(GStrv) words = split_words(line);
	if (g_strv_length(words) != word_counts[format] || strcmp(words[0], "order") != 0 ||
	    !g_ascii_string_to_unsigned(words[1], 10, 1, ORDER_TEXT_MAX, ret_len, NULL) ||
	    !parse_seq(words[2], &accepted->cancel_seq) ||
	    !parse_reason(words[3], &accepted->cancel_reason))
		return FALSE;
	accepted->cancelled = accepted->cancel_seq > 0;
	return (format < 2 || parse_gate(words + 4, accepted)) &&
	       (format < 3 || (order_trust_parse(words[6], &accepted->trust) &&
			       parse_reason(words[7], &accepted->trust_reason)));
}

static void format_head(GString *out, guint64 format, const AcceptedOrder *accepted, gsize len)
{
	g_assert(!accepted->cancelled || accepted->cancel_seq > 0);
	g_string_append_printf(out, "order %" G_GSIZE_FORMAT " %" G_GUINT64_FORMAT " ", len,
			       accepted->cancelled ? accepted->cancel_seq : 0);
	format_reason(out, accepted->cancelled ? accepted->cancel_reason : NULL);
	if (format > 1) {
		g_string_append(out, !accepted->gate_decided ? " - "
				     : accepted->gate_open   ? " open "
							     : " shut ");
		format_reason(out, accepted->gate_decided ? accepted->gate_reason : NULL);
	}
	if (format > 2) {
		g_string_append_printf(out, " %s ", order_trust_name(accepted->trust));
		format_reason(out, accepted->trust_reason);
	}
	g_string_append(out, "\n");
}

static void format_stop(GString *out, const AcceptedStop *stop)
{
	gboolean stopped = stop && stop->seq > 0;
	g_string_append_printf(out, "stop %" G_GUINT64_FORMAT " ", stopped ? stop->seq : 0);
	format_reason(out, stopped ? stop->reason : NULL);
	g_string_append(out, "\n");
}

static gboolean take_stop(Cursor *cursor, AcceptedStop *ret_stop, GError **error)
{
	g_auto(AcceptedStop) stop = {0};
	g_autoptr(GString) again = g_string_new(NULL);
	g_autofree char *line = take_line(cursor);
	g_auto(GStrv) words = split_words(line ? line : "");
	if (g_strv_length(words) == 3 && strcmp(words[0], "stop") == 0 &&
	    parse_seq(words[1], &stop.seq) && parse_reason(words[2], &stop.reason)) {
		format_stop(again, &stop);
		g_string_truncate(again, again->len - 1); /* the newline */
	}
	if (!line || again->len == 0 || strcmp(again->str, line) != 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "accepted orders: the line of the stop is damaged");
	*ret_stop = stop;
	stop = (AcceptedStop){0};
	return TRUE;
}

static AcceptedOrder *take_order(Cursor *cursor, const char *app, guint number, GError **error)
{
	g_autoptr(AcceptedOrder) accepted = g_new0(AcceptedOrder, 1);
	g_autofree char *line = take_line(cursor);
	guint64 len = 0;
	g_autoptr(GString) again = g_string_new(NULL);
	gboolean ok = line && parse_head(line, cursor->format, accepted, &len);
	if (ok) {
		format_head(again, cursor->format, accepted, (gsize)len);
		g_string_truncate(again, again->len - 1); /* the newline */
		ok = strcmp(again->str, line) == 0;
	}
	if (!ok || len > (guint64)(cursor->end - cursor->at)) {
		util_error_set(error, TS_ERROR_CORRUPT, "accepted orders: order %u: %s", number,
			       ok ? "its text is cut short" : "its first line is damaged");
		return NULL;
	}
	accepted->order = order_parse(cursor->at, (gsize)len, error);
	cursor->at += len;
	if (!accepted->order) {
		g_prefix_error(error, "accepted orders: order %u: ", number);
		return NULL;
	}
	if (accepted->order->kind == ORDER_KIND_ORDER &&
	    (!app || strcmp(accepted->order->app, app) == 0))
		return g_steal_pointer(&accepted);
	util_error_set(error, TS_ERROR_CORRUPT, "accepted orders: order %u: %s", number,
		       accepted->order->kind == ORDER_KIND_ORDER ? "it is of another app"
								 : "it is of another kind");
	return NULL;
}

static gboolean take_file_head(Cursor *cursor, GError **error)
{
	g_autofree char *line = take_line(cursor);
	if (!line || !g_str_has_prefix(line, HEAD_WORD) ||
	    !g_ascii_string_to_unsigned(line + strlen(HEAD_WORD), 10, 1, G_MAXINT32,
					&cursor->format, NULL))
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "accepted orders: the first line is not \"" HEAD_WORD
				      "NUMBER\"");
	return cursor->format <= FORMAT ||
	       util_error_set(error, TS_ERROR_UNSUPPORTED,
			      "accepted orders: the format is newer than this tagship; upgrade it");
}

GPtrArray *accepted_parse(const char *text, gsize len, AcceptedStop *ret_stop, GError **error)
{
	Cursor cursor = {text, text + len, 0};
	g_autoptr(GPtrArray) orders =
	    g_ptr_array_new_with_free_func((GDestroyNotify)accepted_order_free);
	g_auto(AcceptedStop) stop = {0};
	const char *app = NULL;
	if (!take_file_head(&cursor, error) ||
	    (cursor.format > 1 && !take_stop(&cursor, &stop, error)))
		return NULL;
	while (cursor.at < cursor.end) {
		AcceptedOrder *accepted = take_order(&cursor, app, orders->len + 1, error);
		if (!accepted)
			return NULL;
		g_ptr_array_add(orders, accepted);
		app = accepted->order->app;
	}
	if (ret_stop) {
		*ret_stop = stop;
		stop = (AcceptedStop){0};
	}
	return g_steal_pointer(&orders);
}

char *accepted_format(const GPtrArray *accepted, const AcceptedStop *stop)
{
	GString *out = g_string_new(NULL);
	g_string_append_printf(out, HEAD_WORD "%d\n", FORMAT);
	format_stop(out, stop);
	for (guint i = 0; i < accepted->len; i++) {
		const AcceptedOrder *item = g_ptr_array_index(accepted, i);
		g_autofree char *text = order_format(item->order);
		format_head(out, FORMAT, item, strlen(text));
		g_string_append(out, text);
	}
	return g_string_free(out, FALSE);
}
