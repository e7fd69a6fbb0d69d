/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

enum { COLUMNS = 5 };

static char *time_left(const PlanTable *table, const PlanTarget *target, gint64 now_utc)
{
	if (table->is_now)
		return g_strdup("now (as soon as staged)");
	gint64 left = target->at_utc - now_utc;
	g_autofree char *text = util_text_duration(ABS(left));
	return left >= 0 ? g_strdup_printf("in %s", text) : g_strdup_printf("%s ago", text);
}

/* The last column is the wave, if there are several. */
static void append_row(GString *out, const char *const *cells, const int *widths, guint columns)
{
	for (guint i = 0; i < columns; i++)
		g_string_append_printf(out, "%-*s%s", i + 1 < columns ? widths[i] : 0, cells[i],
				       i + 1 < columns ? "  " : "\n");
}

char *plan_table_format(const PlanTable *table, gint64 now_utc)
{
	static const char *const head[COLUMNS] = {"base", "local time", "UTC", "time left", "wave"};
	/* all cells are ASCII: names, and times without names of zones */
	int widths[COLUMNS] = {4, 26, 20, 9, 0};
	guint columns = table->waves > 1 ? COLUMNS : COLUMNS - 1;
	GString *out = g_string_new(NULL);
	for (guint i = 0; i < table->targets->len; i++) {
		const PlanTarget *target = g_ptr_array_index(table->targets, i);
		g_autofree char *left = time_left(table, target, now_utc);
		widths[0] = MAX(widths[0], (int)strlen(target->base));
		widths[3] = MAX(widths[3], (int)strlen(left));
	}
	append_row(out, head, widths, columns);
	for (guint i = 0; i < table->targets->len; i++) {
		const PlanTarget *target = g_ptr_array_index(table->targets, i);
		g_autofree char *utc = util_time_format_utc(target->at_utc);
		g_autofree char *left = time_left(table, target, now_utc);
		g_autofree char *wave = g_strdup_printf("%u", target->wave);
		const char *cells[COLUMNS] = {target->base, target->local_text, utc, left, wave};
		append_row(out, cells, widths, columns);
	}
	if (table->gate != PLAN_GATE_ALONE) {
		g_autofree char *gate = plan_gate_format(table->gate, table->quorum_percent);
		g_autofree char *when = util_time_format_utc(table->gate_at_utc);
		g_string_append_printf(out, "gate: %s, decided at %s\n", gate, when);
	}
	return g_string_free(out, FALSE);
}
