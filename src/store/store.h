/* SPDX-License-Identifier: ISC */
/* What must survive a crash: content-named files, the job queue, journals, and reports. */
#pragma once

#include "store/blobs.h"
#include "store/clock.h"
#include "store/folders.h"
#include "store/journal.h"
#include "store/pending.h"
#include "store/queue.h"
