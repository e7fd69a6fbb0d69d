/* SPDX-License-Identifier: ISC */
/*
 * What git says to a hook (the first byte is 'u'), and the note beside it. The gate must let
 * nothing pass that the real hook would refuse or act upon.
 */
#include "decide/central.h"

#define main gate_main
int gate_main(int argc, char **argv);
#include "../../hooks/gate.c"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* The words of a line, as the real hooks take them. */
static const char *ref_of(const char *line)
{
	const char *blank = strchr(line, ' ');
	blank = blank ? strchr(blank + 1, ' ') : NULL;
	return blank ? blank + 1 : NULL;
}

static void try_updates(const char *text, gsize len)
{
	int branches = only_branches(text, len);
	int no_tags = none_begins(text, len, "refs/tags/");
	g_autofree char *copy = g_strndup(text, len);
	g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
	for (guint i = 0; lines[i] && lines[i + 1]; i++) {
		const char *ref = ref_of(lines[i]);
		if (branches)
			g_assert(ref && g_str_has_prefix(ref, "refs/heads/") &&
				 central_ref_check(ref, NULL));
		if (no_tags)
			g_assert(ref && !g_str_has_prefix(ref, "refs/tags/"));
	}
	g_assert(!branches || no_tags);
}

static void try_note(const char *text, gsize len)
{
	static const char updates[] = "0 1 refs/heads/main\n0 1 refs/heads/next\n";
	g_autofree char *copy = g_strndup(text, len);
	g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		int pass =
		    line_lets_pass(lines[i], "/srv/git/shop.git", updates, sizeof updates - 1);
		g_assert(!pass || strcmp(lines[i], "Branches: refs/heads/") != 0);
		g_assert(!pass || strchr(lines[i], ':'));
	}
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	g_autofree char *copy = g_memdup2(data, size);
	if (size > 0 && data[0] == 'u')
		try_updates(copy + 1, size - 1);
	else
		try_note(copy ? copy : "", size);
	return 0;
}
