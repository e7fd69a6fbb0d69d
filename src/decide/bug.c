/* SPDX-License-Identifier: ISC */
#include "decide/bug.h"

#ifdef TAGSHIP_BUGS

static DecideBug on = DECIDE_BUG_NONE;

static const char *const names[DECIDE_BUG_COUNT] = {
    [DECIDE_BUG_NONE] = "none",         [DECIDE_BUG_GRACE] = "grace",
    [DECIDE_BUG_RANK] = "rank",         [DECIDE_BUG_CANCEL] = "cancel",
    [DECIDE_BUG_TOO_LATE] = "too-late", [DECIDE_BUG_STOP] = "stop",
    [DECIDE_BUG_CUT_OFF] = "cut-off",   [DECIDE_BUG_CLOCK] = "clock",
    [DECIDE_BUG_DATA] = "data",         [DECIDE_BUG_WAVE] = "wave",
    [DECIDE_BUG_TWICE] = "twice",
};

gboolean decide_bug(DecideBug bug)
{
	return on == bug;
}

gboolean decide_bug_set(DecideBug bug)
{
	if (bug >= DECIDE_BUG_COUNT)
		return FALSE;
	on = bug;
	return TRUE;
}

const char *decide_bug_name(DecideBug bug)
{
	return names[bug];
}

DecideBug decide_bug_find(const char *name)
{
	DecideBug bug = DECIDE_BUG_NONE;
	while (bug < DECIDE_BUG_COUNT && g_strcmp0(names[bug], name) != 0)
		bug++;
	return bug;
}

#endif
