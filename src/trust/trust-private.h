/* SPDX-License-Identifier: ISC */
/* Shared between the files of the trust room. */
#pragma once

#include <string.h>

#include "trust/trust.h"

/* A line of a signers file. */
typedef struct {
	guint line;
	char *principals;
	char *options;  /* namespaces, as ssh-keygen reads it; NULL: none */
	char *validity; /* valid-after, valid-before, likewise */
	char *key;      /* "ssh-ed25519 AAAA…" */
	char **apps;    /* NULL: all */
	char **bases;   /* NULL: all; "@group" for its bases */
} TrustSigner;

struct TrustSigners {
	char *name;
	char *sha256;
	GPtrArray *list; /* TrustSigner */
};
