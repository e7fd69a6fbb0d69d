/* SPDX-License-Identifier: ISC */
#include "decide/refname.h"

/* One component of a ref name, as git's check-ref-format asks, and no leading dash. */
static gboolean ref_names_ok(const char *rest)
{
	g_autoptr(GError) ignored = NULL;
	return util_version_check(rest, &ignored);
}

gboolean central_ref_check(const char *ref, GError **error)
{
	static const char *const taken[] = {"refs/heads/", "refs/tags/", "refs/notes/"};
	g_autofree char *shown = util_text_printable(ref, (gssize)MIN(strlen(ref), 120));
	for (guint i = 0; i < G_N_ELEMENTS(taken); i++) {
		if (!g_str_has_prefix(ref, taken[i]))
			continue;
		if (ref_names_ok(ref + strlen(taken[i])))
			return TRUE;
		return util_error_set(error, TS_ERROR_REFUSED,
				      "ref %s: names here are up to 200 printable ASCII characters "
				      "without blanks, and no part starts with \"-\" or \".\"; "
				      "rename it and push again",
				      shown);
	}
	if (g_str_has_prefix(ref, "refs/replace/"))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "ref %s: replacement refs would make one commit stand for "
				      "another, so they are not taken; push the changed history as "
				      "a branch",
				      shown);
	return util_error_set(error, TS_ERROR_REFUSED,
			      "ref %s: only refs/heads/, refs/tags/ and refs/notes/ are taken here",
			      shown);
}
