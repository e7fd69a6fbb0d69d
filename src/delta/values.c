/* SPDX-License-Identifier: ISC */
/* The columns of an archive's form. */
#include "delta/archive-private.h"

#define LEN_MAX G_MAXUINT16 /* of a name or value */

gboolean delta_form_charge(DeltaForm *form, guint64 bytes)
{
	if (bytes > form->left_bytes)
		return FALSE;
	form->left_bytes -= bytes;
	return TRUE;
}

gboolean delta_form_bytes(DeltaForm *form, guint64 len, const guint8 **ret_data)
{
	if (len > (guint64)(form->reader.end - form->reader.at))
		return FALSE;
	*ret_data = form->reader.at;
	form->reader.at += len;
	return TRUE;
}

gboolean delta_form_value(DeltaForm *form, guint64 max, DeltaValue *ret_value)
{
	guint64 len = 0;
	if (!delta_get_varint(&form->reader, MIN(max, G_MAXUINT), &len) ||
	    !delta_form_bytes(form, len, &ret_value->data))
		return FALSE;
	ret_value->len = (guint)len;
	return TRUE;
}

/* Its place in the list, or the list's length. */
static guint recent_find(const DeltaRecent *recent, const guint8 *data, gsize len)
{
	guint place = 0;
	while (place < recent->count &&
	       (recent->values[place].len != len ||
		(len > 0 && memcmp(recent->values[place].data, data, len) != 0)))
		place++;
	return place;
}

/* The value becomes the latest; those before `place` move down. */
static void recent_front(DeltaRecent *recent, guint place, DeltaValue value)
{
	memmove(recent->values + 1, recent->values, place * sizeof(DeltaValue));
	recent->values[0] = value;
}

static void recent_push(DeltaRecent *recent, DeltaValue value)
{
	if (recent->count < DELTA_RECENT_VALUES)
		recent->count++;
	recent_front(recent, recent->count - 1, value);
}

void delta_values_init(DeltaValues *column, gsize width)
{
	*column = (DeltaValues){.width = width,
				.runs = g_byte_array_new(),
				.values = g_byte_array_new(),
				.strings = g_string_chunk_new(4096)};
}

void delta_values_clear(DeltaValues *column)
{
	g_clear_pointer(&column->runs, g_byte_array_unref);
	g_clear_pointer(&column->values, g_byte_array_unref);
	g_clear_pointer(&column->strings, g_string_chunk_free);
}

static void end_run(DeltaValues *column)
{
	if (column->run > 0)
		delta_put_varint(column->runs, column->run - 1);
	column->run = 0;
}

static void put_new(DeltaValues *column, const guint8 *data, gsize len)
{
	g_assert(len <= LEN_MAX && (column->width == 0 || column->width == len));
	char *copy = g_string_chunk_insert_len(column->strings, (const char *)data, (gssize)len);
	if (column->width == 0)
		delta_put_varint(column->values, len);
	g_byte_array_append(column->values, data, (guint)len);
	recent_push(&column->recent, (DeltaValue){(const guint8 *)copy, (guint)len});
}

void delta_values_add(DeltaValues *column, const guint8 *data, gsize len)
{
	DeltaRecent *recent = &column->recent;
	guint place = recent_find(recent, data, len);
	if (recent->count == 0 || place > 0) {
		end_run(column);
		guint8 rank = (guint8)(place < recent->count ? place : 0);
		g_byte_array_append(column->runs, &rank, 1);
		if (rank > 0)
			recent_front(recent, rank, recent->values[rank]);
		else
			put_new(column, data, len);
	}
	column->run++;
}

void delta_values_finish(DeltaValues *column, GByteArray *form)
{
	end_run(column);
	g_byte_array_append(form, column->runs->data, column->runs->len);
	g_byte_array_append(form, column->values->data, column->values->len);
	delta_values_clear(column);
}

static gboolean get_run(DeltaReader *runs, guint left, guint8 *ret_rank, guint *ret_run)
{
	guint64 more = 0;
	if (!delta_get_byte(runs, ret_rank) || !delta_get_varint(runs, left - 1, &more))
		return FALSE;
	*ret_run = (guint)more + 1;
	return TRUE;
}

/* The values stand after all runs. */
static gboolean skip_runs(DeltaReader *runs, guint count)
{
	guint8 rank = 0;
	guint run = 0;
	for (guint at = 0; at < count; at += run)
		if (!get_run(runs, count - at, &rank, &run))
			return FALSE;
	return TRUE;
}

static gboolean get_new(DeltaForm *form, DeltaRecent *recent, gsize width, gsize max)
{
	DeltaValue value = {.len = (guint)width};
	if (width > 0 ? !delta_form_bytes(form, width, &value.data)
		      : !delta_form_value(form, max, &value))
		return FALSE;
	/* what is known is not written again */
	if (recent_find(recent, value.data, value.len) < recent->count)
		return FALSE;
	recent_push(recent, value);
	return TRUE;
}

DeltaValue *delta_values_read(DeltaForm *form, guint count, gsize width, gsize max)
{
	DeltaReader runs = form->reader;
	DeltaRecent recent = {.count = 0};
	guint8 rank = 0;
	guint run = 0;
	if (!skip_runs(&form->reader, count) ||
	    !delta_form_charge(form, (guint64)count * sizeof(DeltaValue)))
		return NULL;
	g_autofree DeltaValue *values = g_new(DeltaValue, count);
	for (guint at = 0; at < count;) {
		if (!get_run(&runs, count - at, &rank, &run))
			return NULL;
		if (rank == 0 ? !get_new(form, &recent, width, max) : rank >= recent.count)
			return NULL;
		if (rank > 0)
			recent_front(&recent, rank, recent.values[rank]);
		while (run-- > 0)
			values[at++] = recent.values[0];
	}
	return g_steal_pointer(&values);
}

void delta_name_put(GByteArray *out, GString *name, const char *next)
{
	gsize shared = delta_shared_start(name->str, next);
	delta_put_varint(out, shared);
	g_byte_array_append(out, (const guint8 *)next + shared, (guint)strlen(next + shared) + 1);
	g_string_assign(name, next);
}

gboolean delta_name_get(DeltaForm *form, GString *name, gsize max)
{
	guint64 shared = 0;
	const char *rest = NULL;
	if (!delta_get_varint(&form->reader, name->len, &shared) ||
	    !delta_get_text(&form->reader, &rest))
		return FALSE;
	/* no more could be shared */
	if (*rest != '\0' && *rest == name->str[shared])
		return FALSE;
	g_string_truncate(name, shared);
	g_string_append(name, rest);
	return name->len <= max;
}
