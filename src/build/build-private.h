/* SPDX-License-Identifier: ISC */
/* Inside of the build room: workspace.c prepares a folder, sandbox.c makes the command line that
 * shuts a command into it, build.c runs it and reads the result. */
#pragma once

#include "build/build.h"

#define BUILD_HOME ".home" /* in the workspace; never part of the output */

typedef struct {
	char *app_path; /* WORK/APP */
	char *path;     /* WORK/APP/release or .../branch */
	char *tmp_path; /* the build's /tmp, removed afterwards */
	int app_dirfd;
	int dirfd;
	const char *name; /* "release" or "branch" */
	char *command;    /* empty: nothing is run */
	char *output;     /* "." or a folder beneath */
	char *renewed;    /* why an incremental workspace was made new; else NULL */
} BuildWorkspace;

/* Folder made new (or kept), commit checked out, command and output found, output removed. */
BuildWorkspace *build_workspace_open(const BuildSpec *spec, GError **error);
/* Removes the temporary folder, closes, frees; the workspace stays. */
void build_workspace_free(BuildWorkspace *workspace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BuildWorkspace, build_workspace_free)

typedef struct {
	const char *bwrap;
	const char *workspace; /* NULL: an empty folder that cannot be written (only for trying) */
	const char *tmp;       /* likewise */
	const char *const *hide; /* absolute paths, NULL-terminated */
	gboolean network;
} BuildSandbox;

/* The arguments up to and with "--". */
GPtrArray *build_sandbox_args(const BuildSandbox *sandbox, GError **error);
gboolean build_sandbox_try(const char *bwrap, GError **error);
