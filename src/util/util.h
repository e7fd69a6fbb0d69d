/* SPDX-License-Identifier: ISC */
/* Everything of the util room; every other room includes this one line. */
#pragma once

#include <glib.h>

#include "util/child.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fault.h"
#include "util/fs.h"
#include "util/hash.h"
#include "util/progress.h"
#include "util/sshsig.h"
#include "util/stream.h"
#include "util/text.h"
#include "util/trailer.h"

#include "util/banned.h"
