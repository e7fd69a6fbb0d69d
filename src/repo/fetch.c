/* SPDX-License-Identifier: ISC */
/*
 * Fetch over a stream on which git-upload-pack talks. libgit2 does the protocol and the pack; the
 * refs are set here, by the same compare and swap as all others: no tags that were not
 * asked for, no FETCH_HEAD, no reflog. The pack is synced before a ref names it.
 */
#include <string.h>

#include "repo/repo-private.h"

#define FETCH_URL "tagship://upstream/ledger"
#define FETCH_SERVICE "git-upload-pack"
/* What may come beside the pack: the list of refs, and progress text. */
#define FETCH_TALK_BYTES ((guint64)16 * 1024 * 1024)
#define NO_PROGRESS " no-progress"
#define WANT_BYTES 50 /* "0032want OID\n" */
/* No entry of a pack is smaller. */
#define PACK_ENTRY_BYTES 8

typedef struct Fetch Fetch;

typedef struct {
	git_smart_subtransport parent; /* first: libgit2 hands it back */
	Fetch *fetch;
} FetchTransport;

typedef struct {
	git_smart_subtransport_stream parent; /* first: libgit2 hands it back */
	Fetch *fetch;
} FetchStream;

struct Fetch {
	const RepoFetchSpec *spec;
	git_smart_subtransport_definition definition;
	FetchStream stream;
	UtilStream *line; /* NULL: not connected */
	guint64 received;
	gboolean asked, ended;
	GError *error; /* the first one of a callback */
};

/* Keeps the callback's error and gives libgit2 something to say. */
static int callback_failed(Fetch *fetch, GError *local)
{
	(void)git_error_set_str(GIT_ERROR_NET, local->message); /* only for libgit2's own words */
	if (fetch->error)
		g_error_free(local);
	else
		fetch->error = local;
	return GIT_EUSER;
}

static int line_read(git_smart_subtransport_stream *stream, char *buffer, size_t size,
		     size_t *bytes_read)
{
	Fetch *fetch = ((FetchStream *)stream)->fetch;
	GError *local = NULL;
	gssize got = fetch->line->read(fetch->line, buffer, size, &local);

	if (got < 0)
		return callback_failed(fetch, local);
	fetch->ended = got == 0;
	fetch->received += (guint64)got;
	if (fetch->received > fetch->spec->max_pack_bytes + FETCH_TALK_BYTES) {
		(void)util_error_set(&local, TS_ERROR_REFUSED,
				     "the other side sends more than the %" G_GUINT64_FORMAT
				     " bytes allowed",
				     fetch->spec->max_pack_bytes);
		return callback_failed(fetch, local);
	}
	*bytes_read = (size_t)got;
	return 0;
}

/* libgit2 1.5 cannot ask for no progress text, which comes in dozens of small packets: the
 * capability goes into its first line ("0054want OID CAPABILITIES\n"). NULL: it is no such line. */
static char *without_progress(const char *buffer, size_t len, size_t *ret_len)
{
	char digits[5] = "";
	if (len < WANT_BYTES || memcmp(buffer + 4, "want ", 5) != 0)
		return NULL;
	memcpy(digits, buffer, 4);
	guint64 line = g_ascii_strtoull(digits, NULL, 16);
	if (line < WANT_BYTES || line > len || buffer[line - 1] != '\n')
		return NULL;
	g_autoptr(GString) text = g_string_new(NULL);
	g_string_append_printf(text, "%04x", (guint)(line + strlen(NO_PROGRESS)));
	g_string_append_len(text, buffer + 4, (gssize)line - 5);
	g_string_append(text, NO_PROGRESS);
	g_string_append_len(text, buffer + line - 1, (gssize)(len - line + 1));
	*ret_len = text->len;
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static int line_write(git_smart_subtransport_stream *stream, const char *buffer, size_t len)
{
	Fetch *fetch = ((FetchStream *)stream)->fetch;
	GError *local = NULL;
	size_t quiet_len = 0;
	g_autofree char *quiet = fetch->asked ? NULL : without_progress(buffer, len, &quiet_len);

	fetch->asked = TRUE;
	if (!fetch->line->write(fetch->line, quiet ? quiet : buffer, quiet ? quiet_len : len,
				&local))
		return callback_failed(fetch, local);
	return 0;
}

static void line_free(git_smart_subtransport_stream *stream)
{
	Fetch *fetch = ((FetchStream *)stream)->fetch;

	g_clear_pointer(&fetch->line, util_stream_free);
}

static int transport_action(git_smart_subtransport_stream **out, git_smart_subtransport *transport,
			    const char *url, git_smart_service_t action)
{
	Fetch *fetch = ((FetchTransport *)transport)->fetch;
	GError *local = NULL;

	(void)url; /* there is one line only */
	if (action != GIT_SERVICE_UPLOADPACK_LS && action != GIT_SERVICE_UPLOADPACK) {
		(void)git_error_set_str(GIT_ERROR_NET, "this line is for fetching only");
		return GIT_ERROR;
	}
	if (!fetch->line)
		fetch->line = fetch->spec->connect(FETCH_SERVICE, fetch->spec->user_data, &local);
	if (!fetch->line)
		return callback_failed(fetch, local);
	*out = &fetch->stream.parent;
	return 0;
}

static int transport_close(git_smart_subtransport *transport)
{
	(void)transport; /* the line ends with its stream */
	return 0;
}

static void transport_free(git_smart_subtransport *transport)
{
	g_free(transport);
}

static int subtransport_new(git_smart_subtransport **out, git_transport *owner, void *param)
{
	FetchTransport *transport = g_new0(FetchTransport, 1);

	(void)owner; /* needs no certificate or credentials */
	transport->parent.action = transport_action;
	transport->parent.close = transport_close;
	transport->parent.free = transport_free;
	transport->fetch = param;
	*out = &transport->parent;
	return 0;
}

static int transport_new(git_transport **out, git_remote *owner, void *payload)
{
	Fetch *fetch = payload;

	return git_transport_smart(out, owner, &fetch->definition);
}

static int on_progress(const git_indexer_progress *stats, void *payload)
{
	Fetch *fetch = payload;
	GError *local = NULL;

	util_progress(fetch->spec->progress, "fetching", stats->received_objects,
		      stats->total_objects);
	if (stats->received_bytes <= fetch->spec->max_pack_bytes)
		return 0;
	(void)util_error_set(&local, TS_ERROR_REFUSED,
			     "the pack is larger than the %" G_GUINT64_FORMAT " bytes allowed",
			     fetch->spec->max_pack_bytes);
	return callback_failed(fetch, local);
}

static gboolean fetch_failed(const Fetch *fetch, int code, GError **error)
{
	if (fetch->error) {
		git_error_clear();
		g_propagate_prefixed_error(error, g_error_copy(fetch->error), "cannot fetch: ");
		return FALSE;
	}
	if (fetch->ended) {
		git_error_clear();
		return util_error_set(error, TS_ERROR_AGAIN,
				      "cannot fetch: the other side closed the line early");
	}
	return repo_error(error, code, "cannot fetch");
}

static gboolean ref_take(Repo *repo, const git_refspec *refspec, const git_remote_head *head,
			 GError **error)
{
	g_auto(git_buf) name = GIT_BUF_INIT;
	g_autoptr(GError) local = NULL;
	char old[REPO_OID] = "", new[REPO_OID];
	gboolean forward = TRUE;
	int valid = 0;
	int code = git_refspec_transform(&name, refspec, head->name);

	if (code == 0)
		code = git_reference_name_is_valid(&valid, name.ptr);
	if (code < 0 || !valid)
		return util_error_set(error, TS_ERROR_CORRUPT, "the other side has a bad ref name");
	repo_oid_text(&head->oid, new);
	if (!repo_ref_get(repo, name.ptr, old, &local)) {
		if (!g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND)) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		return repo_ref_set(repo, name.ptr, new, REPO_ZERO, error);
	}
	if (g_str_equal(old, new))
		return TRUE;
	if (!git_refspec_force(refspec) && !repo_is_ancestor(repo, old, new, &forward, error))
		return FALSE;
	if (!forward)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "%s would not go forward, from %s to %s", name.ptr, old, new);
	return repo_ref_set(repo, name.ptr, new, old, error);
}

static gboolean refs_take(Repo *repo, git_remote *remote, const git_refspec *refspec,
			  GError **error)
{
	const git_remote_head **heads = NULL;
	size_t n = 0;
	int code = git_remote_ls(&heads, &n, remote);

	if (code < 0)
		return repo_error(error, code, "cannot fetch: no list of refs");
	for (size_t i = 0; i < n; i++) {
		if (strstr(heads[i]->name, "^{}") ||
		    !git_refspec_src_matches(refspec, heads[i]->name))
			continue;
		if (!ref_take(repo, refspec, heads[i], error)) {
			g_prefix_error(error, "cannot take %s: ", heads[i]->name);
			return FALSE;
		}
	}
	return TRUE;
}

/* Declared sizes are capped before libgit2 allocates; the limits hold for the process. */
static int download(git_remote *remote, const git_strarray *refspecs,
		    const git_fetch_options *options, guint64 max_bytes)
{
	size_t max_objects = 0, max_size = 0;
	int code;

	(void)git_libgit2_opts(GIT_OPT_GET_PACK_MAX_OBJECTS, &max_objects);
	(void)git_libgit2_opts(GIT_OPT_GET_PACK_MAX_OBJECT_SIZE, &max_size);
	(void)git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS,
			       (size_t)(max_bytes / PACK_ENTRY_BYTES + 1));
	(void)git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECT_SIZE, (size_t)max_bytes);
	code = git_remote_download(remote, refspecs, options);
	(void)git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, max_objects);
	(void)git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECT_SIZE, max_size);
	return code;
}

static gboolean fetch_run(Repo *repo, Fetch *fetch, const git_refspec *refspec, GError **error)
{
	git_remote_create_options create;
	git_fetch_options options;
	g_autoptr(git_remote) remote = NULL;
	g_autofree char *text = g_strdup(fetch->spec->refspec);
	git_strarray refspecs = {&text, 1};
	int code;

	/* these two fail only for another version of libgit2 than we were built with */
	(void)git_remote_create_options_init(&create, GIT_REMOTE_CREATE_OPTIONS_VERSION);
	(void)git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
	create.repository = repo->git;
	create.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;
	options.callbacks.transport = transport_new;
	options.callbacks.transfer_progress = on_progress;
	options.callbacks.payload = fetch;
	options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	options.update_fetchhead = 0;
	code = git_remote_create_with_opts(&remote, FETCH_URL, &create);
	if (code == 0)
		code = download(remote, &refspecs, &options, fetch->spec->max_pack_bytes);
	if (code < 0)
		return fetch_failed(fetch, code, error);
	/* says goodbye on the line; what came is complete already */
	(void)git_remote_disconnect(remote);
	return refs_take(repo, remote, refspec, error);
}

gboolean repo_fetch(Repo *repo, const RepoFetchSpec *spec, GError **error)
{
	g_autoptr(git_refspec) refspec = NULL;
	Fetch fetch = {.spec = spec};
	gboolean ok;

	if (git_refspec_parse(&refspec, spec->refspec, 1) < 0) {
		git_error_clear();
		return util_error_set(error, TS_ERROR_USAGE, "'%s' is no refspec", spec->refspec);
	}
	fetch.definition.callback = subtransport_new;
	fetch.definition.rpc = 0;
	fetch.definition.param = &fetch;
	fetch.stream.parent.read = line_read;
	fetch.stream.parent.write = line_write;
	fetch.stream.parent.free = line_free;
	fetch.stream.fetch = &fetch;
	ok = fetch_run(repo, &fetch, refspec, error);
	g_clear_pointer(&fetch.line, util_stream_free);
	g_clear_error(&fetch.error);
	return ok;
}
