/* SPDX-License-Identifier: ISC */
/*
 * Fault points: in builds with -DTAGSHIP_FAULTS every writing system call that util makes passes
 * util_fault_point() first. Each point has a name and, per process, a running number. The
 * environment says what happens: TAGSHIP_FAULT="NAME-or-NUMBER=kill|enospc|eio",
 * TAGSHIP_FAULT_LOG=FILE appends "NUMBER NAME" per point passed. Without the macro the call is a
 * constant 0 and costs nothing. After SQLite's test_vfs and io-error tests: the program is run
 * once per point.
 */
#pragma once

#ifdef TAGSHIP_FAULTS
/* Returns 0 to go on, or an errno value the caller must fail with. May not return. */
int util_fault_point(const char *name);
#else
static inline int util_fault_point(const char *name)
{
	(void)name;
	return 0;
}
#endif
