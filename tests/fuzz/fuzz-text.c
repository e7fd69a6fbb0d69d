/* SPDX-License-Identifier: ISC */
/*
 * The small texts under all others: trailers, times, counts, names, hex, keys, and foreign text
 * made fit to be shown.
 */
#include "util/util.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void try_values(const UtilTrailers *trailers, const char *key)
{
	gint64 number = 0, fallback = 0, utc = 0;
	g_autoptr(GError) error = NULL;
	if (util_trailers_need_int(trailers, key, -5, 1000000, &number, &error))
		g_assert(number >= -5 && number <= 1000000);
	else
		g_assert(error != NULL);
	(void)util_trailers_opt_int(trailers, key, 0, 9, 3, &fallback, NULL); /* either */
	g_assert(fallback >= 0 && fallback <= 9);
	if (!util_trailers_need_time(trailers, key, &utc, NULL))
		return;
	g_autofree char *shown = util_time_format_utc(utc);
	g_assert_cmpstr(shown, ==, util_trailers_get(trailers, key));
}

static void try_trailers(const char *text, gsize len)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(UtilTrailers) trailers = util_trailers_parse(text, len, &error);
	g_assert((trailers != NULL) == (error == NULL));
	if (!trailers)
		return;
	g_autofree char *again = util_trailers_format(trailers);
	g_assert(strlen(again) == len && memcmp(again, text, len) == 0);
	for (guint i = 0; i < util_trailers_count(trailers); i++)
		try_values(trailers, util_trailers_key(trailers, i));
	try_values(trailers, "No-Such-Key");
}

static void try_shown(const char *text, gsize len)
{
	g_autofree char *shown = util_text_printable(text, (gssize)len);
	g_assert(g_utf8_validate(shown, -1, NULL));
	for (const char *p = shown; *p; p++)
		g_assert((guchar)*p >= ' ' && *p != 0x7f);
	const char *tail = util_text_tail(text, len, 3, 40);
	g_assert(tail >= text && tail <= text + len && text + len - tail <= 40);
}

static void try_words(const char *word)
{
	static const char *const known[] = {"haikou", "berlin", "Release-At", "zone", NULL};
	guint64 count = 0;
	gint64 utc = 0;
	guint8 bytes[UTIL_SHA256_BYTES];
	gsize len = strlen(word);
	if (util_text_parse_count(word, 5000, &count)) {
		g_autofree char *again = g_strdup_printf("%" G_GUINT64_FORMAT, count);
		g_assert(count <= 5000 && strcmp(again, word) == 0);
	}
	if (util_time_parse_utc(word, &utc, NULL)) {
		g_autofree char *again = util_time_format_utc(utc);
		g_assert_cmpstr(again, ==, word);
	}
	if (util_name_check("base", word, NULL))
		g_assert(len <= 64 && !strchr(word, '/') && word[0] != '.');
	if (util_version_check(word, NULL))
		g_assert(len <= 200 && !strstr(word, "..") && word[0] != '/');
	(void)util_text_nearest(word, known); /* any, or none */
	g_assert(!util_oid_hex_ok(word) || len == 40);
	g_assert(!util_sha256_hex_ok(word) ||
		 (len == 64 && util_hex_decode(word, UTIL_SHA256_BYTES, bytes)));
	if (util_sshsig_key_ok(word))
		g_assert(g_str_has_prefix(word, "ssh-ed25519 ") && !strpbrk(word, "\n\r\t"));
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	/* a copy of exactly this size, so that the sanitizer sees a read behind it */
	g_autofree char *copy = g_memdup2(data, size);
	g_autofree char *word = g_strndup((const char *)data, size);
	try_trailers(copy ? copy : "", size);
	try_shown(copy ? copy : "", size);
	try_words(word);
	return 0;
}
