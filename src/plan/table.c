/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

enum { COLUMNS = 4 };

static char *time_left(const PlanTable *table, const PlanTarget *target, gint64 now_utc)
{
	if (table->is_now)
		return g_strdup("now (as soon as staged)");
	gint64 left = target->at_utc - now_utc;
	g_autofree char *text = util_text_duration(ABS(left));
	return left >= 0 ? g_strdup_printf("in %s", text) : g_strdup_printf("%s ago", text);
}

static void append_row(GString *out, const char *const *cells, const int *widths)
{
	for (guint i = 0; i < COLUMNS; i++)
		g_string_append_printf(out, "%-*s%s", i + 1 < COLUMNS ? widths[i] : 0, cells[i],
				       i + 1 < COLUMNS ? "  " : "\n");
}

char *plan_table_format(const PlanTable *table, gint64 now_utc)
{
	static const char *const head[COLUMNS] = {"base", "local time", "UTC", "time left"};
	/* all cells are ASCII: names, and times without names of zones */
	int widths[COLUMNS] = {4, 26, 20, 0};
	GString *out = g_string_new(NULL);
	for (guint i = 0; i < table->targets->len; i++) {
		const PlanTarget *target = g_ptr_array_index(table->targets, i);
		widths[0] = MAX(widths[0], (int)strlen(target->base));
	}
	append_row(out, head, widths);
	for (guint i = 0; i < table->targets->len; i++) {
		const PlanTarget *target = g_ptr_array_index(table->targets, i);
		g_autofree char *utc = util_time_format_utc(target->at_utc);
		g_autofree char *left = time_left(table, target, now_utc);
		const char *cells[COLUMNS] = {target->base, target->local_text, utc, left};
		append_row(out, cells, widths);
	}
	return g_string_free(out, FALSE);
}
