/* SPDX-License-Identifier: ISC */
/* What doctor looks at outside of the base folder. */
#pragma once

#include "cmd/tagship-base/base.h"

/* The app's folder can be written by us, and not by everybody. */
void base_check_folder(CmdDoctor *doctor, const ConfBaseApp *app);
/* What kernel and disk have of what staging uses. */
void base_check_features(CmdDoctor *doctor, const Base *base);
/* Processes that are not ours and live in a unit of ours: a restart may kill what serves. */
void base_check_servers(CmdDoctor *doctor);
