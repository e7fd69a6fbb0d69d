/* SPDX-License-Identifier: ISC */
/* The open mirror, and what its files share. */
#pragma once

#include "mirror/mirror.h"

struct Mirror {
	const MirrorSpec *spec;
	Repo *repo;
	WireSession *session;          /* NULL: not connected */
	char *upstream;                /* of the session */
	guint64 in, out;               /* of earlier sessions */
	char head[41];                 /* central's, as last heard; "" before */
	gboolean no_watch;             /* central knows none */
	gboolean being_made;           /* see mirror_being_made */
	gint64 limit_kbit;             /* in force; 0: none */
	gint64 line_kbit, line_rtt_ms; /* what it gave lately; 0: not known */
	gint64 offset_ms;              /* of our clock, as measured by the last hello */
	char *busy;                    /* see mirror_busy */
	guint again;                   /* see mirror_reports_again */
	gboolean greeted;              /* hello was said on this connection */
};

/* Opens ROOT/mirror.git, made if it is not there. */
Repo *mirror_repo(const MirrorSpec *spec, GError **error);

/* A call on a usable session; connects anew where the last one was lost. */
WireCall *mirror_call(Mirror *mirror, const WireRequest *request, GError **error);
/* For a call whose input could not be written: central's own words if it sent any, else what
 * *error says already. Always ends the call and gives FALSE. */
gboolean mirror_call_failed(WireCall *call, GError **error);

/* The reply to want or get; FALSE ends the call. Sets what mirror_being_made says. */
gboolean mirror_read_reply(Mirror *mirror, WireCall *call, gint64 *ret_length, GError **error);

/* accept.c: accepts `head` ("" : only what is accepted already) and writes accepted/APP. What *ret
 * says (zeroed by the caller) is true also on error. */
typedef struct {
	gboolean moved;
	gboolean behind;    /* head is older than what is accepted */
	gboolean answer;    /* central wants to know that this was read: a stop or a resume */
	gboolean wrote;     /* a file of an app */
	char *busy;         /* names of apps whose files are still of before; NULL: none */
	gint64 written_utc; /* when the newest of what is accepted was written; 0: nothing is */
} MirrorAccepted;
void mirror_accepted_clear(MirrorAccepted *accepted);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MirrorAccepted, mirror_accepted_clear)
/* AGAIN if some are busy; TRUE if not. */
gboolean mirror_busy_error(const MirrorAccepted *accepted, GError **error);
gboolean mirror_accept_head(const MirrorSpec *spec, Repo *repo, const char *head,
			    MirrorAccepted *ret, GError **error);
/* trust.c: of all orders that count (app -> GPtrArray of AcceptedOrder), what this base's own
 * signers make of them; nothing without signers. A signers file that cannot be read is an error. */
gboolean mirror_judge_orders(const MirrorSpec *spec, Repo *repo, const GPtrArray *entries,
			     GHashTable *apps, GError **error);
/* keys.c: those of central that count here; NULL with error if they cannot be told. */
gboolean mirror_keys_keep(const MirrorSpec *spec, const TrustKeys *keys, GError **error);
/* give.c: central lacks `accepted`; central_head is what it has ("-": nothing). */
gboolean mirror_give(Mirror *mirror, const char *central_head, const char *accepted,
		     GError **error);

/* watch.c: central's head was heard; the watch begins if it is wanted and not there. */
gboolean mirror_watch_begin(Mirror *mirror, const char *head, GError **error);

/* line.c: one transfer, to learn what the line gives. */
typedef struct {
	gboolean known;
	guint64 ip_in;
	gint64 since_us, limit_kbit;
} MirrorLine;
/* Sets the limit of this hour. */
void mirror_line_limit(Mirror *mirror);
void mirror_line_begin(Mirror *mirror, MirrorLine *ret);
void mirror_line_end(Mirror *mirror, const MirrorLine *line);

/* The accepted commit, "" for none. */
gboolean mirror_ref(Repo *repo, const char *ref, char ret_oid[REPO_OID], GError **error);

/* contact.c: what is known after an attempt; never fails the attempt itself. */
typedef struct {
	const char *upstream;
	const WireHelloReply *reply; /* NULL: it did not come that far, or none was needed */
	gint64 offset_ms;            /* our clock minus central's, if there is a reply */
	gint64 written_utc;          /* when the newest of what is accepted was written */
	gboolean behind;
	const GError *error; /* NULL: all went well */
} MirrorContact;
void mirror_contact_write(const MirrorSpec *spec, const MirrorContact *contact);
/* As measured at the last good contact; FALSE: never. */
gboolean mirror_contact_read_offset(const MirrorSpec *spec, gint64 *ret_offset_ms);
/* What the line gave, in the same file. */
void mirror_contact_line(const MirrorSpec *spec, gint64 kbit, gint64 rtt_ms);
void mirror_contact_read_line(const MirrorSpec *spec, gint64 *ret_kbit, gint64 *ret_rtt_ms);

/* deliver.c: a report that central has not confirmed. */
typedef struct {
	char *key;
	char *text;
	gsize len;
	char *signature;
	Report *report;
} MirrorPending;
void mirror_pending_free(MirrorPending *pending);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MirrorPending, mirror_pending_free)
/* All that can be sent, oldest first; NULL only if the folder cannot be read. *first: what the
 * first of the others is unfit for. */
GPtrArray *mirror_pending_list(const MirrorSpec *spec, int dirfd, GError **first, GError **error);
/* Central has it as this commit: it is kept as such. The signature goes first: a crash in between
 * leaves a report that is signed and sent once more. */
gboolean mirror_pending_forget(const MirrorSpec *spec, int dirfd, const MirrorPending *pending,
			       const char *commit, GError **error);

/* reported.c: what central confirmed. An empty list if nothing is known. */
char **mirror_reported_commits(const MirrorSpec *spec);
/* pending/KEY was confirmed as this commit. Crash: it is still pending, or kept. */
gboolean mirror_reported_keep(const MirrorSpec *spec, int pending_dirfd, const char *key,
			      const char *commit, GError **error);
/* Central has all of them, and this head. */
gboolean mirror_reported_seen(const MirrorSpec *spec, const char *reports_head, GError **error);
/* Central lost some: all that are kept are pending again. */
gboolean mirror_reported_again(const MirrorSpec *spec, guint *ret_count, GError **error);
/* Old ones go. */
void mirror_reported_sweep(const MirrorSpec *spec);

/* update.c: before the first report goes over a connection, so that what central lost goes there
 * first. Nothing, if hello was said on it. */
gboolean mirror_greet(Mirror *mirror, GError **error);
/* What this base says of itself; mirror NULL: without a line. */
char *mirror_hello_text(const MirrorSpec *spec, const Mirror *mirror, const char *accepted);

/* download.c */
#define MIRROR_DOWNLOAD_LOCK "lock/.download" /* no app can be named so */
gboolean mirror_check_space(const MirrorSpec *spec, int dirfd, guint64 need, GError **error);
/* contact.c: an export file was taken in. */
void mirror_contact_by_file(const MirrorSpec *spec, const char *head, gint64 written_utc);
/* mirror.c */
gboolean mirror_make_folders(const MirrorSpec *spec, GError **error);
