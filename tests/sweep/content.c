/* SPDX-License-Identifier: ISC */
/* What files hold, and what becomes of it. */
#include "sweep.h"

static const char *const words[] = {"function",
				    "return",
				    "const ",
				    "this.",
				    "=>{",
				    ");\n",
				    "index-",
				    "app-",
				    ".js\"",
				    "prototype",
				    "undefined",
				    "1.2.3",
				    "a1b2c3d4",
				    "99ff00aa",
				    "\"use strict\";",
				    "import{t as e}from\"./",
				    "}\n",
				    "/*! license */",
				    "background-color:#",
				    "px;",
				    "\r\n",
				    "<div class=\"",
				    "</div>",
				    "\xc3\xa4\xe2\x82\xac",
				    "0x",
				    "e.exports=",
				    "\t",
				    "  ",
				    ",",
				    "\"name\": \""};

void append_noise(GByteArray *out, GRand *rand, guint len)
{
	guint at = out->len;
	g_byte_array_set_size(out, at + len);
	for (guint i = 0; i < len; i++)
		out->data[at + i] = (guint8)g_rand_int(rand);
}

static void append_text(GByteArray *out, GRand *rand, guint len)
{
	guint end = out->len + len;
	while (out->len < end) {
		const char *word = words[pick(rand, G_N_ELEMENTS(words))];
		g_byte_array_append(out, (const guint8 *)word, (guint)strlen(word));
		if (one_in(rand, 4))
			append_noise(out, rand, 1);
	}
	g_byte_array_set_size(out, end);
}

/* Like compiled code and tables: records of four bytes with counters and near addresses. */
static void append_program(GByteArray *out, GRand *rand, guint len)
{
	guint32 address = g_rand_int(rand);
	guint end = out->len + len;
	while (out->len < end) {
		guint32 word =
		    one_in(rand, 3) ? address + 4 * pick(rand, 64) : pick(rand, 256) << 24;
		guint8 bytes[4] = {(guint8)word, (guint8)(word >> 8), (guint8)(word >> 16),
				   (guint8)(word >> 24)};
		address += 8;
		g_byte_array_append(out, bytes, sizeof bytes);
	}
	g_byte_array_set_size(out, end);
}

static void append_repeats(GByteArray *out, GRand *rand, guint len)
{
	guint period = 1 + pick(rand, 600);
	guint at = out->len;
	append_noise(out, rand, MIN(period, len));
	g_byte_array_set_size(out, at + len);
	for (guint i = period; i < len; i++)
		out->data[at + i] = out->data[at + i - period];
}

static void append_some(GByteArray *out, GRand *rand, guint len)
{
	switch (pick(rand, 5)) {
	case 0:
		append_noise(out, rand, len);
		break;
	case 1:
		append_program(out, rand, len);
		break;
	case 2:
		append_repeats(out, rand, len);
		break;
	default:
		append_text(out, rand, len);
	}
}

static void content_clear(gpointer data)
{
	Content *content = data;
	if (content->members)
		g_ptr_array_unref(content->members);
	g_byte_array_unref(content->bytes);
}

Content *content_ref(Content *content)
{
	return g_rc_box_acquire(content);
}

void content_unref(Content *content)
{
	g_rc_box_release_full(content, content_clear);
}

Content *content_from_bytes(GByteArray *bytes)
{
	Content *content = g_rc_box_new0(Content);
	content->bytes = bytes;
	return content;
}

Content *content_new_raw(GRand *rand, guint max_log2)
{
	GByteArray *bytes = g_byte_array_new();
	guint len = one_in(rand, 10) ? 0 : 1U << pick(rand, max_log2 + 1);
	len = len > 1 ? len / 2 + pick(rand, len / 2 + 1) : len;
	append_some(bytes, rand, len);
	return content_from_bytes(bytes);
}

Content *content_new_large(GRand *rand, guint len)
{
	GByteArray *bytes = g_byte_array_new();
	append_some(bytes, rand, MIN(len, 1U << (12 + pick(rand, 9))));
	guint period = bytes->len;
	g_byte_array_set_size(bytes, len);
	for (guint at = period; at < len; at += period) {
		memcpy(bytes->data + at, bytes->data, MIN(period, len - at));
		bytes->data[at] = (guint8)g_rand_int(rand); /* no two periods alike */
	}
	return content_from_bytes(bytes);
}

static void insert_bytes(GByteArray *bytes, guint at, const guint8 *data, guint len)
{
	guint before = bytes->len;
	g_byte_array_set_size(bytes, before + len);
	memmove(bytes->data + at + len, bytes->data + at, before - at);
	memcpy(bytes->data + at, data, len);
}

/* A block goes elsewhere, or a copy of it does. */
static void move_block(GByteArray *bytes, GRand *rand)
{
	guint from = pick(rand, bytes->len);
	guint len = 1 + pick(rand, MIN(bytes->len - from, 64 * 1024));
	g_autofree guint8 *block = g_memdup2(bytes->data + from, len);
	if (one_in(rand, 2))
		g_byte_array_remove_range(bytes, from, len);
	insert_bytes(bytes, pick(rand, bytes->len + 1), block, len);
}

/* The same few bytes again and again, at a steady distance or not: dates, versions. */
static void scatter(GByteArray *bytes, GRand *rand)
{
	guint count = 1 + pick(rand, 40);
	guint step = one_in(rand, 2) ? 0 : 1 + bytes->len / (count + 1);
	guint8 value = (guint8)g_rand_int(rand);
	for (guint i = 0; i < count; i++) {
		guint at = step ? i * step : pick(rand, bytes->len);
		if (at < bytes->len)
			bytes->data[at] = (guint8)(one_in(rand, 2) ? value : bytes->data[at] + 1);
	}
}

static void edit_once(GByteArray *bytes, GRand *rand)
{
	g_autoptr(GByteArray) piece = g_byte_array_new();
	guint len = 1U << pick(rand, 10);
	append_some(piece, rand, len);
	if (bytes->len == 0) {
		g_byte_array_append(bytes, piece->data, piece->len);
		return;
	}
	guint at = pick(rand, bytes->len);
	switch (pick(rand, 8)) {
	case 0:
		insert_bytes(bytes, at, piece->data, piece->len);
		break;
	case 1:
		g_byte_array_remove_range(bytes, at, MIN(len, bytes->len - at));
		break;
	case 2:
		move_block(bytes, rand);
		break;
	case 3:
		g_byte_array_set_size(bytes, at); /* cut */
		break;
	case 4:
		g_byte_array_append(bytes, piece->data, piece->len);
		break;
	case 5:
		memcpy(bytes->data + at, piece->data, MIN(piece->len, bytes->len - at));
		break;
	default:
		scatter(bytes, rand);
	}
}

Content *content_edit(const Content *content, GRand *rand)
{
	if (content->kind != CONTENT_RAW && !one_in(rand, 12))
		return archive_edit(content, rand);
	GByteArray *bytes = g_byte_array_sized_new(content->bytes->len);
	if (!one_in(rand, 20)) /* else all is new */
		g_byte_array_append(bytes, content->bytes->data, content->bytes->len);
	for (guint i = one_in(rand, 3) ? 1 + pick(rand, 8) : 1; i > 0; i--)
		edit_once(bytes, rand);
	return content_from_bytes(bytes);
}

Content *content_replace(Content *content, const char *from, const char *to)
{
	gsize len = strlen(from);
	GByteArray *bytes = NULL;
	const guint8 *at = content->bytes->data;
	const guint8 *end = at + content->bytes->len;
	while (content->kind == CONTENT_RAW && at &&
	       (at = memmem(at, (gsize)(end - at), from, len)) != NULL) {
		if (!bytes) {
			bytes = g_byte_array_new();
			g_byte_array_append(bytes, content->bytes->data, content->bytes->len);
		}
		memcpy(bytes->data + (at - content->bytes->data), to, len);
		at += len;
	}
	return bytes ? content_from_bytes(bytes) : content_ref(content);
}
