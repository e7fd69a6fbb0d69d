/* SPDX-License-Identifier: ISC */
/* A clock that is set, that is dead at boot, that drifts. */
#include <fcntl.h>
#include <unistd.h>

#include "store/store.h"

#define NOON G_GINT64_CONSTANT(1800000000)
#define HOUR 3600

typedef struct {
	char *path;
	int dirfd;
	UtilClock *clock;
} World;

static void setup(World *world, gconstpointer data)
{
	(void)data; /* the same for all */
	world->path = g_dir_make_tmp("tagship-clock-XXXXXX", NULL);
	world->dirfd = util_fs_open_dir(AT_FDCWD, world->path, NULL);
	world->clock = util_clock_fake_new(NOON);
}

static void teardown(World *world, gconstpointer data)
{
	(void)data; /* as above */
	g_assert_cmpint(close(world->dirfd), ==, 0);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, world->path, NULL));
	util_clock_fake_free(world->clock);
	g_free(world->path);
}

static void note(World *world)
{
	g_assert_true(store_clock_note(world->dirfd, world->clock, 0, NULL));
}

static void keep(World *world, gboolean begin)
{
	g_assert_true(store_clock_keep(world->dirfd, world->clock, begin, NULL));
}

/* Looks, and wants this. */
static void expect(World *world, gboolean trusted, gint64 projected_utc, gint64 off_s)
{
	StoreClock found;
	store_clock_read(world->dirfd, world->clock, 0, &found);
	g_assert_cmpint(found.trusted, ==, trusted);
	g_assert_cmpint(found.now_utc, ==, util_clock_now_utc(world->clock));
	g_assert_cmpint(found.projected_utc, ==, projected_utc);
	g_assert_cmpint(found.off_s, ==, off_s);
}

static void test_nothing_noted(World *world, gconstpointer data)
{
	(void)data;
	expect(world, TRUE, 0, 0);
	keep(world, FALSE); /* the first note is not for a watcher to make */
	util_clock_fake_set(world->clock, NOON + HOUR);
	expect(world, TRUE, 0, 0);
	keep(world, TRUE);
	expect(world, TRUE, NOON + HOUR, 0);
}

static void test_jumps(World *world, gconstpointer data)
{
	static const struct {
		gint64 by_s;
		gboolean trusted;
	} rows[] = {{0, TRUE},    {60, TRUE},    {61, FALSE},    {-60, TRUE},
		    {-61, FALSE}, {HOUR, FALSE}, {-HOUR, FALSE}, {20 * 365 * 24 * HOUR, FALSE}};
	(void)data;
	note(world);
	util_clock_fake_advance(world->clock, 1000);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		util_clock_fake_set(world->clock, NOON + 1000 + rows[i].by_s);
		expect(world, rows[i].trusted, NOON + 1000, rows[i].trusted ? 0 : rows[i].by_s);
		/* a jump is not forgotten by looking */
		keep(world, TRUE);
		expect(world, rows[i].trusted, NOON + 1000, rows[i].trusted ? 0 : rows[i].by_s);
	}
	/* somebody says that it is right */
	util_clock_fake_set(world->clock, NOON + HOUR);
	note(world);
	expect(world, TRUE, NOON + HOUR, 0);
}

/* What NTP mends bit by bit is no jump, however much it becomes. */
static void test_drift(World *world, gconstpointer data)
{
	(void)data;
	note(world);
	for (guint i = 0; i < 100; i++) {
		util_clock_fake_advance(world->clock, 2 * HOUR);
		util_clock_fake_set(world->clock, util_clock_now_utc(world->clock) + 4);
		keep(world, FALSE);
		StoreClock found;
		store_clock_read(world->dirfd, world->clock, 0, &found);
		g_assert_true(found.trusted);
	}
}

static void test_restart(World *world, gconstpointer data)
{
	(void)data;
	note(world);
	/* a dead clock: not trusted, and it does not become what others are measured by */
	util_clock_fake_reboot(world->clock, 100);
	expect(world, FALSE, 0, 100 - NOON);
	keep(world, TRUE);
	util_clock_fake_advance(world->clock, 10);
	expect(world, FALSE, 0, 110 - NOON);
	/* NTP sets it right: later than before the restart */
	util_clock_fake_set(world->clock, NOON + HOUR);
	expect(world, TRUE, 0, 0);
	keep(world, FALSE);
	expect(world, TRUE, NOON + HOUR, 0);
	util_clock_fake_set(world->clock, NOON);
	expect(world, FALSE, NOON + HOUR, -HOUR);
}

static void contact(World *world, gint64 offset_s)
{
	g_assert_true(store_clock_contact(world->dirfd, world->clock, offset_s * 1000, 0, NULL));
}

static void expect_doubt(World *world, StoreClockDoubt doubt, const char *words)
{
	StoreClock found;
	store_clock_read(world->dirfd, world->clock, 0, &found);
	g_autofree char *why = store_clock_why(&found);
	g_assert_cmpint(found.doubt, ==, doubt);
	g_assert_cmpint(found.trusted, ==, doubt == STORE_CLOCK_SURE);
	g_assert_cmpint(why == NULL, ==, words == NULL);
	g_assert_true(!words || strstr(why, words));
}

/* A fresh base, or one that was started again, ahead by eight hours: central is what it goes by. */
static void test_ahead(World *world, gconstpointer data)
{
	(void)data;
	for (guint i = 0; i < 2; i++) {
		expect_doubt(world, STORE_CLOCK_SURE, NULL); /* nobody can know */
		contact(world, 8 * HOUR);
		expect(world, FALSE, util_clock_now_utc(world->clock) - 8 * HOUR, 8 * HOUR);
		expect_doubt(world, STORE_CLOCK_CENTRAL, "8 h 00 min ahead of central's");
		util_clock_fake_advance(world->clock, 2 * HOUR);
		keep(world, TRUE); /* looking does not mend it */
		expect_doubt(world, STORE_CLOCK_CENTRAL, "8 h 00 min ahead of central's");
		/* NTP sets it right; a later jump is one */
		util_clock_fake_set(world->clock, util_clock_now_utc(world->clock) - 8 * HOUR);
		expect_doubt(world, STORE_CLOCK_SURE, NULL);
		keep(world, TRUE);
		contact(world, 1);
		util_clock_fake_set(world->clock, util_clock_now_utc(world->clock) + 8 * HOUR);
		expect_doubt(world, STORE_CLOCK_JUMPED, "8 h 00 min ahead");
		/* central was asked since, and still does not agree */
		contact(world, 8 * HOUR);
		expect_doubt(world, STORE_CLOCK_JUMPED, "8 h 00 min ahead");
		util_clock_fake_reboot(world->clock, util_clock_now_utc(world->clock));
	}
}

/* Central's clock is wrong. */
static void test_central_wrong(World *world, gconstpointer data)
{
	(void)data;
	contact(world, -60);
	for (guint i = 0; i < 3; i++) {
		/* agreed upon in this run, also if that is long ago: an alarm, no more */
		contact(world, i == 1 ? 8 * HOUR : -8 * HOUR);
		expect_doubt(world, STORE_CLOCK_SURE, NULL);
		util_clock_fake_advance(world->clock, 2 * HOUR);
		keep(world, FALSE);
	}
	/* not in this one */
	util_clock_fake_reboot(world->clock, NOON + 10 * HOUR);
	keep(world, FALSE);
	contact(world, -8 * HOUR);
	expect(world, FALSE, NOON + 18 * HOUR, -8 * HOUR);
	expect_doubt(world, STORE_CLOCK_CENTRAL, "8 h 00 min behind central's");
	/* until an operator says so */
	note(world);
	contact(world, -8 * HOUR);
	expect_doubt(world, STORE_CLOCK_SURE, NULL);
}

static void expect_orders(World *world, gint64 orders_utc, StoreClockDoubt doubt)
{
	StoreClock found;
	store_clock_read(world->dirfd, world->clock, orders_utc, &found);
	g_assert_cmpint(found.doubt, ==, doubt);
	g_assert_cmpint(found.trusted, ==, doubt == STORE_CLOCK_SURE);
	g_assert_cmpint(found.off_s, ==, found.trusted ? 0 : found.now_utc - orders_utc);
}

/* An order from later than the clock says. */
static void test_orders(World *world, gconstpointer data)
{
	const gint64 hour = NOON + HOUR;
	(void)data;
	expect_orders(world, NOON + 60, STORE_CLOCK_SURE);
	expect_orders(world, NOON + 61, STORE_CLOCK_ORDERS);
	note(world);
	expect_orders(world, hour, STORE_CLOCK_ORDERS);
	/* that order says no more, also after a restart; a newer one does */
	g_assert_true(store_clock_note(world->dirfd, world->clock, hour, NULL));
	for (guint i = 0; i < 2; i++) {
		expect_orders(world, hour, STORE_CLOCK_SURE);
		expect_orders(world, hour + 1, STORE_CLOCK_ORDERS);
		util_clock_fake_reboot(world->clock, NOON + 1);
		keep(world, FALSE);
	}
	/* central that does not agree leaves that alone, one that agrees knows of them all */
	contact(world, 8 * HOUR);
	util_clock_fake_set(world->clock, NOON + 1 - 8 * HOUR);
	expect_orders(world, hour, STORE_CLOCK_SURE);
	g_assert_true(store_clock_contact(world->dirfd, world->clock, 0, hour + 1, NULL));
	expect_orders(world, hour + 1, STORE_CLOCK_SURE);
}

static void test_damaged(World *world, gconstpointer data)
{
	static const char *const texts[] = {"", "no trailers", "Boot: x\n",
					    "Boot: x\nBoot-Us: -1\n"};
	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_assert_true(util_fs_write_file(world->dirfd, "clock", texts[i], strlen(texts[i]),
						 0644, NULL));
		expect(world, TRUE, 0, 0);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/store/clock/" name, World, NULL, setup, function, teardown)
	ADD("nothing-noted", test_nothing_noted);
	ADD("jumps", test_jumps);
	ADD("drift", test_drift);
	ADD("restart", test_restart);
	ADD("ahead", test_ahead);
	ADD("central-wrong", test_central_wrong);
	ADD("orders", test_orders);
	ADD("damaged", test_damaged);
#undef ADD
	return g_test_run();
}
