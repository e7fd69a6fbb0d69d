/* SPDX-License-Identifier: ISC */
#include "mirror/mirror-private.h"

#define DEFAULT_CODECS "plain delta"
#define MAX_PACK_BYTES (64 * 1024 * 1024)

gboolean mirror_free_bytes(int root_dirfd, const ConfBase *conf, guint64 *ret_bytes)
{
	if (!util_fs_free_bytes(root_dirfd, ret_bytes, NULL))
		return FALSE;
	for (guint i = 0; conf->apps && i < conf->apps->len; i++) {
		const ConfBaseApp *app = conf->apps->pdata[i];
		guint64 bytes = 0;
		util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, app->dir, NULL);
		if (dirfd >= 0 && util_fs_free_bytes(dirfd, &bytes, NULL))
			*ret_bytes = MIN(*ret_bytes, bytes);
	}
	return TRUE;
}

char *mirror_hello_text(const MirrorSpec *spec, const Mirror *mirror, const char *accepted)
{
	gint64 now_us = spec->clock->now_us(spec->clock);
	WireHello hello = {.software = (char[]){TAGSHIP_SOFTWARE},
			   .base = spec->conf->name,
			   .incarnation = spec->incarnation,
			   .formats = (char[]){WIRE_HELLO_FORMATS},
			   .memory_bytes = (guint64)spec->conf->memory_mb * 1024 * 1024,
			   .line_kbit = mirror ? mirror->line_kbit : 0,
			   .line_rtt_ms = mirror ? mirror->line_rtt_ms : 0,
			   .now_utc = now_us / G_USEC_PER_SEC,
			   .now_ms = now_us / 1000 % 1000};
	hello.offset_known = mirror_contact_read_offset(spec, &hello.offset_ms);
	(void)mirror_free_bytes(spec->root_dirfd, spec->conf,
				&hello.disk_free_bytes); /* else unsaid */
	g_autofree char *codecs = g_strdup(spec->codecs ? spec->codecs : DEFAULT_CODECS);
	g_auto(GStrv) live = g_strdupv((char **)(gsize)spec->live);
	g_auto(GStrv) held = g_strdupv((char **)(gsize)spec->held);
	g_auto(GStrv) reported = mirror_reported_commits(spec);
	g_autofree char *zlib = g_strdup(spec->zlib);
	g_autofree char *features = g_strdup(spec->features);
	hello.codecs = codecs;
	hello.zlib = zlib;
	hello.features = features;
	hello.reported = reported;
	hello.live = live;
	hello.held = held;
	g_strlcpy(hello.head, accepted[0] ? accepted : "-", sizeof hello.head);
	return wire_hello_format(&hello);
}

static WireHelloReply *read_reply(UtilStream *stream, GError **error)
{
	gint64 length = -1;
	if (!wire_reply_read(stream, &length, error))
		return NULL;
	if (length < 0 || length > WIRE_HELLO_MAX) {
		util_error_set(error, TS_ERROR_CORRUPT, "hello was answered without its length");
		return NULL;
	}
	g_autofree char *text = g_malloc((gsize)length);
	if (!util_stream_read_full(stream, text, (gsize)length, error))
		return NULL;
	return wire_hello_reply_parse(text, (gsize)length, error);
}

/* Our clock in the middle between sending and hearing, minus central's. */
static gint64 offset_ms(gint64 sent_us, gint64 heard_us, const WireHelloReply *reply)
{
	return (sent_us + (heard_us - sent_us) / 2) / 1000 -
	       (reply->now_utc * 1000 + reply->now_ms);
}

static WireHelloReply *say_hello(Mirror *mirror, const char *accepted, GError **error)
{
	WireRequest request = {.verb = WIRE_HELLO};
	g_autofree char *text = mirror_hello_text(mirror->spec, mirror, accepted);
	WireCall *call = mirror_call(mirror, &request, error);
	if (!call)
		return NULL;
	UtilClock *clock = mirror->spec->clock;
	gint64 sent_us = clock->now_us(clock);
	UtilStream *stream = wire_call_stream(call);
	if (!util_stream_puts(stream, text, error) || !stream->shut(stream, error)) {
		(void)mirror_call_failed(call, error); /* always FALSE */
		return NULL;
	}
	g_autoptr(WireHelloReply) reply = read_reply(stream, error);
	if (!reply) {
		(void)wire_call_finish(call, NULL); /* the reply has said it */
		return NULL;
	}
	mirror->offset_ms = offset_ms(sent_us, clock->now_us(clock), reply);
	return wire_call_finish(call, error) ? g_steal_pointer(&reply) : NULL;
}

typedef struct {
	Mirror *mirror;
	WireCall *call;
} Fetching;

static UtilStream *open_upload_pack(const char *service, gpointer user_data, GError **error)
{
	Fetching *fetching = user_data;
	WireRequest request = {.verb = WIRE_UPLOAD_PACK};
	g_assert(strcmp(service, "git-upload-pack") == 0 && !fetching->call);
	fetching->call = mirror_call(fetching->mirror, &request, error);
	return fetching->call ? wire_call_stream(fetching->call) : NULL;
}

static gboolean fetch_orders(Mirror *mirror, GError **error)
{
	Fetching fetching = {.mirror = mirror};
	RepoFetchSpec spec = {.connect = open_upload_pack,
			      .user_data = &fetching,
			      .refspec = "+" LEDGER_ORDERS ":" LEDGER_SEEN,
			      .max_pack_bytes = MAX_PACK_BYTES,
			      .progress = mirror->spec->progress};
	gboolean ok = repo_fetch(mirror->repo, &spec, error);
	if (!fetching.call)
		return ok;
	/* What was fetched is complete and will be verified; how git ended adds nothing. */
	if (ok)
		(void)wire_call_finish(fetching.call, NULL);
	else
		wire_call_abort(fetching.call);
	return ok;
}

/* TRUE if central's head is something this base has accepted long ago, or nothing at all while
 * this base has accepted something. */
static gboolean central_is_behind(Repo *repo, const char *head, const char *accepted,
				  gboolean *ret_behind, GError **error)
{
	*ret_behind = FALSE;
	if (accepted[0] == '\0' || strcmp(head, accepted) == 0)
		return TRUE;
	if (strcmp(head, "-") == 0) {
		*ret_behind = TRUE;
		return TRUE;
	}
	return !repo_object_exists(repo, head) ||
	       repo_is_ancestor(repo, head, accepted, ret_behind, error);
}

/* Brings refs/tagship/seen to central's head, if that is news. */
static gboolean see_head(Mirror *mirror, const WireHelloReply *reply, const char *accepted,
			 char ret_head[REPO_OID], gboolean *ret_behind, GError **error)
{
	ret_head[0] = '\0';
	if (!central_is_behind(mirror->repo, reply->head, accepted, ret_behind, error))
		return FALSE;
	if (*ret_behind || strcmp(reply->head, "-") == 0 || strcmp(reply->head, accepted) == 0)
		return TRUE;
	if (!mirror_ref(mirror->repo, LEDGER_SEEN, ret_head, error))
		return FALSE;
	/* fetched before, but not accepted: a lock was held, or it is not authentic */
	if (strcmp(ret_head, reply->head) == 0)
		return TRUE;
	return fetch_orders(mirror, error) &&
	       mirror_ref(mirror->repo, LEDGER_SEEN, ret_head, error);
}

/* TRUE in *ret_other if central's head does not continue what was accepted here: it was restored
 * from a backup and ordered something since. */
static gboolean went_another_way(Repo *repo, const char *head, const char *accepted,
				 gboolean *ret_other, GError **error)
{
	gboolean continues = TRUE;
	if (accepted[0] && head[0] && !repo_is_ancestor(repo, accepted, head, &continues, error))
		return FALSE;
	*ret_other = !continues;
	return TRUE;
}

/* *ret_behind: central lost a part of the ledger. A head that goes another way may do so for a
 * revocation of keys: then it is accepted. */
static gboolean judge_other_way(Mirror *mirror, MirrorAccepted *ret, const char *head,
				const char *accepted, gboolean *ret_behind, GError **error)
{
	gboolean other = FALSE;
	g_autoptr(GError) refused = NULL;
	if (!went_another_way(mirror->repo, head, accepted, &other, error))
		return FALSE;
	*ret_behind = other && !mirror_accept_head(mirror->spec, mirror->repo, head, ret, &refused);
	return TRUE;
}

/* Reports that central confirmed and lost since go there again. */
static gboolean look_at_reports(Mirror *mirror, const WireHelloReply *reply, GError **error)
{
	guint count = 0;
	if (reply->reports_lost && !mirror_reported_again(mirror->spec, &count, error))
		return FALSE;
	mirror->again += count;
	return mirror_reported_seen(mirror->spec, reply->reports_head, error);
}

static WireHelloReply *greet(Mirror *mirror, const char *accepted, GError **error)
{
	g_autoptr(WireHelloReply) reply = say_hello(mirror, accepted, error);
	if (!reply || !look_at_reports(mirror, reply, error))
		return NULL;
	mirror->greeted = TRUE;
	return g_steal_pointer(&reply);
}

gboolean mirror_greet(Mirror *mirror, GError **error)
{
	char accepted[REPO_OID] = "";
	if (mirror->greeted && wire_session_usable(mirror->session))
		return TRUE;
	if (!mirror_ref(mirror->repo, LEDGER_ACCEPTED, accepted, error))
		return FALSE;
	g_autoptr(WireHelloReply) reply = greet(mirror, accepted, error);
	return reply != NULL;
}

static gboolean update_by_hello(Mirror *mirror, MirrorAccepted *ret, WireHelloReply **ret_reply,
				GError **error)
{
	char accepted[REPO_OID] = "", head[REPO_OID] = "";
	gboolean behind = FALSE;
	if (!mirror_ref(mirror->repo, LEDGER_ACCEPTED, accepted, error))
		return FALSE;
	*ret_reply = greet(mirror, accepted, error);
	if (!*ret_reply || !mirror_watch_begin(mirror, (*ret_reply)->head, error) ||
	    !see_head(mirror, *ret_reply, accepted, head, &behind, error))
		return FALSE;
	if (!behind && !judge_other_way(mirror, ret, head, accepted, &behind, error))
		return FALSE;
	if (ret->moved)
		return TRUE;
	if (behind && !mirror_give(mirror, (*ret_reply)->head, accepted, error)) {
		g_prefix_error(error, "central lost a part of this base's ledger, and giving it "
				      "back failed: ");
		return FALSE;
	}
	/* what central now has on top comes with the next contact */
	if (!mirror_accept_head(mirror->spec, mirror->repo, behind ? "" : head, ret, error))
		return FALSE;
	ret->behind = ret->behind || behind;
	return TRUE;
}

/* Where the watch told the head, no hello is needed, as long as it continues what is accepted:
 * *ret_followed FALSE if it does not. */
static gboolean follow(Mirror *mirror, MirrorAccepted *ret, gboolean *ret_followed, GError **error)
{
	char accepted[REPO_OID] = "", head[REPO_OID] = "";
	gboolean other = FALSE;
	g_strlcpy(mirror->head, wire_watch_news(mirror->session), sizeof mirror->head);
	*ret_followed = FALSE;
	if (!mirror_ref(mirror->repo, LEDGER_ACCEPTED, accepted, error) ||
	    !fetch_orders(mirror, error) || !mirror_ref(mirror->repo, LEDGER_SEEN, head, error) ||
	    !went_another_way(mirror->repo, head, accepted, &other, error))
		return FALSE;
	*ret_followed = !other;
	return other || mirror_accept_head(mirror->spec, mirror->repo, head, ret, error);
}

static gboolean update(Mirror *mirror, MirrorAccepted *ret, WireHelloReply **ret_reply,
		       GError **error)
{
	gboolean followed = FALSE;
	if (mirror_has_news(mirror) && !follow(mirror, ret, &followed, error))
		return FALSE;
	if (followed && !ret->answer)
		return TRUE;
	gboolean moved = ret->moved;
	if (!update_by_hello(mirror, ret, ret_reply, error))
		return FALSE;
	ret->moved |= moved;
	return TRUE;
}

static void note_busy(Mirror *mirror, MirrorAccepted *accepted)
{
	g_free(mirror->busy);
	mirror->busy = g_steal_pointer(&accepted->busy);
}

gboolean mirror_update(Mirror *mirror, gboolean *ret_moved, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(WireHelloReply) reply = NULL;
	g_auto(MirrorAccepted) accepted = {0};
	gboolean ok = update(mirror, &accepted, &reply, &local);
	MirrorContact contact = {.upstream = mirror->upstream,
				 .reply = reply,
				 .offset_ms = mirror->offset_ms,
				 .written_utc = accepted.written_utc,
				 .behind = accepted.behind,
				 .error = local};
	mirror_contact_write(mirror->spec, &contact);
	note_busy(mirror, &accepted);
	if (ok)
		*ret_moved = accepted.moved;
	else
		g_propagate_error(error, g_steal_pointer(&local));
	return ok;
}

guint mirror_reports_again(Mirror *mirror)
{
	guint again = mirror->again;
	mirror->again = 0;
	return again;
}

const char *mirror_busy(const Mirror *mirror)
{
	return mirror->busy;
}

gboolean mirror_take_in(Mirror *mirror, GError **error)
{
	g_auto(MirrorAccepted) accepted = {0};
	gboolean ok = mirror_accept_head(mirror->spec, mirror->repo, "", &accepted, error) &&
		      mirror_busy_error(&accepted, error);
	note_busy(mirror, &accepted);
	return ok;
}
