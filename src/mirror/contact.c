/* SPDX-License-Identifier: ISC */
#include "mirror/mirror-private.h"

#define CONTACT "contact"
#define CONTACT_MAX (64 * 1024)

static UtilTrailers *read_last(const MirrorSpec *spec)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	/* missing or damaged: nothing is known of before */
	if (!util_fs_read_file(spec->root_dirfd, CONTACT, CONTACT_MAX, &text, &len, NULL))
		return util_trailers_new();
	UtilTrailers *last = util_trailers_parse(text, len, NULL);
	return last ? last : util_trailers_new();
}

/* These outlive every attempt. */
static void keep_line(UtilTrailers *contact, const UtilTrailers *last)
{
	util_trailers_add(contact, "Line-Kbit", util_trailers_get(last, "Line-Kbit"));
	util_trailers_add(contact, "Line-Rtt-Ms", util_trailers_get(last, "Line-Rtt-Ms"));
}

/* After a failure the numbers of the last good contact stay. */
static void keep_last(UtilTrailers *contact, const UtilTrailers *last)
{
	static const char *const keys[] = {"Good-Time",   "Upstream",       "Head",
					   "Central-Now", "Clock-Offset-S", "Clock-Offset-Ms",
					   "Behind",      "By-File"};
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
		if (!util_trailers_get(contact, keys[i]))
			util_trailers_add(contact, keys[i], util_trailers_get(last, keys[i]));
}

static void add_good(UtilTrailers *contact, const MirrorContact *now, gint64 utc)
{
	util_trailers_add_time(contact, "Good-Time", utc);
	util_trailers_add(contact, "Upstream", now->upstream);
	util_trailers_add(contact, "Head", now->reply->head);
	util_trailers_add_time(contact, "Central-Now", now->reply->now_utc);
	util_trailers_add_int(contact, "Clock-Offset-S", now->offset_ms / 1000);
	util_trailers_add_int(contact, "Clock-Offset-Ms", now->offset_ms);
	util_trailers_add(contact, "Behind", now->behind ? "yes" : NULL);
}

static void write_contact(const MirrorSpec *spec, const UtilTrailers *contact)
{
	g_autofree char *text = util_trailers_format(contact);
	/* A full disk must not turn a good pull into a bad one; status then shows an old Time. */
	(void)util_fs_write_file(spec->root_dirfd, CONTACT, text, strlen(text), 0644, NULL);
}

void mirror_contact_by_file(const MirrorSpec *spec, const char *head, gint64 written_utc)
{
	gint64 utc = util_clock_now_utc(spec->clock);
	g_autoptr(UtilTrailers) last = read_last(spec);
	g_autoptr(UtilTrailers) contact = util_trailers_new();
	/* what later jumps are seen by, where no central is ever asked; not written: as before */
	if (utc >= written_utc - STORE_CLOCK_JUMP_S)
		(void)store_clock_keep(spec->root_dirfd, spec->clock, TRUE, NULL);
	util_trailers_add_time(contact, "Time", utc);
	util_trailers_add_time(contact, "Good-Time", utc);
	util_trailers_add(contact, "Head", head);
	util_trailers_add_time(contact, "By-File", written_utc);
	keep_line(contact, last);
	write_contact(spec, contact);
}

gboolean mirror_contact_read_offset(const MirrorSpec *spec, gint64 *ret_offset_ms)
{
	g_autoptr(UtilTrailers) last = read_last(spec);
	return util_trailers_need_int(last, "Clock-Offset-Ms", G_MININT64 / 2, G_MAXINT64 / 2,
				      ret_offset_ms, NULL);
}

void mirror_contact_write(const MirrorSpec *spec, const MirrorContact *now)
{
	gint64 utc = util_clock_now_utc(spec->clock);
	g_autoptr(UtilTrailers) contact = util_trailers_new();
	g_autoptr(UtilTrailers) last = read_last(spec);
	util_trailers_add_time(contact, "Time", utc);
	if (now->written_utc > 0)
		util_trailers_add_time(contact, "Head-Written", now->written_utc);
	else
		util_trailers_add(contact, "Head-Written", util_trailers_get(last, "Head-Written"));
	if (now->error || !now->reply) {
		if (!now->error)
			util_trailers_add_time(contact, "Good-Time", utc);
		keep_last(contact, last);
		util_trailers_add(contact, "Error", now->error ? now->error->message : NULL);
	} else {
		add_good(contact, now, utc);
		/* not written: the clock is judged as before */
		(void)store_clock_contact(spec->root_dirfd, spec->clock, now->offset_ms,
					  now->written_utc, NULL);
	}
	keep_line(contact, last);
	write_contact(spec, contact);
}

void mirror_contact_line(const MirrorSpec *spec, gint64 kbit, gint64 rtt_ms)
{
	g_autoptr(UtilTrailers) last = read_last(spec);
	g_autoptr(UtilTrailers) contact = util_trailers_new();
	for (guint i = 0; i < util_trailers_count(last); i++)
		if (!g_str_has_prefix(util_trailers_key(last, i), "Line-"))
			util_trailers_add(contact, util_trailers_key(last, i),
					  util_trailers_value(last, i));
	util_trailers_add_int(contact, "Line-Kbit", kbit);
	util_trailers_add_int(contact, "Line-Rtt-Ms", rtt_ms);
	write_contact(spec, contact);
}

void mirror_contact_read_line(const MirrorSpec *spec, gint64 *ret_kbit, gint64 *ret_rtt_ms)
{
	g_autoptr(UtilTrailers) last = read_last(spec);
	*ret_kbit = *ret_rtt_ms = 0;
	/* what is missing is not known */
	(void)util_trailers_need_int(last, "Line-Kbit", 1, CONF_RATE_MAX, ret_kbit, NULL);
	(void)util_trailers_need_int(last, "Line-Rtt-Ms", 0, 3600000, ret_rtt_ms, NULL);
}
