/* SPDX-License-Identifier: ISC */
/* Only for clang-tidy (scripts/lint): tells the analyzer, which sees one file at a time, that these
 * always return FALSE. */
#pragma once

#include "util/error.h"

#define util_error_set(...) (util_error_set(__VA_ARGS__), FALSE)
#define util_error_errno(...) (util_error_errno(__VA_ARGS__), FALSE)
