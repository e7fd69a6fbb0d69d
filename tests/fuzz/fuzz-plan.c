/* SPDX-License-Identifier: ISC */
/*
 * Raw tag objects, and the same bytes as a message. What parses is compiled, and a refusal must be
 * one that can be shown: valid UTF-8, no control characters, not endless.
 */
#include "plan/plan.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static const char *const groups[] = {"asia", "tropics", NULL};
static const PlanBase bases[] = {
    {"haikou", "Asia/Shanghai", groups, TRUE, NULL},
    {"berlin", "Europe/Berlin", NULL, TRUE, NULL},
    {"depot", "America/Sao_Paulo", groups, FALSE, NULL},
};
static const char *const apps[] = {"shop", NULL};
static const char *const versions[] = {"v1.2.0", "v1.3.0", NULL};

static void check_error(const GError *error)
{
	g_assert(g_utf8_validate(error->message, -1, NULL));
	g_assert(strlen(error->message) < 32 * 1024);
	for (const char *p = error->message; *p; p++)
		g_assert(((guchar)*p >= ' ' && *p != 0x7f) || *p == '\n');
}

static void try_compile(const Plan *plan)
{
	const gint64 now = 1795504800; /* 2026-11-24T07:20:00Z */
	g_autoptr(GPtrArray) freezes =
	    g_ptr_array_new_with_free_func((GDestroyNotify)plan_freeze_free);
	g_ptr_array_add(freezes, plan_freeze_parse("Fri 16:00 to Mon 06:00 weekend", NULL));
	PlanFacts facts = {.bases = bases,
			   .n_bases = G_N_ELEMENTS(bases),
			   .app_names = apps,
			   .versions = versions,
			   .zone_dir = "/usr/share/zoneinfo",
			   .freezes = freezes,
			   .outage_s = 300,
			   .gate_lead_s = 600,
			   .now_utc = now,
			   .pushed_utc = now};
	g_autoptr(GError) error = NULL;
	g_autoptr(PlanTable) table = plan_compile(plan, "v1.4.0", &facts, &error);
	g_assert((table != NULL) == (error == NULL));
	if (!table) {
		check_error(error);
		return;
	}
	g_autofree char *text = plan_table_format(table, now);
	g_assert(table->targets->len > 0 && strlen(text) > 0);
	for (guint i = 0; i < table->targets->len; i++) {
		const PlanTarget *target = g_ptr_array_index(table->targets, i);
		g_assert(table->is_now || target->at_utc > now);
	}
}

/* The same bytes as a freeze, and as a gate. */
static void try_words(const char *text)
{
	PlanGate gate;
	guint percent = 0;
	g_autoptr(GError) error = NULL;
	g_autoptr(PlanFreeze) freeze = plan_freeze_parse(text, &error);
	g_assert((freeze != NULL) == (error == NULL));
	if (error)
		check_error(error);
	if (!plan_gate_parse(text, &gate, &percent))
		return;
	g_autofree char *again = plan_gate_format(gate, percent);
	g_assert(strcmp(again, text) == 0);
}

static void try_message(const char *message, gsize len)
{
	g_autoptr(Plan) plan = NULL;
	g_autoptr(GError) error = NULL;
	gboolean ok = plan_parse(message, len, &plan, &error);
	g_assert(ok == (error == NULL));
	g_assert(ok || !plan);
	if (error)
		check_error(error);
	if (plan)
		try_compile(plan);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	g_autofree char *words = g_strndup((const char *)data, MIN(size, 200));
	try_words(words);
	/* a copy of exactly this size, so that the sanitizer sees a read behind it */
	g_autofree char *copy = g_memdup2(data, size);
	g_autoptr(GError) error = NULL;
	g_autoptr(PlanTag) tag = plan_tag_parse(copy ? copy : "", size, &error);
	g_assert((tag != NULL) == (error == NULL));
	if (tag) {
		g_assert(strlen(tag->message) == tag->message_len);
		try_message(tag->message, tag->message_len);
	} else {
		check_error(error);
	}
	try_message(copy ? copy : "", size);
	return 0;
}
