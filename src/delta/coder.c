/* SPDX-License-Identifier: ISC */
/* Coders over liblzma: raw LZMA2 with a preset dictionary, and the .xz container. */
#include <lzma.h>

#include "delta/delta-private.h"

#define XZ_DICT_MAX ((guint64)64 * 1024 * 1024)
#define XZ_STATE_BYTES ((guint64)64 * 1024)

struct DeltaCoder {
	lzma_stream lzma;
	gboolean decodes;
	gboolean ended;
};

/* What a codec number means: one row per codec, and nobody else knows. */
typedef struct {
	guint8 id;
	guint64 (*encoder_memory)(const DeltaStream *stream);
	guint64 (*decoder_memory)(const DeltaStream *stream);
	lzma_ret (*start)(DeltaCoder *coder, const DeltaStream *stream, const guint8 *ref);
} Codec;

static gboolean lzma_error(lzma_ret ret, gboolean decodes, GError **error)
{
	switch (ret) {
	case LZMA_MEM_ERROR:
		return util_error_set(error, TS_ERROR_FAILED, "not enough memory for the coder");
	case LZMA_MEMLIMIT_ERROR:
		return util_error_set(error, TS_ERROR_REFUSED,
				      "the stream needs more memory than allowed here");
	case LZMA_FORMAT_ERROR:
		return util_error_set(error, TS_ERROR_CORRUPT, "it is not an .xz file");
	case LZMA_OK:
	case LZMA_STREAM_END:
	case LZMA_NO_CHECK:
	case LZMA_UNSUPPORTED_CHECK:
	case LZMA_GET_CHECK:
	case LZMA_OPTIONS_ERROR:
	case LZMA_DATA_ERROR:
	case LZMA_BUF_ERROR:
	case LZMA_PROG_ERROR:
	case LZMA_SEEK_NEEDED:
	case LZMA_RET_INTERNAL1:
	case LZMA_RET_INTERNAL2:
	case LZMA_RET_INTERNAL3:
	case LZMA_RET_INTERNAL4:
	case LZMA_RET_INTERNAL5:
	case LZMA_RET_INTERNAL6:
	case LZMA_RET_INTERNAL7:
	case LZMA_RET_INTERNAL8:
		break;
	}
	if (decodes)
		return util_error_set(error, TS_ERROR_CORRUPT, "the compressed data is damaged");
	return util_error_set(error, TS_ERROR_FAILED, "the encoder failed (%d)", (int)ret);
}

/* How hard an encoder tries; a decoder does not mind. */
static const struct {
	lzma_match_finder finder;
	guint32 nice_len, depth; /* depth 0: liblzma's own by nice_len */
	lzma_mode mode;
} efforts[DELTA_EFFORT_MAX + 1] = {
    {LZMA_MF_BT4, 273, 0, LZMA_MODE_NORMAL}, /* 0: the default */
    {LZMA_MF_HC4, 64, 8, LZMA_MODE_FAST},      {LZMA_MF_HC4, 128, 24, LZMA_MODE_FAST},
    {LZMA_MF_HC4, 273, 48, LZMA_MODE_FAST},    {LZMA_MF_BT4, 32, 16, LZMA_MODE_NORMAL},
    {LZMA_MF_BT4, 64, 24, LZMA_MODE_NORMAL},   {LZMA_MF_BT4, 128, 48, LZMA_MODE_NORMAL},
    {LZMA_MF_BT4, 273, 0, LZMA_MODE_NORMAL},   {LZMA_MF_BT4, 273, 256, LZMA_MODE_NORMAL},
    {LZMA_MF_BT4, 273, 512, LZMA_MODE_NORMAL},
};

static gboolean set_props(lzma_options_lzma *options, guint8 props)
{
	options->lc = props % 9;
	options->lp = props / 9 % 5;
	options->pb = props / 9 / 5;
	return options->pb <= LZMA_PB_MAX && options->lc + options->lp <= LZMA_LCLP_MAX;
}

/* FALSE for sizes and props that LZMA cannot do. */
static gboolean lzma2_options(const DeltaStream *stream, lzma_options_lzma *options)
{
	guint64 dict = MAX(stream->content_bytes + stream->ref_bytes, LZMA_DICT_SIZE_MIN);
	if (stream->content_bytes > G_MAXUINT32 || stream->ref_bytes > G_MAXUINT32 ||
	    dict > G_MAXUINT32 / 4 || stream->effort > DELTA_EFFORT_MAX ||
	    lzma_lzma_preset(options, 9) || !set_props(options, stream->props))
		return FALSE;
	options->mf = efforts[stream->effort].finder;
	options->nice_len = efforts[stream->effort].nice_len;
	options->depth = efforts[stream->effort].depth;
	options->mode = efforts[stream->effort].mode;
	options->dict_size = (guint32)dict;
	return TRUE;
}

static guint64 lzma2_encoder_memory(const DeltaStream *stream)
{
	lzma_options_lzma options;
	if (!lzma2_options(stream, &options))
		return G_MAXUINT64;
	lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
	guint64 memory = lzma_raw_encoder_memusage(filters);
	/* the reference lives until the coder has taken it, the output grows after that */
	return memory == G_MAXUINT64
		   ? memory
		   : memory +
			 MAX(stream->ref_bytes, stream->content_bytes + stream->content_bytes / 8);
}

static guint64 lzma2_decoder_memory(const DeltaStream *stream)
{
	lzma_options_lzma options;
	if (!lzma2_options(stream, &options))
		return G_MAXUINT64;
	guint64 dict = options.dict_size;
	lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
	guint64 memory = lzma_raw_decoder_memusage(filters);
	/* at first the dictionary is filled up to the reference only, and both copies live */
	return memory == G_MAXUINT64 ? memory : memory - dict + MAX(dict, 2 * stream->ref_bytes);
}

static lzma_ret lzma2_start(DeltaCoder *coder, const DeltaStream *stream, const guint8 *ref)
{
	lzma_options_lzma options;
	if (!lzma2_options(stream, &options))
		return LZMA_DATA_ERROR;
	options.preset_dict = stream->ref_bytes > 0 ? ref : NULL;
	options.preset_dict_size = (guint32)stream->ref_bytes;
	lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
	return coder->decodes ? lzma_raw_decoder(&coder->lzma, filters)
			      : lzma_raw_encoder(&coder->lzma, filters);
}

guint64 delta_patch_text_max(guint64 content_bytes)
{
	return content_bytes / 2 + 1024;
}

DeltaStream delta_patch_stream(const DeltaStream *stream, guint64 text_bytes)
{
	return (DeltaStream){DELTA_CODEC_LZMA2, stream->props, text_bytes, 0, DELTA_EFFORT_MAX};
}

static guint64 with_text(const DeltaStream *stream, guint64 (*memory)(const DeltaStream *stream),
			 guint64 bytes)
{
	guint64 most = delta_patch_text_max(stream->content_bytes);
	DeltaStream text = delta_patch_stream(stream, most);
	guint64 coder = memory(&text);
	return coder == G_MAXUINT64 ? coder : coder + bytes + most;
}

/* Old and new files, and what finds their matches. */
static guint64 patch_encoder_memory(const DeltaStream *stream)
{
	/* the text grows by doubling */
	return with_text(stream, lzma2_encoder_memory,
			 stream->content_bytes + 5 * stream->ref_bytes +
			     delta_patch_text_max(stream->content_bytes));
}

static guint64 patch_decoder_memory(const DeltaStream *stream)
{
	return with_text(stream, lzma2_decoder_memory, stream->ref_bytes);
}

static lzma_ret patch_start(DeltaCoder *coder, const DeltaStream *stream, const guint8 *ref)
{
	(void)coder, (void)stream, (void)ref; /* its text is a stream of its own */
	return LZMA_OPTIONS_ERROR;
}

static const Codec codecs[] = {
    {DELTA_CODEC_LZMA2, lzma2_encoder_memory, lzma2_decoder_memory, lzma2_start},
    {DELTA_CODEC_PATCH, patch_encoder_memory, patch_decoder_memory, patch_start},
};

static const Codec *find_codec(guint8 id)
{
	for (guint i = 0; i < G_N_ELEMENTS(codecs); i++)
		if (codecs[i].id == id)
			return &codecs[i];
	return NULL;
}

gboolean delta_codec_known(guint8 id)
{
	return find_codec(id) != NULL;
}

DeltaStream delta_segment_stream(const DeltaSegment *segment)
{
	return (DeltaStream){segment->codec, segment->props, segment->bytes, segment->ref_bytes, 0};
}

guint64 delta_encoder_memory(const DeltaStream *stream)
{
	const Codec *codec = find_codec(stream->codec);
	return codec ? codec->encoder_memory(stream) : G_MAXUINT64;
}

guint64 delta_decoder_memory(const DeltaStream *stream)
{
	const Codec *codec = find_codec(stream->codec);
	return codec ? codec->decoder_memory(stream) : G_MAXUINT64;
}

static DeltaCoder *coder_new(gboolean decodes)
{
	DeltaCoder *coder = g_new0(DeltaCoder, 1);
	coder->lzma = (lzma_stream)LZMA_STREAM_INIT;
	coder->decodes = decodes;
	return coder;
}

/* The coder, or NULL with error set from ret. */
static DeltaCoder *coder_started(DeltaCoder *coder, lzma_ret ret, GError **error)
{
	if (ret == LZMA_OK)
		return coder;
	lzma_error(ret, coder->decodes, error);
	delta_coder_free(coder);
	return NULL;
}

static DeltaCoder *stream_coder(const DeltaStream *stream, const guint8 *ref, gboolean decodes,
				GError **error)
{
	const Codec *codec = find_codec(stream->codec);
	if (!codec) {
		util_error_set(error, TS_ERROR_UNSUPPORTED, "codec %u is not known here",
			       (guint)stream->codec);
		return NULL;
	}
	DeltaCoder *coder = coder_new(decodes);
	return coder_started(coder, codec->start(coder, stream, ref), error);
}

DeltaCoder *delta_encoder_new(const DeltaStream *stream, const guint8 *ref, GError **error)
{
	return stream_coder(stream, ref, FALSE, error);
}

DeltaCoder *delta_decoder_new(const DeltaStream *stream, const guint8 *ref, GError **error)
{
	return stream_coder(stream, ref, TRUE, error);
}

void delta_coder_free(DeltaCoder *coder)
{
	if (!coder)
		return;
	lzma_end(&coder->lzma);
	g_free(coder);
}

gboolean delta_coder_step(DeltaCoder *coder, DeltaBuffers *buffers, DeltaRun run,
			  gboolean *ret_done, GError **error)
{
	lzma_action action = LZMA_RUN;
	*ret_done = coder->ended;
	if (coder->ended && buffers->in_len > 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "there are bytes after the end of the compressed data");
	if (coder->ended)
		return TRUE;
	if (run == DELTA_LAST)
		action = LZMA_FINISH;
	else if (run == DELTA_FLUSH && !coder->decodes)
		action = LZMA_SYNC_FLUSH;
	coder->lzma.next_in = buffers->in;
	coder->lzma.avail_in = buffers->in_len;
	coder->lzma.next_out = buffers->out;
	coder->lzma.avail_out = buffers->out_len;
	lzma_ret ret = lzma_code(&coder->lzma, action);
	buffers->in = coder->lzma.next_in;
	buffers->in_len = coder->lzma.avail_in;
	buffers->out = coder->lzma.next_out;
	buffers->out_len = coder->lzma.avail_out;
	if (ret == LZMA_STREAM_END) {
		coder->ended = action != LZMA_SYNC_FLUSH;
		*ret_done = TRUE;
		return TRUE;
	}
	if (ret == LZMA_OK || (ret == LZMA_BUF_ERROR && buffers->out_len == 0))
		return TRUE;
	if (ret == LZMA_BUF_ERROR && run == DELTA_MORE)
		return TRUE;
	if (ret == LZMA_BUF_ERROR)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "the compressed data ends too early");
	return lzma_error(ret, coder->decodes, error);
}

gboolean delta_coder_all(DeltaCoder *coder, const guint8 *data, gsize len, GByteArray *out,
			 gsize max_bytes, GError **error)
{
	guint8 chunk[16 * 1024];
	DeltaBuffers buffers = {.in = data, .in_len = len};
	gboolean done = FALSE;
	while (!done) {
		buffers.out = chunk;
		buffers.out_len = sizeof chunk;
		if (!delta_coder_step(coder, &buffers, DELTA_LAST, &done, error))
			return FALSE;
		gsize made = sizeof chunk - buffers.out_len;
		if (made > max_bytes - out->len)
			return util_error_set(error, TS_ERROR_CORRUPT,
					      "it is larger than %" G_GSIZE_FORMAT " bytes",
					      max_bytes);
		g_byte_array_append(out, chunk, (guint)made);
	}
	if (buffers.in_len > 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "there are bytes after the end of the compressed data");
	return TRUE;
}

guint64 delta_coder_memory(const DeltaCoder *coder)
{
	return lzma_memusage(&coder->lzma);
}

/* The extreme preset gains one part in a thousand here, and takes ten times as long for trees of
 * many small files, whose tar headers are all alike. */
static gboolean xz_options(guint64 dict_bytes, guint8 props, lzma_options_lzma *options)
{
	if (lzma_lzma_preset(options, 9) || !set_props(options, props))
		return FALSE;
	options->dict_size = (guint32)CLAMP(dict_bytes, LZMA_DICT_SIZE_MIN, XZ_DICT_MAX);
	return TRUE;
}

DeltaCoder *delta_xz_encoder_new(guint64 dict_bytes, guint8 props, GError **error)
{
	lzma_options_lzma options;
	DeltaCoder *coder = coder_new(FALSE);
	if (!xz_options(dict_bytes, props, &options))
		return coder_started(coder, LZMA_PROG_ERROR, error);
	lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
	return coder_started(coder, lzma_stream_encoder(&coder->lzma, filters, LZMA_CHECK_CRC32),
			     error);
}

DeltaCoder *delta_xz_decoder_new(guint64 memory_bytes, GError **error)
{
	DeltaCoder *coder = coder_new(TRUE);
	guint32 flags = LZMA_TELL_UNSUPPORTED_CHECK | LZMA_TELL_NO_CHECK;
	return coder_started(coder, lzma_stream_decoder(&coder->lzma, MAX(memory_bytes, 1), flags),
			     error);
}

guint64 delta_xz_decoder_memory(guint64 dict_bytes)
{
	lzma_options_lzma options;
	if (!xz_options(dict_bytes, 0, &options))
		return G_MAXUINT64;
	lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
	/* and the container's own state */
	return lzma_raw_decoder_memusage(filters) + XZ_STATE_BYTES;
}
