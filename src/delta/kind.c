/* SPDX-License-Identifier: ISC */
/* What kind of bytes: text, binary, or packed already. */
#include "delta/delta-private.h"

#define SAMPLE_MIN 1024

/* LZMA's one byte for lc, lp, pb. */
#define PROPS(lc, lp, pb) ((guint8)(((pb)*5 + (lp)) * 9 + (lc)))

guint8 delta_kind_props(DeltaKind kind)
{
	switch (kind) {
	case DELTA_TEXT: /* no alignment; measured on scripts, maps, styles */
		return PROPS(2, 0, 0);
	case DELTA_BINARY:
		return PROPS(3, 0, 2);
	case DELTA_PACKED: /* literals are noise */
	case DELTA_EDITED: /* numbers, not text */
		return PROPS(0, 0, 0);
	}
	g_assert_not_reached();
}

guint8 delta_kind_codec(DeltaKind kind)
{
	return kind == DELTA_EDITED ? DELTA_CODEC_PATCH : DELTA_CODEC_LZMA2;
}

static gboolean has_packed_magic(const guint8 *data, gsize len)
{
	static const struct {
		const char *bytes;
		gsize len;
	} magics[] = {{"PK\3\4", 4},
		      {"\x1f\x8b\x08", 3},
		      {"\x89PNG", 4},
		      {"\xff\xd8\xff", 3},
		      {"wOFF", 4},
		      {"wOF2", 4},
		      {"GIF8", 4},
		      {"\xfd"
		       "7zXZ",
		       5},
		      {"BZh", 3},
		      {"\x28\xb5\x2f\xfd", 4},
		      {"7z\xbc\xaf", 4},
		      {"\x1a\x45\xdf\xa3", 4}};
	for (guint i = 0; i < G_N_ELEMENTS(magics); i++)
		if (len >= magics[i].len && memcmp(data, magics[i].bytes, magics[i].len) == 0)
			return TRUE;
	return len >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0;
}

/* Sum of squared byte counts: random bytes come near len * len / 256 + len. */
static gboolean looks_random(const guint counts[256], gsize len)
{
	guint64 squares = 0;
	for (guint i = 0; i < 256; i++)
		squares += (guint64)counts[i] * counts[i];
	return len >= SAMPLE_MIN && squares * 256 < (guint64)len * len * 5 / 4 + (guint64)len * 320;
}

DeltaKind delta_kind(const char *path, const guint8 *data, gsize len)
{
	(void)path; /* today the bytes alone tell; the name is for later kinds */
	guint counts[256] = {0};
	gsize control = 0;
	if (has_packed_magic(data, len))
		return DELTA_PACKED;
	for (gsize i = 0; i < len; i++)
		counts[data[i]]++;
	if (looks_random(counts, len))
		return DELTA_PACKED;
	for (guint i = 0; i < 0x20; i++)
		if (i != '\n' && i != '\r' && i != '\t' && i != '\f' && i != 0x1b)
			control += counts[i];
	return control * 200 > len ? DELTA_BINARY : DELTA_TEXT;
}
