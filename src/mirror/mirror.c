/* SPDX-License-Identifier: ISC */
#include "mirror/mirror-private.h"

/* Slower than this for a minute is no transfer: the next attempt resumes. */
#define MIN_RATE_BYTES_S 512

Repo *mirror_repo(const MirrorSpec *spec, GError **error)
{
	g_autofree char *path = g_build_filename(spec->root_path, "mirror.git", NULL);
	return repo_create(path, error);
}

static WireSession *connect_one(const Mirror *mirror, const char *url, GError **error)
{
	const ConfBase *conf = mirror->spec->conf;
	WirePeer peer = {.url = url,
			 .base_name = conf->node ? conf->node : conf->name,
			 .host_keys = (const char *const *)conf->host_keys,
			 .key_file = conf->key_file,
			 .serve_command = conf->serve_command,
			 .connect_timeout_s = conf->connect_timeout_s,
			 .progress_timeout_s = conf->progress_timeout_s,
			 .line_kbit = mirror->line_kbit,
			 .min_rate_bytes_s = MIN_RATE_BYTES_S};
	return wire_connect(&peer, error);
}

/* In the order of the list; all errors are told, AGAIN if any of them may pass. */
static gboolean connect_any(Mirror *mirror, GError **error)
{
	char **upstreams = mirror->spec->conf->upstreams;
	g_autoptr(GString) said = g_string_new(NULL);
	int code = TS_ERROR_USAGE;
	for (guint i = 0; upstreams[i]; i++) {
		g_autoptr(GError) local = NULL;
		mirror->session = connect_one(mirror, upstreams[i], &local);
		if (mirror->session) {
			g_free(mirror->upstream);
			mirror->upstream = g_strdup(upstreams[i]);
			mirror_line_limit(mirror);
			return TRUE;
		}
		g_string_append_printf(said, "%s%s", i > 0 ? "; " : "", local->message);
		if (code != TS_ERROR_AGAIN)
			code = local->code;
	}
	if (said->len == 0)
		g_string_append(said, "base.cfg names no upstream");
	return util_error_set(error, (TsErrorCode)code, "%s", said->str);
}

static void hang_up(Mirror *mirror)
{
	guint64 in = 0, out = 0;
	if (!mirror->session)
		return;
	wire_session_bytes(mirror->session, &in, &out);
	mirror->in += in;
	mirror->out += out;
	g_clear_pointer(&mirror->session, wire_disconnect);
	mirror->greeted = FALSE;
}

gboolean mirror_make_folders(const MirrorSpec *spec, GError **error)
{
	static const char *const folders[] = {"accepted", "partial", "pending", "reported", "lock"};
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
		if (!util_fs_mkdir(spec->root_dirfd, folders[i], 0755, error))
			return FALSE;
	return TRUE;
}

static gboolean open_all(Mirror *mirror, GError **error)
{
	if (!mirror_make_folders(mirror->spec, error))
		return FALSE;
	mirror->repo = mirror_repo(mirror->spec, error);
	return mirror->repo && connect_any(mirror, error);
}

Mirror *mirror_open(const MirrorSpec *spec, GError **error)
{
	g_autoptr(Mirror) mirror = g_new0(Mirror, 1);
	g_autoptr(GError) local = NULL;
	mirror->spec = spec;
	mirror_contact_read_line(spec, &mirror->line_kbit, &mirror->line_rtt_ms);
	if (open_all(mirror, &local))
		return g_steal_pointer(&mirror);
	MirrorContact contact = {.error = local};
	mirror_contact_write(spec, &contact);
	g_propagate_error(error, g_steal_pointer(&local));
	return NULL;
}

void mirror_close(Mirror *mirror)
{
	if (!mirror)
		return;
	hang_up(mirror);
	repo_free(mirror->repo);
	g_free(mirror->upstream);
	g_free(mirror->busy);
	g_free(mirror);
}

void mirror_bytes(const Mirror *mirror, guint64 *ret_in, guint64 *ret_out)
{
	guint64 in = 0, out = 0;
	if (mirror->session)
		wire_session_bytes(mirror->session, &in, &out);
	*ret_in = mirror->in + in;
	*ret_out = mirror->out + out;
}

WireCall *mirror_call(Mirror *mirror, const WireRequest *request, GError **error)
{
	g_autofree char *line = wire_request_format(request);
	if (mirror->session && !wire_session_usable(mirror->session))
		hang_up(mirror);
	if (!mirror->session && !connect_any(mirror, error))
		return NULL;
	return wire_call(mirror->session, line, error);
}

gboolean mirror_call_failed(WireCall *call, GError **error)
{
	g_autoptr(GError) said = NULL;
	UtilStream *stream = wire_call_stream(call);
	/* a refusal is often sent before all input was read */
	if (!wire_reply_read(stream, NULL, &said) && g_str_has_prefix(said->message, "central: ")) {
		g_clear_error(error);
		g_propagate_error(error, g_steal_pointer(&said));
	}
	wire_call_abort(call);
	return FALSE;
}

/* Ends a call whose reply was an error; the line stays usable if it can. */
gboolean mirror_read_reply(Mirror *mirror, WireCall *call, gint64 *ret_length, GError **error)
{
	g_autoptr(GError) local = NULL;
	mirror->being_made = FALSE;
	if (wire_reply_read(wire_call_stream(call), ret_length, &local))
		return TRUE;
	(void)wire_call_finish(call, NULL); /* the reply has said it */
	/* else it is of the line: what central says begins so */
	mirror->being_made = g_error_matches(local, TS_ERROR, TS_ERROR_AGAIN) &&
			     g_str_has_prefix(local->message, "central: ");
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

gboolean mirror_being_made(const Mirror *mirror)
{
	return mirror->being_made;
}

gboolean mirror_want(Mirror *mirror, const char *old_root, const char *root, GError **error)
{
	WireRequest request = {.verb = WIRE_WANT};
	g_strlcpy(request.old_root, old_root, sizeof request.old_root);
	g_strlcpy(request.hash, root, sizeof request.hash);
	mirror->being_made = FALSE;
	WireCall *call = mirror_call(mirror, &request, error);
	return call && mirror_read_reply(mirror, call, NULL, error) &&
	       wire_call_finish(call, error);
}
