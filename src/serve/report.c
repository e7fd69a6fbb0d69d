/* SPDX-License-Identifier: ISC */
/* The verb "report": into the ledger, once, and only what the base itself has signed. */
#include "serve/serve-private.h"

gboolean serve_check_report(const ServeSpec *spec, const char *text, gsize len,
			    const char *signature, Report **ret_report, GError **error)
{
	const char *keys[] = {spec->base_key, NULL};
	if (!util_sshsig_verify(keys, UTIL_SSHSIG_NS_REPORT, text, len, signature, error))
		return FALSE;
	g_autoptr(Report) report = report_parse(text, len, error);
	if (!report)
		return FALSE;
	if (strcmp(report->base, spec->base) != 0)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "a report of base \"%s\" came from base \"%s\"", report->base,
				      spec->base);
	if (!spec->node && report->incarnation != spec->incarnation)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "a report of incarnation %" G_GINT64_FORMAT
				      " of base \"%s\", which is in its incarnation "
				      "%" G_GINT64_FORMAT,
				      report->incarnation, spec->base, spec->incarnation);
	*ret_report = g_steal_pointer(&report);
	return TRUE;
}

gboolean serve_report(Serve *serve, const WireRequest *request, GError **error)
{
	(void)request; /* has no arguments */
	gsize len = 0, signature_len = 0;
	char oid[REPO_OID] = "";
	g_autoptr(Report) report = NULL;
	g_autofree char *text = util_stream_read_part(serve->stream, WIRE_REPORT_MAX, &len, error);
	g_autofree char *signature =
	    text ? util_stream_read_part(serve->stream, WIRE_SIGNATURE_MAX, &signature_len, error)
		 : NULL;
	if (!signature)
		return FALSE;
	if (strlen(signature) != signature_len)
		return util_error_set(error, TS_ERROR_CORRUPT, "the signature has a NUL in it");
	if (!serve_check_report(serve->spec, text, len, signature, &report, error))
		return FALSE;
	ServeReport said = {.report = report, .text = text, .signature = signature};
	if (!serve_place(serve)->report(serve, &said, oid, error))
		return FALSE;
	return serve_ok(serve, -1, error) && util_stream_puts(serve->stream, oid, error) &&
	       util_stream_puts(serve->stream, "\n", error);
}
