/* SPDX-License-Identifier: ISC */
/*
 * Round trips over generated trees. A pair that fails says its seed and leaves its trees and bundle
 * in the folder it names; `sweep-trees --seed N --count 1` does it again (with the same --largest).
 * The output is TAP.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sweep.h"

#define JOBS_MAX 64
#define PAIR_SECONDS 900 /* one pair that takes longer hangs */

static int opt_seed = 0, opt_count = 1000, opt_seconds = 0, opt_jobs = 1, opt_largest_mib = 300;
static gboolean opt_verbose = FALSE, opt_keep = FALSE;
static const GOptionEntry options[] = {
    {"seed", 0, 0, G_OPTION_ARG_INT, &opt_seed, "The first seed (default 0)", "N"},
    {"count", 0, 0, G_OPTION_ARG_INT, &opt_count, "So many pairs (default 1000)", "N"},
    {"seconds", 0, 0, G_OPTION_ARG_INT, &opt_seconds, "Stop after about so long", "N"},
    {"jobs", 0, 0, G_OPTION_ARG_INT, &opt_jobs, "Processes (default 1)", "N"},
    {"largest", 0, 0, G_OPTION_ARG_INT, &opt_largest_mib, "Largest file (default 300)", "MIB"},
    {"verbose", 'v', 0, G_OPTION_ARG_NONE, &opt_verbose, "A line per pair", NULL},
    {"keep", 0, 0, G_OPTION_ARG_NONE, &opt_keep, "Do one pair and leave its trees", NULL},
    G_OPTION_ENTRY_NULL};

/* In memory where it can be: what syncing costs is not what is tested here. */
static const char *work_parent(void)
{
	const char *own = g_getenv("TMPDIR");
	if (own)
		return own;
	return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir();
}

/* Does every opt_jobs-th seed. Returns the exit status. */
static int work(guint job, Progress *progress)
{
	g_autoptr(GError) error = NULL;
	PairOptions pair_options = {(guint)opt_largest_mib << 20, opt_verbose, opt_keep};
	gint64 end = g_get_monotonic_time() + (gint64)opt_seconds * G_USEC_PER_SEC;
	g_autofree char *folder = g_build_filename(work_parent(), "tagship-sweep-XXXXXX", NULL);
	if (!g_mkdtemp(folder))
		return 1;
	g_strlcpy(progress->folder, folder, sizeof progress->folder);
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, folder, &error);
	for (guint i = job; dirfd >= 0 && i < (guint)opt_count; i += (guint)opt_jobs) {
		if (opt_seconds > 0 && g_get_monotonic_time() > end)
			break;
		progress->seed = (guint32)opt_seed + i;
		(void)alarm(PAIR_SECONDS); /* ends this process */
		if (!pair_run(dirfd, progress->seed, &pair_options, progress, &error) || opt_keep)
			break;
	}
	(void)alarm(0); /* no pair at work */
	if (error) {
		g_print("# seed %u: %s\n", progress->seed, error->message);
		return 1;
	}
	if (opt_keep) {
		g_print("# the trees of seed %u are in %s\n", progress->seed, folder);
		return 0;
	}
	return util_fs_remove_tree(AT_FDCWD, folder, NULL) ? 0 : 1;
}

static void add(Progress *sum, const Progress *one)
{
	sum->pairs += one->pairs;
	sum->refused += one->refused;
	sum->applied += one->applied;
	sum->damaged += one->damaged;
	sum->put_together += one->put_together;
	sum->tree_bytes += one->tree_bytes;
	sum->bundle_bytes += one->bundle_bytes;
	sum->largest_file = MAX(sum->largest_file, one->largest_file);
	for (guint i = 0; i < SHAPES; i++)
		sum->shapes[i] += one->shapes[i];
}

static Progress sum_up(const Progress *all)
{
	Progress sum = {0};
	for (guint i = 0; i < (guint)opt_jobs; i++)
		add(&sum, &all[i]);
	return sum;
}

/* Waits for one child, saying every ten seconds how far all are. */
static void wait_one(pid_t pid, const Progress *all, const Progress *own, gint64 began, guint *bad)
{
	int status = 0;
	guint ticks = 0;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		g_usleep(50000);
		if (++ticks % 200)
			continue;
		Progress sum = sum_up(all);
		g_print("# %u pairs in %" G_GINT64_FORMAT " s\n", sum.pairs,
			(g_get_monotonic_time() - began) / G_USEC_PER_SEC);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	(*bad)++;
	if (WIFSIGNALED(status))
		g_print("# seed %u: %s\n", own->seed,
			WTERMSIG(status) == SIGALRM ? "it hangs" : g_strsignal(WTERMSIG(status)));
	g_print("# its trees are in %s; again: sweep-trees --seed %u --count 1 --largest %d\n",
		own->folder, own->seed, opt_largest_mib);
}

static void report(const Progress *sum, gint64 began, guint bad)
{
	double seconds = (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC;
	g_print("%s 1 - %u generated pairs of trees, from seed %d\n", bad ? "not ok" : "ok",
		sum->pairs, opt_seed);
	g_print("# small %u, archives %u, names %u, many %u, medium %u, large %u; "
		"largest file %.1f MiB\n",
		sum->shapes[SHAPE_SMALL], sum->shapes[SHAPE_ARCHIVES], sum->shapes[SHAPE_NAMES],
		sum->shapes[SHAPE_MANY], sum->shapes[SHAPE_MEDIUM], sum->shapes[SHAPE_LARGE],
		(double)sum->largest_file / (1 << 20));
	g_print("# %.1f s; %u bundles applied, %u of them damaged or in the wrong place; "
		"%u refused for too little memory, then made with more\n",
		seconds, sum->applied, sum->damaged, sum->refused);
	g_print("# %.1f MiB of trees, %.1f MiB of bundles; %u bundles put archives together\n",
		(double)sum->tree_bytes / (1 << 20), (double)sum->bundle_bytes / (1 << 20),
		sum->put_together);
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_option_context_add_main_entries(context, options, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1 || opt_jobs < 1 ||
	    opt_jobs > JOBS_MAX || opt_largest_mib < 1 || opt_largest_mib > 1024 || opt_count < 0) {
		g_printerr("sweep-trees: %s\n", error ? error->message : "see --help");
		return 2;
	}
	gint64 began = g_get_monotonic_time();
	gsize size = sizeof(Progress) * (gsize)opt_jobs;
	Progress *all = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[JOBS_MAX];
	guint bad = 0;
	if (all == MAP_FAILED)
		return 2;
	g_print("1..1\n");
	(void)fflush(stdout); /* not once more by every child */
	for (guint i = 0; i < (guint)opt_jobs; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			return 2;
		if (pids[i] == 0)
			return work(i, &all[i]);
	}
	for (guint i = 0; i < (guint)opt_jobs; i++)
		wait_one(pids[i], all, &all[i], began, &bad);
	Progress sum = sum_up(all);
	if (sum.pairs == 0)
		bad++; /* nothing was tried */
	report(&sum, began, bad);
	return bad ? 1 : 0;
}
