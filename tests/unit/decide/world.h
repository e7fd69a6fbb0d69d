/* SPDX-License-Identifier: ISC */
/* Orders and journal records of the app "shop", for the tests of what a base decides. */
#pragma once

#include "decide/base.h"

#define NOON G_GINT64_CONSTANT(1800000000)
#define GRACE 1800

static const char root_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char root_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/* "1" -> forty times that digit */
static inline char *release_id(char digit)
{
	return g_strnfill(40, digit);
}

static inline Order *make_order(char digit, gint64 at_utc, guint64 seq)
{
	Order *order = order_new(ORDER_KIND_ORDER);
	order->release = release_id(digit);
	order->app = g_strdup("shop");
	order->version = g_strdup_printf("v%c", digit);
	order->root = g_strdup(root_a);
	order->at_utc = at_utc;
	order->grace_s = GRACE;
	order->seq = seq;
	return order;
}

static inline void give(DecideApp *app, char digit, gint64 at_utc, guint64 seq)
{
	g_autoptr(Order) order = make_order(digit, at_utc, seq);
	decide_app_order(app, order, FALSE, 0, NULL);
}

/* Folds "Event" and further keys, given as "Key", "value", ..., NULL. */
static inline gboolean record(DecideApp *app, char digit, const char *event, ...)
{
	g_autoptr(UtilTrailers) t = util_trailers_new();
	g_autofree char *release = release_id(digit);
	g_autoptr(GError) error = NULL;
	util_trailers_add(t, "Event", event);
	util_trailers_add_time(t, "Time", NOON);
	if (digit != '-') {
		util_trailers_add(t, "Release", release);
		util_trailers_add_int(t, "Seq", 1);
	}
	va_list args;
	va_start(args, event);
	for (const char *key = NULL; (key = va_arg(args, const char *));)
		util_trailers_add(t, key, va_arg(args, const char *));
	va_end(args);
	gboolean ok = decide_app_record(app, t, &error);
	if (!ok)
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	return ok;
}

/* Every key that any event wants. */
static inline gboolean event(DecideApp *app, char digit, const char *name)
{
	return record(app, digit, name, "Root", root_a, "Tree", "v1-aaaaaaaa", "Attempt", "1", "At",
		      "2027-01-15T08:00:00Z", "Outage-Ms", "5", "Reason", "why", "Key", "k",
		      "Version", "v1", NULL);
}

static inline DecideStep next(const DecideApp *app, gint64 now_utc, gboolean stage)
{
	DecideFacts facts = {.now_utc = now_utc, .clock_trusted = TRUE};
	DecideStep step;
	decide_app_next(app, &facts, stage, &step);
	return step;
}

static inline void go_live(DecideApp *app, char digit, gint64 at_utc)
{
	g_autofree char *at = util_time_format_utc(at_utc);
	g_autofree char *tree = g_strdup_printf("v%c-aaaaaaaa", digit);
	g_autofree char *version = g_strdup_printf("v%c", digit);
	g_assert_true(record(app, digit, "live", "Root", root_a, "Tree", tree, "At", at, "Version",
			     version, "Outage-Ms", "10", NULL));
}

static inline OrderState state_of(const DecideApp *app, char digit)
{
	g_autofree char *id = release_id(digit);
	return decide_app_find(app, id)->state;
}
