/* SPDX-License-Identifier: ISC */
#include <errno.h>

#include "util/util.h"

GQuark util_error_quark(void)
{
	return g_quark_from_static_string("tagship-error");
}

static TsErrorCode code_of_errno(int err)
{
	switch (err) {
	case ENOSPC:
	case EDQUOT:
		return TS_ERROR_NO_SPACE;
	case ENOENT:
		return TS_ERROR_NOT_FOUND;
	case EEXIST:
		return TS_ERROR_EXISTS;
	case EAGAIN:
	case ETIMEDOUT:
		return TS_ERROR_AGAIN;
	case ENOSYS:
	case EOPNOTSUPP:
		return TS_ERROR_UNSUPPORTED;
	default:
		return TS_ERROR_FAILED;
	}
}

gboolean util_error_errno(GError **error, int err, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *context = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, TS_ERROR, (int)code_of_errno(err), "%s: %s", context, g_strerror(err));
	return FALSE;
}

gboolean util_error_set(GError **error, TsErrorCode code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error_literal(error, TS_ERROR, (int)code, text);
	return FALSE;
}

int util_error_exit_status(const GError *error)
{
	if (!error)
		return 0;
	if (error->domain == G_OPTION_ERROR)
		return 2;
	if (error->domain != TS_ERROR)
		return 1;
	switch ((TsErrorCode)error->code) {
	case TS_ERROR_USAGE:
		return 2;
	case TS_ERROR_REFUSED:
		return 3;
	case TS_ERROR_CORRUPT:
	case TS_ERROR_NOT_AUTHENTIC:
		return 4;
	case TS_ERROR_AGAIN:
		return 5;
	case TS_ERROR_FAILED:
	case TS_ERROR_EXISTS:
	case TS_ERROR_NOT_FOUND:
	case TS_ERROR_NO_SPACE:
	case TS_ERROR_UNSUPPORTED:
		return 1;
	}
	return 1;
}
