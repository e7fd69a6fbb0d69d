/* SPDX-License-Identifier: ISC */
/* Raw deflate streams by zlib, and what this zlib makes of a sample. */
#include "delta/deflate-private.h"

#define STEP_MAX ((gsize)1024 * 1024 * 1024) /* zlib counts in 32 bits */
#define SAMPLE_BYTES ((guint)96 * 1024)
#define SAMPLE_NOISE ((guint)16 * 1024) /* of these, at the end */
#define COPY_MAX 300
#define DISTANCE_MAX 40000

struct DeltaDeflate {
	z_stream zlib;
	gboolean inflates;
	gboolean ended;
};

/* The stream, or NULL with error set from ret. */
static DeltaDeflate *started(DeltaDeflate *stream, int ret, GError **error)
{
	if (ret == Z_OK)
		return stream;
	if (ret == Z_MEM_ERROR)
		util_error_set(error, TS_ERROR_FAILED, "not enough memory for zlib");
	else
		util_error_set(error, TS_ERROR_FAILED, "zlib did not start (%d)", ret);
	g_free(stream);
	return NULL;
}

DeltaDeflate *delta_inflate_new(void)
{
	DeltaDeflate *stream = g_new0(DeltaDeflate, 1);
	stream->inflates = TRUE;
	DeltaDeflate *made = started(stream, inflateInit2(&stream->zlib, -MAX_WBITS), NULL);
	/* it can fail for want of memory only, and there g_new ends the program, too */
	g_assert(made);
	return made;
}

DeltaDeflate *delta_deflate_new(DeltaZlib way, GError **error)
{
	if (way == 0 || way > DELTA_ZLIB_WAYS) {
		util_error_set(error, TS_ERROR_UNSUPPORTED,
			       "deflate streams of kind %u are not known here", (guint)way);
		return NULL;
	}
	DeltaDeflate *stream = g_new0(DeltaDeflate, 1);
	int level = (way - 1) % DELTA_ZLIB_LEVELS + 1;
	int memory = (way - 1) / DELTA_ZLIB_LEVELS + 1;
	int ret =
	    deflateInit2(&stream->zlib, level, Z_DEFLATED, -MAX_WBITS, memory, Z_DEFAULT_STRATEGY);
	return started(stream, ret, error);
}

void delta_deflate_reset(DeltaDeflate *stream)
{
	/* fails for streams that were never made only */
	int ret = stream->inflates ? inflateReset(&stream->zlib) : deflateReset(&stream->zlib);
	g_assert(ret == Z_OK);
	stream->ended = FALSE;
}

void delta_deflate_free(DeltaDeflate *stream)
{
	if (!stream)
		return;
	if (stream->inflates)
		(void)inflateEnd(&stream->zlib);
	else
		(void)deflateEnd(
		    &stream->zlib); /* would complain of a stream left before its end */
	g_free(stream);
}

/* What a call of zlib came to; the buffers are moved on already. */
static gboolean judge(DeltaDeflate *stream, int ret, const DeltaBuffers *buffers, DeltaRun run,
		      gboolean *ret_done, GError **error)
{
	gboolean starved = buffers->in_len == 0 && buffers->out_len > 0;
	if (ret == Z_STREAM_END) {
		stream->ended = TRUE;
		*ret_done = TRUE;
		return TRUE;
	}
	if (ret == Z_MEM_ERROR)
		return util_error_set(error, TS_ERROR_FAILED, "not enough memory for zlib");
	if (ret != Z_OK && ret != Z_BUF_ERROR)
		return stream->inflates
			   ? util_error_set(error, TS_ERROR_CORRUPT,
					    "the deflate stream is damaged")
			   : util_error_set(error, TS_ERROR_FAILED, "the encoder failed (%d)", ret);
	if (stream->inflates && starved && run == DELTA_LAST)
		return util_error_set(error, TS_ERROR_CORRUPT, "the deflate stream ends too early");
	*ret_done = !stream->inflates && starved && run == DELTA_FLUSH;
	return TRUE;
}

gboolean delta_deflate_step(DeltaDeflate *stream, DeltaBuffers *buffers, DeltaRun run,
			    gboolean *ret_done, GError **error)
{
	z_stream *zlib = &stream->zlib;
	gsize in_len = MIN(buffers->in_len, STEP_MAX);
	gsize out_len = MIN(buffers->out_len, STEP_MAX);
	int flush = Z_NO_FLUSH;
	*ret_done = stream->ended;
	if (stream->ended && buffers->in_len > 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "there are bytes after the end of the deflate stream");
	if (stream->ended)
		return TRUE;
	if (run != DELTA_MORE && in_len == buffers->in_len)
		flush = run == DELTA_LAST ? Z_FINISH : Z_SYNC_FLUSH;
	zlib->next_in = buffers->in;
	zlib->avail_in = (uInt)in_len;
	zlib->next_out = buffers->out;
	zlib->avail_out = (uInt)out_len;
	int ret = stream->inflates ? inflate(zlib, Z_NO_FLUSH) : deflate(zlib, flush);
	buffers->in = zlib->next_in;
	buffers->in_len -= in_len - zlib->avail_in;
	buffers->out = zlib->next_out;
	buffers->out_len -= out_len - zlib->avail_out;
	return judge(stream, ret, buffers, run, ret_done, error);
}

/* ---- what this zlib makes of a sample ---- */

/* xorshift of G. Marsaglia (2003). */
static guint32 next_random(guint32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Copies from near and far, letters, and noise: what matchers and block splitters differ in. */
static void make_sample(guint8 *sample)
{
	guint32 state = 1;
	guint len = 0;
	while (len < SAMPLE_BYTES - SAMPLE_NOISE) {
		guint32 dice = next_random(&state);
		gboolean copies = len > 0 && dice % 4 > 0;
		guint reach = MIN(len, dice % 8 < 4 ? 64 : DISTANCE_MAX);
		guint distance = copies ? 1 + next_random(&state) % reach : 0;
		guint run = 3 + next_random(&state) % (dice % 16 == 1 ? COPY_MAX : 8);
		for (run = MIN(run, SAMPLE_BYTES - SAMPLE_NOISE - len); run > 0; run--, len++)
			sample[len] = copies ? sample[len - distance]
					     : (guint8)('a' + next_random(&state) % 26);
	}
	for (; len < SAMPLE_BYTES; len++)
		sample[len] = (guint8)(next_random(&state) >> 24);
}

static void add_way(UtilSha256 *sha, DeltaZlib way, const guint8 *sample)
{
	guint8 chunk[8 * 1024];
	/* small memories fill their blocks soon */
	gsize len = way < delta_zlib_way(1, 8) ? SAMPLE_BYTES / 4 : SAMPLE_BYTES;
	DeltaBuffers buffers = {.in = sample, .in_len = len};
	gboolean done = FALSE;
	g_autoptr(DeltaDeflate) stream = delta_deflate_new(way, NULL);
	while (stream && !done) {
		buffers.out = chunk;
		buffers.out_len = sizeof chunk;
		if (!delta_deflate_step(stream, &buffers, DELTA_LAST, &done, NULL))
			break;
		util_sha256_update(sha, chunk, sizeof chunk - buffers.out_len);
	}
	/* a way that does not work here is as good as other bytes */
	util_sha256_update(sha, done ? "" : "x", 1);
}

guint32 delta_crc32(guint32 crc, const guint8 *data, gsize len)
{
	return (guint32)crc32_z(crc, data, len);
}

void delta_zlib_digest(guint8 ret_sha256[UTIL_SHA256_BYTES])
{
	g_autofree guint8 *sample = g_malloc(SAMPLE_BYTES);
	g_autoptr(UtilSha256) sha = util_sha256_new();
	make_sample(sample);
	for (guint way = 1; way <= DELTA_ZLIB_WAYS; way++)
		add_way(sha, (DeltaZlib)way, sample);
	util_sha256_finish(sha, ret_sha256);
}

const char *delta_zlib_version(void)
{
	return zlibVersion();
}
