/* SPDX-License-Identifier: ISC */
/* Returns to central what it lost: the accepted ledger from where central's head still is in it. */
#include "mirror/mirror-private.h"

gboolean mirror_give(Mirror *mirror, const char *central_head, const char *accepted, GError **error)
{
	WireRequest request = {.verb = WIRE_GIVE};
	WireCall *call = mirror_call(mirror, &request, error);
	if (!call)
		return FALSE;
	UtilStream *stream = wire_call_stream(call);
	if (!ledger_send(mirror->repo, accepted, central_head, stream, error) ||
	    !stream->shut(stream, error))
		return mirror_call_failed(call, error);
	if (!wire_reply_read(stream, NULL, error)) {
		(void)wire_call_finish(call, NULL); /* the reply has said it */
		return FALSE;
	}
	return wire_call_finish(call, error);
}
