/* SPDX-License-Identifier: ISC */
/* What the files of this room share. */
#pragma once

#include "status/status.h"

/* Fills status->trouble from all that was loaded, what is worst first. */
void status_find_trouble(Status *status, Central *central, const char *app);
