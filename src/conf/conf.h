/* SPDX-License-Identifier: ISC */
/*
 * Configuration files (libconfig, only here). Each file has a table of known keys with type, range
 * and default; an unknown key, a wrong type or a number out of range is a USAGE error
 * "FILE:LINE: KEY: what; what to do". Keys are named like the fields here, without "_s".
 *
 *   g_autoptr(ConfApp) app = conf_app_load(state_dirfd, "shop", error);
 *
 * Objects are immutable after loading; free with their own function (autoptr). A string
 * is never NULL unless said so; lists are NULL-terminated and never NULL.
 *
 * The text is looked through before libconfig sees it, because libconfig 1.5 wraps numbers and
 * takes some broken files. @include is refused everywhere, with a message: in tagship.cfg because
 * it came with a push and the library would read any file (a FIFO hangs it, a folder makes it
 * exit), in an administrator's files because those are small and one per app and base anyway.
 * Files are regular files (no links) of at most 256 KiB, UTF-8.
 *
 * Files are written durably: after a crash the old one or the new one is there.
 */
#pragma once

#include "util/util.h"

/* STATE/central.cfg */
typedef struct {
	char *worker;       /* "hook" (started by the hook, ends when idle) or "service" */
	gint64 push_wait_s; /* how long post-receive follows the log; default 300 */
	gint64 lead_s;      /* least time from push to go-live worth accepting; default 0 */
	gint64 gate_lead_s; /* a gate is decided so long before the first base goes; default 600 */
	gint64 line_kbit;   /* assumed line rate of bases without their own; default 1000 */
	gint64 min_free_mb; /* builds and bundles stop below this; default 256 */
	gint64 keep_logs_days; /* default 90 */
	gint64 keep_versions;  /* per app, beside those in use; default 20 */
	char **freeze;         /* see plan_freeze_parse; at all bases; may be empty */
	char *zone_dir;        /* default /usr/share/zoneinfo */
	char *serve_url;       /* "ssh://user@host[:port]/state" for join lines; may be empty */
	char *board;           /* folder that the worker keeps the board in; may be empty */
	char **notify;         /* argv of the command that is told what happens; may be empty */
	char **notify_events;  /* only these; empty: all */
	gint64 silent_s;       /* a base that is not heard for so long is told of; default 86400 */
} ConfCentral;

ConfCentral *conf_central_load(int state_dirfd, GError **error);
void conf_central_free(ConfCentral *conf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfCentral, conf_central_free)

/* STATE/apps.d/NAME.cfg */
typedef struct {
	char *name;
	char *repo;      /* absolute path of the source repository */
	char *build;     /* shell command line run by /bin/sh -c in the sandbox; empty: not given
			  * (then tagship.cfg in the tree says, else the source tree itself is the
			  * web app) */
	char *output;    /* folder beneath the workspace; ".": not given (then tagship.cfg says,
			  * else all of it) */
	char **branches; /* patterns (g_pattern_spec) of branches checked on push; may be empty */
	char *require_plan;     /* tag pattern that must carry a plan; empty: none */
	char *sandbox;          /* "bwrap" or "none" */
	gboolean network;       /* in the build; default FALSE */
	gboolean incremental;   /* keep the workspace between builds; default FALSE */
	gint64 build_time_s;    /* default 1800 */
	gint64 build_memory_mb; /* per process data limit; 0: none; default 0 */
	gint64 build_output_mb; /* largest built tree; default 4096 */
	gint64 max_outage_s;    /* default for orders whose plan names none; 0: base's own */
	char *late;     /* "warn", or "refuse": no order where a bundle would come too late */
	char **readers; /* who may look by ssh (tagship developer); "*": everybody; may be empty */
	char **operators; /* who may also retry, cancel, stop and resume; may be empty */
	char **override;  /* pushers who may override a freeze; may be empty */
	gboolean require_signed_tags; /* annotated tags count only if STATE/signers lets their
				       * signer; default FALSE */
	char **shared; /* mount points (relative paths) that become links; may be empty */
} ConfApp;

ConfApp *conf_app_load(int state_dirfd, const char *name, GError **error);
void conf_app_free(ConfApp *app);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfApp, conf_app_free)
/* Names of all apps, sorted, NULL-terminated (a file per app). */
char **conf_app_names(int state_dirfd, GError **error);
/* Writes a new file with all values spelt out and a comment on each; EXISTS if it is there. What
 * could not be loaded again is refused as conf_app_load would, and not written. */
gboolean conf_app_create(int state_dirfd, const ConfApp *app, GError **error);
gboolean conf_app_remove(int state_dirfd, const char *name, GError **error);
/* Every key at its default, name and repo set. */
ConfApp *conf_app_new(const char *name, const char *repo);

/* Beside the hooks: those that were there before ours, and the note. */
#define CONF_HOOKS_OURS "tagship.d"

/* What `hook install` notes beside the hooks, in hooks/tagship.d/settings: whose they are, and
 * where the branches that an app checks begin. The gate (hooks/gate.c) reads it to let a push that
 * is none of ours pass without starting anything. It also holds size and time of each app's file:
 * after a change there it counts as old, and whoever reads it must look into the files themselves.
 */
typedef struct {
	char *repo;  /* absolute */
	char *state; /* absolute */
	char **apps; /* NULL-terminated */
} ConfNote;

/* Durable; a crash leaves the old note or the new one. */
gboolean conf_note_write(int hooks_dirfd, const char *repo, const char *state,
			 const char *const *apps, GError **error);
/* NOT_FOUND if there is none. */
ConfNote *conf_note_read(int hooks_dirfd, GError **error);
/* TRUE if no app's file changed since it was written. */
gboolean conf_note_is_current(int hooks_dirfd, const ConfNote *note);
void conf_note_free(ConfNote *note);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfNote, conf_note_free)

/* tagship.cfg in a source tree: command and output only. Any pointer may be NULL (not given). */
typedef struct {
	char *build;
	char *output;
} ConfTree;

ConfTree *conf_tree_parse(const char *text, gsize len, GError **error);
void conf_tree_free(ConfTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfTree, conf_tree_free)

/* STATE/bases.d/NAME.cfg; no base is called "all" */
typedef struct {
	char *name;
	char *zone;         /* IANA zone; whether it exists is for plan to say */
	char **groups;      /* may be empty */
	char **apps;        /* apps it runs; may be empty */
	char *key;          /* "ssh-ed25519 AAAA…" */
	gint64 line_kbit;   /* 0: central's line_kbit */
	char **freeze;      /* as central's, of this base alone; may be empty */
	gint64 incarnation; /* starts at 1; `base key --replace` adds one */
} ConfPeer;

ConfPeer *conf_peer_load(int state_dirfd, const char *name, GError **error);
void conf_peer_free(ConfPeer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfPeer, conf_peer_free)
char **conf_peer_names(int state_dirfd, GError **error);
gboolean conf_peer_create(int state_dirfd, const ConfPeer *peer, GError **error);
/* Rewrites the file (key change), comments become the standard ones; NOT_FOUND if it is not there.
 */
gboolean conf_peer_replace(int state_dirfd, const ConfPeer *peer, GError **error);
gboolean conf_peer_remove(int state_dirfd, const char *name, GError **error);

#define CONF_MAX_OUTAGE_S 300

/* One lifecycle command of an app at a base; argv empty: nothing to do. */
typedef struct {
	char **argv;
	gint64 deadline_s; /* default per phase: stop 30, start 60, others 60 */
} ConfCommand;

typedef enum {
	CONF_PHASE_PREPARE,
	CONF_PHASE_BEFORE,
	CONF_PHASE_STOP,
	CONF_PHASE_MIGRATE,
	CONF_PHASE_UNMIGRATE,
	CONF_PHASE_START,
	CONF_PHASE_HEALTH,
	CONF_PHASE_AFTER,
	CONF_PHASE_COUNT
} ConfPhase;
/* "prepare", "before", … */
const char *conf_phase_name(ConfPhase phase);

/* An app in ROOT/base.cfg: apps = ( { name = "shop"; dir = "/srv/shop"; stop = [...]; ... } ) */
typedef struct {
	char *name;
	char *dir; /* absolute; holds releases/, current, pre-release/ */
	ConfCommand commands[CONF_PHASE_COUNT];
	gint64 lead_s;          /* `before` runs this long ahead; default 0 */
	gint64 health_time_s;   /* health is tried until it passes or this is over; default 60 */
	gint64 health_every_ms; /* default 1000 */
	gint64 max_outage_s;    /* default CONF_MAX_OUTAGE_S */
	gint64 kill_after_s;    /* from SIGTERM at a deadline to SIGKILL; default 5 */
	gint64 keep;            /* trees kept beside live and last good; default 2 */
	char *bridge;           /* "24h", see conf_app_bridge_s; default "0" */
	gboolean hard_links;    /* staging may link unchanged files; default FALSE */
	char *on_altered;       /* "want" (ask for another bundle) or "plain"; default "want" */
} ConfBaseApp;

#define CONF_RATE_MIN 16 /* kbit/s */
#define CONF_RATE_MAX 10000000

/* ROOT/base.cfg */
typedef struct {
	char *name;
	char *node; /* NULL, or: this is a server of that base's site, which is its upstream */
	char **upstreams;     /* "ssh://user@host[:port]" or an absolute path to a STATE folder */
	char **central_keys;  /* pinned central signing keys "ssh-ed25519 AAAA…" */
	char **recovery_keys; /* pinned: they alone revoke those above; may be empty */
	char **host_keys;     /* pinned ssh host keys, same form; empty only for path upstreams */
	char *key_file;       /* default ROOT/key */
	char *serve_command;  /* program run for path upstreams; default "tagship", or for a node
			       * "tagship-base" */
	gboolean watch;       /* keep a quiet connection to central; default TRUE */
	gint64 pull_every_s;  /* 0, the default: see conf_base_pull_every_s */
	char **pull_hours;    /* "02:00-06:00": bundles come then only; may be empty */
	gint64 rate_kbit;     /* most that a download takes of the line; 0: all */
	char **rate_hours;    /* "08:00-18:00 300": another rate at these hours */
	gint64 connect_timeout_s;  /* default 20 */
	gint64 progress_timeout_s; /* default 30 */
	gint64 memory_mb;          /* decoder memory; default 128 */
	gint64 min_free_mb;        /* default 64 */
	gint64 keep_logs_days;     /* default 90 */
	char **notify;             /* as central's */
	char **notify_events;
	gint64 silent_s; /* the same of central */
	/* Where signers is given, orders are held against their signed tags here, too. */
	char *signers;   /* path of an allowed-signers file; NULL: none */
	char *zone;      /* this base's own, for that; NULL without signers */
	char **groups;   /* likewise; may be empty */
	GPtrArray *apps; /* ConfBaseApp */
} ConfBase;

ConfBase *conf_base_load(int root_dirfd, const char *root_path, GError **error);
void conf_base_free(ConfBase *base);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfBase, conf_base_free)
/* Seconds between two looks at central: as configured, else a minute, or six hours where a watch
 * tells what is new. */
gint64 conf_base_pull_every_s(const ConfBase *base);
/* kbit/s that downloads may take at this time; 0: all. */
gint64 conf_base_rate_kbit(const ConfBase *base, gint64 utc);
/* Seconds for which files of versions that were left stay reachable; 0: they do not. */
gint64 conf_app_bridge_s(const ConfBaseApp *app);
/* The app of that name or NULL. */
const ConfBaseApp *conf_base_app(const ConfBase *base, const char *name);
/* Hours of the day in this machine's zone, "FROM-TO" or "FROM-TO NUMBER": from is inclusive, to is
 * not, over midnight if from is later. The number of the first that covers utc, else fallback.
 * hours may be NULL. */
gint64 conf_hours_number(char *const *hours, gint64 utc, gint64 fallback);
/* Seconds until one of them begins; 0 within one, or if there are none. */
gint64 conf_hours_opens_s(char *const *hours, gint64 utc);
/* Text of a new base.cfg with comments and an example app; caller writes it. apps: "NAME=DIR", of
 * plain names and absolute paths. node and lists may be NULL. */
char *conf_base_template(const char *name, const char *node, const char *upstream,
			 const char *const *central_keys, const char *const *recovery_keys,
			 const char *const *host_keys, const char *const *apps);
/* Text of a new central.cfg, all keys commented with their defaults. */
char *conf_central_template(void);
