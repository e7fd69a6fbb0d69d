/* SPDX-License-Identifier: ISC */
#include "order/accepted.h"

#include "order/order-private.h"

#define HEAD "tagship-accepted 1\n"
#define HEAD_WORD "tagship-accepted "
#define LINE_MAX_BYTES (4 * ORDER_NOTE_MAX + 100)

typedef struct {
	const char *at;
	const char *end;
} Cursor;

void accepted_order_free(AcceptedOrder *accepted)
{
	if (!accepted)
		return;
	order_free(accepted->order);
	g_free(accepted->cancel_reason);
	g_free(accepted);
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

/* "order LENGTH CANCEL_SEQ REASON" */
static gboolean parse_head(const char *line, AcceptedOrder *accepted, guint64 *ret_len)
{
	g_auto(GStrv) words = g_strsplit(line, " ", 4);
	if (g_strv_length(words) != 4 || strcmp(words[0], "order") != 0 ||
	    !g_ascii_string_to_unsigned(words[1], 10, 1, ORDER_TEXT_MAX, ret_len, NULL) ||
	    !g_ascii_string_to_unsigned(words[2], 10, 0, G_MAXINT64, &accepted->cancel_seq, NULL))
		return FALSE;
	accepted->cancelled = accepted->cancel_seq > 0;
	if (strcmp(words[3], "-") == 0)
		return TRUE;
	accepted->cancel_reason = unquote(words[3]);
	return accepted->cancelled && accepted->cancel_reason;
}

static void format_head(GString *out, const AcceptedOrder *accepted, gsize len)
{
	g_assert(!accepted->cancelled || accepted->cancel_seq > 0);
	g_string_append_printf(out, "order %" G_GSIZE_FORMAT " ", len);
	if (!accepted->cancelled) {
		g_string_append(out, "0 -\n");
		return;
	}
	g_string_append_printf(out, "%" G_GUINT64_FORMAT " ", accepted->cancel_seq);
	if (accepted->cancel_reason) {
		g_autofree char *clipped = g_strndup(accepted->cancel_reason, ORDER_NOTE_MAX);
		g_autofree char *quoted = g_strescape(clipped, NULL);
		g_string_append_printf(out, "\"%s\"\n", quoted);
	} else {
		g_string_append(out, "-\n");
	}
}

static AcceptedOrder *take_order(Cursor *cursor, const char *app, guint number, GError **error)
{
	g_autoptr(AcceptedOrder) accepted = g_new0(AcceptedOrder, 1);
	g_autofree char *line = take_line(cursor);
	guint64 len = 0;
	g_autoptr(GString) again = g_string_new(NULL);
	gboolean ok = line && parse_head(line, accepted, &len);
	if (ok) {
		format_head(again, accepted, (gsize)len);
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
	g_autofree char *head = line ? g_strconcat(line, "\n", NULL) : NULL;
	if (head && strcmp(head, HEAD) == 0)
		return TRUE;
	if (head && g_str_has_prefix(head, HEAD_WORD) &&
	    g_ascii_string_to_unsigned(line + strlen(HEAD_WORD), 10, 2, G_MAXINT32, NULL, NULL))
		return util_error_set(error, TS_ERROR_UNSUPPORTED,
				      "accepted orders: the format is newer than this tagship; "
				      "upgrade it");
	return util_error_set(error, TS_ERROR_CORRUPT,
			      "accepted orders: the first line is not \"tagship-accepted 1\"");
}

GPtrArray *accepted_parse(const char *text, gsize len, GError **error)
{
	Cursor cursor = {text, text + len};
	g_autoptr(GPtrArray) orders =
	    g_ptr_array_new_with_free_func((GDestroyNotify)accepted_order_free);
	const char *app = NULL;
	if (!take_file_head(&cursor, error))
		return NULL;
	while (cursor.at < cursor.end) {
		AcceptedOrder *accepted = take_order(&cursor, app, orders->len + 1, error);
		if (!accepted)
			return NULL;
		g_ptr_array_add(orders, accepted);
		app = accepted->order->app;
	}
	return g_steal_pointer(&orders);
}

char *accepted_format(const GPtrArray *accepted)
{
	GString *out = g_string_new(HEAD);
	for (guint i = 0; i < accepted->len; i++) {
		const AcceptedOrder *item = g_ptr_array_index(accepted, i);
		g_autofree char *text = order_format(item->order);
		format_head(out, item, strlen(text));
		g_string_append(out, text);
	}
	return g_string_free(out, FALSE);
}
