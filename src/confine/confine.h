/* SPDX-License-Identifier: ISC */
/*
 * Confinement of a process before it looks at what came over the line: Landlock lets it reach the
 * given paths only, seccomp takes away the system calls that it never needs: sockets, mounts,
 * devices, namespaces, tracing others; and starting programs, unless that is allowed. A second
 * layer: names are resolved beneath folder descriptors and commands are never made of peers' words
 * anyway.
 *
 *   const ConfineRule rules[] = {{folder, CONFINE_WRITE}, {NULL, 0}};
 *   ConfineSpec spec = {.rules = rules};
 *   if (!confine_self(&spec, &note, error)) ...       once, before any thread is started
 *
 * It cannot be undone and is inherited by children. What was opened before stays open. System files
 * (/usr and /lib, a few of /etc, /proc, /dev/null) are readable besides. Landlock does not hold
 * back looking at names and sizes by a known path (stat) nor changing modes and times of what the
 * account owns; owners and attributes cannot be changed. Nothing on disk.
 */
#pragma once

#include "util/util.h"

/* What is allowed of a path, and beneath it if it is a folder. */
typedef enum {
	CONFINE_LIST = 1 << 0,    /* the names in folders */
	CONFINE_READ = 1 << 1,    /* and what files hold */
	CONFINE_FOLDERS = 1 << 2, /* make folders */
	CONFINE_REMOVE = 1 << 3,  /* remove files */
	CONFINE_WRITE = 1 << 4,   /* files, folders, links; not devices, sockets and FIFOs */
	CONFINE_MOVE = 1 << 5     /* move and link between the folders that have this */
} ConfineAccess;

typedef struct {
	const char *path; /* absolute; one that is not there is left out */
	guint access;     /* ConfineAccess */
} ConfineRule;

/* The zero value is the strictest. */
typedef struct {
	const ConfineRule *rules; /* the last has no path */
	gboolean programs;        /* those of the system may be run */
	/* for accounts that only a service of the machine knows (sssd, systemd-userdbd): programs
	 * ask who they are */
	gboolean unix_sockets;
} ConfineSpec;

/* A kernel that lacks something is no error: *ret_note then says what (else NULL; caller frees; may
 * be NULL). FALSE if it is there and could not be set up. */
gboolean confine_self(const ConfineSpec *spec, char **ret_note, GError **error);

/* What this kernel has. */
typedef struct {
	guint landlock_abi; /* 0: none */
	gboolean seccomp;
} ConfineKernel;
void confine_probe(ConfineKernel *ret_kernel);
/* What it lacks of what confinement uses, and what to do; NULL: nothing. */
char *confine_lack(const ConfineKernel *kernel);

/* Whether /etc/passwd has the account that runs this; if not, see unix_sockets. */
gboolean confine_account_is_local(void);
