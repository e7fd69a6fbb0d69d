/* SPDX-License-Identifier: ISC */
/* What the files of the ledger room share. */
#pragma once

#include "ledger/ledger.h"

#define LEDGER_TAG "tag"
#define LEDGER_TAG_MAX ((gsize)1024 * 1024)

/* What a ref points to; an empty string if it is not there. */
gboolean ledger_ref(Repo *ledger, const char *ref, char ret_oid[REPO_OID], GError **error);
/* The text behind "SUMMARY\n\n" of a commit message; NULL with error. */
const char *ledger_text(const RepoCommit *commit, GError **error);
/* The order a commit carries; NULL with error. */
Order *ledger_order_parse(const RepoCommit *commit, GError **error);
/* TRUE for NULL, "" and REPO_ZERO. */
gboolean ledger_oid_is_none(const char *oid);
