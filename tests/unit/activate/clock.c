/* SPDX-License-Identifier: ISC */
/* A waiting base whose clock is set, by hours, back and forth, or dead at boot: never early, never
 * twice, never wrongly missed. */
#include "world.h"

#define HOUR G_GINT64_CONSTANT(3600)
#define STEP_S 300
#define NEVER G_MAXINT64

typedef enum { SET, REBOOT, CONTACT, CONFIRM, FRESH } What;

/* Something happens to the clock `after_s` after the story begins. */
typedef struct {
	gint64 after_s;
	What what;
	gint64 off_s; /* SET, REBOOT: what the clock is off the true time from now on; G_MININT64:
			 1970. CONTACT: what central's is off.
			 FRESH: a base that begins so, instead of right */
} Happening;

/* The story begins two hours before the order's time and ends six after it. */
#define BEGIN (-2 * HOUR)
#define END (6 * HOUR)
#define DEAD G_MININT64

typedef struct {
	const char *name;
	Happening happenings[4];
	gint64 live_s; /* true time after the order's; NEVER: it must not go live */
	const char *state;
} Story;

static const Story stories[] = {
    {"a clock that goes right", {{0}}, 0, "live"},
    {"ahead by 3 hours, for good", {{HOUR, SET, 3 * HOUR}}, 0, "live"},
    {"ahead by 3 hours and right again", {{HOUR, SET, 3 * HOUR}, {HOUR + 1200, SET, 0}}, 0, "live"},
    {"back by 3 hours, for good", {{HOUR, SET, -3 * HOUR}}, 3 * HOUR, "live"},
    {"back by 3 hours and right again", {{HOUR, SET, -3 * HOUR}, {HOUR + 1200, SET, 0}}, 0, "live"},
    {"back by 3 hours, right again when grace is over",
     {{HOUR, SET, -3 * HOUR}, {3 * HOUR, SET, 0}},
     NEVER,
     "missed"},
    {"to and fro",
     {{HOUR, SET, 3 * HOUR}, {HOUR + 600, SET, -2 * HOUR}, {HOUR + 1800, SET, HOUR}},
     0,
     "live"},
    {"ahead by a year and confirmed: an operator's word counts",
     {{HOUR, SET, 365 * 24 * HOUR}, {HOUR + 600, CONFIRM, 0}},
     NEVER,
     "missed"},
    {"ahead by 61 s", {{HOUR, SET, 61}}, 0, "live"},
    {"dead at boot, for good", {{HOUR, REBOOT, DEAD}}, NEVER, "staged"},
    {"dead at boot, set right in time", {{HOUR, REBOOT, DEAD}, {HOUR + 1800, SET, 0}}, 0, "live"},
    {"dead at boot, set right within grace",
     {{HOUR, REBOOT, DEAD}, {2 * HOUR + 1200, SET, 0}},
     1200,
     "live"},
    {"a restart with the clock right", {{HOUR, REBOOT, 0}}, 0, "live"},
    {"back by an hour, and central reached: it does not agree, so both have to say so",
     {{HOUR, SET, -HOUR}, {HOUR + 600, CONTACT, 0}},
     HOUR,
     "live"},
    {"ahead by 8 hours at boot, and central reached",
     {{HOUR, REBOOT, 8 * HOUR}, {HOUR, CONTACT, 0}},
     0,
     "live"},
    {"and set right later",
     {{HOUR, REBOOT, 8 * HOUR}, {HOUR, CONTACT, 0}, {HOUR + 600, SET, 0}},
     0,
     "live"},
    {"ahead by 8 hours at boot, and cut off: it may have been off for as long",
     {{HOUR, REBOOT, 8 * HOUR}},
     NEVER,
     "missed"},
    {"a fresh base ahead by 8 hours", {{0, FRESH, 8 * HOUR}}, 0, "live"},
    {"a fresh base behind by 3 hours: both have to say so",
     {{0, FRESH, -3 * HOUR}},
     3 * HOUR,
     "live"},
    {"a fresh base behind by 3 hours, set right",
     {{0, FRESH, -3 * HOUR}, {HOUR, SET, 0}},
     0,
     "live"},
    {"central wrong by 8 hours, the base agreed upon before",
     {{HOUR, CONTACT, 8 * HOUR}, {HOUR + 600, CONTACT, -8 * HOUR}},
     0,
     "live"},
    {"central ahead by 8 hours, the base just started: both have to say so",
     {{HOUR, REBOOT, 0}, {HOUR, CONTACT, 8 * HOUR}},
     0,
     "live"},
    {"central behind by 3 hours, the base just started: both have to say so",
     {{HOUR, REBOOT, 0}, {HOUR, CONTACT, -3 * HOUR}},
     3 * HOUR,
     "live"},
    {"central behind by 3 hours, the base just started and confirmed",
     {{HOUR, REBOOT, 0},
      {HOUR, CONTACT, -3 * HOUR},
      {HOUR + 600, CONFIRM, 0},
      {HOUR + 900, CONTACT, -3 * HOUR}},
     0,
     "live"},
};

static gint64 clock_says(gint64 true_utc, gint64 off_s)
{
	return off_s == DEAD ? 1000 : true_utc + off_s;
}

static void contact(World *world, gint64 central_utc)
{
	gint64 off_s = util_clock_now_utc(world->clock) - central_utc;
	g_assert_true(store_clock_contact(world->root_dirfd, world->clock, off_s * 1000, 0, NULL));
}

static void happen(World *world, const Happening *happening, gint64 true_utc)
{
	switch (happening->what) {
	case SET:
		util_clock_fake_set(world->clock, clock_says(true_utc, happening->off_s));
		break;
	case REBOOT:
		util_clock_fake_reboot(world->clock, clock_says(true_utc, happening->off_s));
		break;
	case CONTACT:
		contact(world, true_utc + happening->off_s);
		break;
	case CONFIRM:
		g_assert_true(store_clock_note(world->root_dirfd, world->clock, 0, NULL));
		break;
	case FRESH:
		break;
	}
}

/* What tagship-activate does each minute and whenever the clock is set. */
static void look(World *world)
{
	ActivateNeed need = ACTIVATE_IDLE;
	gint64 next_utc = 0;
	g_autoptr(GError) error = NULL;
	ActivateSpec spec = world_spec(world);
	g_assert_true(store_clock_keep(world->root_dirfd, world->clock, FALSE, NULL));
	g_assert_true(activate_look(&spec, &need, &next_utc, &error));
	/* while it waits for its time it knows when to look, or waits for the clock */
	g_assert_true(need != ACTIVATE_IDLE || next_utc == 0 ||
		      next_utc > util_clock_now_utc(world->clock));
	if (need == ACTIVATE_DUE)
		world_due(world);
}

static void run_story(World *world, const Story *story)
{
	gint64 live_s = NEVER;
	const Happening *begin = story->happenings;
	util_clock_fake_set(world->clock, NOON + BEGIN + (begin->what == FRESH ? begin->off_s : 0));
	contact(world, NOON + BEGIN);
	for (gint64 at = BEGIN; at <= END; at += STEP_S) {
		for (guint i = 0; i < G_N_ELEMENTS(story->happenings); i++)
			if (story->happenings[i].after_s &&
			    BEGIN + story->happenings[i].after_s == at)
				happen(world, &story->happenings[i], NOON + at);
		look(world);
		if (live_s == NEVER && strcmp(world_state(world, "v2"), "live") == 0)
			live_s = at;
		util_clock_fake_advance(world->clock, STEP_S);
	}
	g_test_message("%s: live at %+" G_GINT64_FORMAT " s", story->name, live_s);
	g_assert_cmpint(live_s, ==, story->live_s);
	g_assert_cmpstr(world_state(world, "v2"), ==, story->state);
	/* never twice */
	g_autofree char *calls = world_calls(world);
	const char *first = strstr(calls, "start v2");
	g_assert_cmpint(first != NULL, ==, live_s != NEVER);
	g_assert_true(!first || !strstr(first + 1, "start v2"));
}

static void test_stories(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(stories); i++) {
		World world;
		world_setup(&world, NULL);
		util_clock_fake_set(world.clock, NOON + BEGIN - HOUR);
		world_release(&world, "v1", "one", NOON + BEGIN - HOUR);
		world_due(&world);
		g_free(world_calls(&world));
		world_release(&world, "v2", "two", NOON);
		/* central wrote it just before */
		((AcceptedOrder *)world.accepted->pdata[1])->order->written_utc = NOON + BEGIN - 60;
		world_accept(&world);
		run_story(&world, &stories[i]);
		world_teardown(&world, NULL);
	}
}

/* Orders from later than the clock says, of whatever app: not trusted, until somebody says so. */
static void test_orders(void)
{
	World world;
	StoreClock clock;
	DecideFacts facts;
	world_setup(&world, NULL);
	ActivateSpec spec = world_spec(&world);
	g_autoptr(DecideApp) state = decide_app_new("shop");
	world_release(&world, "v1", "one", NOON);
	((AcceptedOrder *)world.accepted->pdata[0])->order->written_utc = NOON + HOUR;
	world_accept(&world);
	/* for another app */
	world.app.name[0] = 'S';
	activate_facts(&spec, &facts);
	g_assert_false(facts.clock_trusted);
	activate_clock(world.root_dirfd, world.clock, &clock);
	g_assert_cmpint(clock.doubt, ==, STORE_CLOCK_ORDERS);
	g_assert_cmpint(clock.off_s, ==, -HOUR);
	g_assert_cmpint(activate_orders_utc(world.root_dirfd), ==, NOON + HOUR);
	/* as `tagship-base clock confirm` does */
	g_assert_true(store_clock_note(world.root_dirfd, world.clock, NOON + HOUR, NULL));
	activate_facts(&spec, &facts);
	g_assert_true(facts.clock_trusted);
	world_teardown(&world, NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/activate/clock/stories", test_stories);
	g_test_add_func("/activate/clock/orders", test_orders);
	return g_test_run();
}
