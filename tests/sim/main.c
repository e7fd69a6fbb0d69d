/* SPDX-License-Identifier: ISC */
/* Runs histories, and says which broke a law. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "decide/bug.h"
#include "sim.h"

#define JOBS_MAX 64

typedef struct {
	guint64 histories, failures, first_bad;
	SimCounts counts;
} Tally;

static gint64 opt_seed = -1, opt_from, opt_count = 1000;
static gint opt_jobs = 1;
static gboolean opt_verbose, opt_growth, opt_bugs, opt_laws;
static char *opt_bug;

static const GOptionEntry options[] = {
    {"seed", 's', 0, G_OPTION_ARG_INT64, &opt_seed, "Replay this history alone", "N"},
    {"from", 'f', 0, G_OPTION_ARG_INT64, &opt_from, "First seed of many", "N"},
    {"count", 'c', 0, G_OPTION_ARG_INT64, &opt_count, "How many histories", "N"},
    {"jobs", 'j', 0, G_OPTION_ARG_INT, &opt_jobs, "Processes", "N"},
    {"verbose", 'v', 0, G_OPTION_ARG_NONE, &opt_verbose, "Tell a history as it goes", NULL},
    {"growth", 'g', 0, G_OPTION_ARG_NONE, &opt_growth, "1,000 bases, 100 apps, --count releases",
     NULL},
    {"bug", 'b', 0, G_OPTION_ARG_STRING, &opt_bug, "With this bug (sim-bugs only)", "NAME"},
    {"bugs", 0, 0, G_OPTION_ARG_NONE, &opt_bugs,
     "Each bug in turn, up to --count histories (sim-bugs only)", NULL},
    {"laws", 'l', 0, G_OPTION_ARG_NONE, &opt_laws, "Name the laws", NULL},
    G_OPTION_ENTRY_NULL};

static void add_counts(SimCounts *sum, const SimCounts *one)
{
	guint64 *to = (guint64 *)(gpointer)sum;
	const guint64 *from = (const guint64 *)(gconstpointer)one;
	for (gsize i = 0; i < sizeof *sum / sizeof *to; i++)
		to[i] += from[i];
}

static const char *program(void)
{
	return opt_bug ? "sim-bugs" : "sim";
}

static void tell_broken(const Sim *sim)
{
	g_autofree char *when = util_time_format_utc(sim->broken_utc);
	g_printerr("seed %" G_GUINT64_FORMAT ": law \"%s\" (%s): %s, at %s\n"
		   "  build/sim/%s --seed %" G_GUINT64_FORMAT " -v%s%s\n",
		   sim->seed, sim_law_name(sim->broken), sim_law_text(sim->broken), sim->why, when,
		   program(), sim->seed, opt_bug ? " --bug " : "", opt_bug ? opt_bug : "");
}

/* TRUE: all laws held. */
static gboolean run_one(guint64 seed, const SimOptions *with, gboolean quiet, Tally *tally)
{
	Sim *sim = sim_new(seed, with);
	sim_run(sim);
	gboolean ok = !sim->broken;
	if (!ok && !quiet)
		tell_broken(sim);
	tally->histories++;
	if (!ok && tally->failures++ == 0)
		tally->first_bad = seed;
	add_counts(&tally->counts, &sim->counts);
	if (!with->growth) /* that one ends with the program, which is quicker */
		sim_free(sim);
	return ok;
}

static void print_counts(const SimCounts *c)
{
	g_print("events %" G_GUINT64_FORMAT ", messages %" G_GUINT64_FORMAT
		", kills %" G_GUINT64_FORMAT ", releases %" G_GUINT64_FORMAT
		" (refused %" G_GUINT64_FORMAT "), orders %" G_GUINT64_FORMAT
		", activations %" G_GUINT64_FORMAT ", reports %" G_GUINT64_FORMAT "\n",
		c->events, c->messages, c->kills, c->releases, c->refused, c->orders,
		c->activations, c->reports);
	for (guint i = ORDER_LIVE; i < ORDER_STATE_COUNT; i++)
		g_print("%s%s %" G_GUINT64_FORMAT, i > ORDER_LIVE ? ", " : "",
			order_state_name((OrderState)i), c->ends[i]);
	g_print("; gates opened %" G_GUINT64_FORMAT ", shut %" G_GUINT64_FORMAT
		", went cut off %" G_GUINT64_FORMAT ", by a doubtful clock %" G_GUINT64_FORMAT
		", by hand %" G_GUINT64_FORMAT ", back %" G_GUINT64_FORMAT
		", too late %" G_GUINT64_FORMAT ", replaced %" G_GUINT64_FORMAT
		", restored %" G_GUINT64_FORMAT ", given %" G_GUINT64_FORMAT "\n",
		c->opened, c->shut, c->cut_off, c->untrusted, c->hand, c->back, c->too_late,
		c->replaced, c->restored, c->give);
}

/* ---- many ---- */

static int work(guint job, Tally *tally)
{
	const SimOptions with = {.verbose = FALSE};
	for (gint64 i = job; i < opt_count; i += opt_jobs)
		(void)run_one((guint64)(opt_from + i), &with, tally->failures >= 5, tally);
	return 0;
}

static Tally sum_up(const Tally *all)
{
	Tally sum = {0};
	for (gint i = 0; i < opt_jobs; i++) {
		sum.histories += all[i].histories;
		sum.failures += all[i].failures;
		add_counts(&sum.counts, &all[i].counts);
	}
	return sum;
}

static guint wait_for(const pid_t *pids, const Tally *all)
{
	guint left = (guint)opt_jobs, died = 0;
	gint64 said_us = g_get_monotonic_time();
	while (left > 0) {
		int status = 0;
		pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0) {
			left--;
			died += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
			continue;
		}
		g_usleep(20000);
		if (g_get_monotonic_time() - said_us < 10 * G_USEC_PER_SEC)
			continue;
		said_us = g_get_monotonic_time();
		Tally sum = sum_up(all);
		g_print("# %" G_GUINT64_FORMAT " of %" G_GINT64_FORMAT
			" histories, %" G_GUINT64_FORMAT " broke a law\n",
			sum.histories, opt_count, sum.failures);
	}
	(void)pids;
	return died;
}

static int run_many(void)
{
	gsize size = sizeof(Tally) * (gsize)opt_jobs;
	Tally *all = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[JOBS_MAX];
	gint64 began_us = g_get_monotonic_time();
	if (all == MAP_FAILED)
		return 2;
	(void)fflush(stdout); /* not once more by every child */
	for (guint i = 0; i < (guint)opt_jobs; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			return 2;
		if (pids[i] == 0)
			_exit(work(i, &all[i]));
	}
	guint died = wait_for(pids, all);
	Tally sum = sum_up(all);
	print_counts(&sum.counts);
	g_print("histories %" G_GUINT64_FORMAT " failures %" G_GUINT64_FORMAT " seconds %.1f\n",
		sum.histories, sum.failures + died,
		(double)(g_get_monotonic_time() - began_us) / G_USEC_PER_SEC);
	return sum.failures + died > 0 ? 1 : 0;
}

/* ---- seeded bugs ---- */

#ifdef TAGSHIP_BUGS
static guint64 find_bug(void)
{
	const SimOptions with = {.verbose = FALSE};
	Tally tally = {0};
	for (gint64 i = 0; i < opt_count; i++)
		if (!run_one((guint64)(opt_from + i), &with, TRUE, &tally))
			return (guint64)i + 1;
	return 0;
}

static int run_bugs(void)
{
	guint found = 0, n = 0;
	guint64 most = 0;
	for (guint bug = DECIDE_BUG_NONE + 1; bug < DECIDE_BUG_COUNT; bug++, n++) {
		decide_bug_set((DecideBug)bug);
		guint64 after = find_bug();
		found += after > 0;
		most = MAX(most, after);
		g_print("bug %s: %s %" G_GUINT64_FORMAT " histories\n",
			decide_bug_name((DecideBug)bug), after ? "found after" : "NOT found in",
			after ? after : (guint64)opt_count);
	}
	g_print("bugs %u of %u, at most after %" G_GUINT64_FORMAT "\n", found, n, most);
	return found == n ? 0 : 1;
}
#endif

/* ---- one ---- */

static int run_alone(const SimOptions *with, guint64 seed)
{
	Tally tally = {0};
	struct rusage used;
	gint64 began_us = g_get_monotonic_time();
	gboolean ok = run_one(seed, with, FALSE, &tally);
	print_counts(&tally.counts);
	(void)getrusage(RUSAGE_SELF, &used); /* cannot fail */
	g_print("seconds %.1f memory %ld MiB\n",
		(double)(g_get_monotonic_time() - began_us) / G_USEC_PER_SEC,
		used.ru_maxrss / 1024);
	return ok ? 0 : 1;
}

static int run(void)
{
	const SimOptions alone = {.verbose = opt_verbose};
	const SimOptions growth = {.verbose = opt_verbose,
				   .growth = TRUE,
				   .bases = 1000,
				   .apps = 100,
				   .acts = (guint)opt_count};
#ifdef TAGSHIP_BUGS
	if (opt_bug && !decide_bug_set(decide_bug_find(opt_bug)))
		return 2;
	if (opt_bugs)
		return run_bugs();
#else
	if (opt_bug || opt_bugs)
		return 2; /* that is for sim-bugs */
#endif
	if (opt_growth)
		return run_alone(&growth, opt_seed < 0 ? 0 : (guint64)opt_seed);
	return opt_seed >= 0 ? run_alone(&alone, (guint64)opt_seed) : run_many();
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_option_context_add_main_entries(context, options, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1 || opt_jobs < 1 ||
	    opt_jobs > JOBS_MAX || opt_count < 1) {
		g_printerr("sim: %s\n", error ? error->message : "see --help");
		return 2;
	}
	for (guint i = LAW_NONE + 1; opt_laws && i < LAW_COUNT; i++)
		g_print("%-10s %s\n", sim_law_name((SimLaw)i), sim_law_text((SimLaw)i));
	if (opt_laws)
		return 0;
	sim_zones_begin();
	int status = run();
	sim_zones_end();
	return status;
}
