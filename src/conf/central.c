/* SPDX-License-Identifier: ISC */
/* STATE/central.cfg. */
#include "conf/conf-private.h"

#define FILE_NAME "central.cfg"
#define AT(field) G_STRUCT_OFFSET(ConfCentral, field)

static const char *const worker_choices[] = {"hook", "service", NULL};

static const ConfKey keys[] = {
    {.name = "worker",
     .help = "Who starts the worker: \"hook\" (the push does; it ends when idle) or \"service\"",
     .kind = CONF_TEXT,
     .offset = AT(worker),
     .fallback_text = "hook",
     .choices = worker_choices},
    {.name = "push_wait",
     .help = "Seconds a push waits for its build and shows the log; then it detaches",
     .kind = CONF_INT,
     .offset = AT(push_wait_s),
     .max = 86400,
     .fallback = 300},
    {.name = "lead",
     .help = "Least seconds from a push to its go-live; a plan for an earlier time is refused",
     .kind = CONF_INT,
     .offset = AT(lead_s),
     .max = 604800},
    {.name = "gate_lead",
     .help = "Seconds before the first go-live at which a release's gate is decided",
     .kind = CONF_INT,
     .offset = AT(gate_lead_s),
     .min = 1,
     .max = 86400,
     .fallback = 600},
    {.name = "line_kbit",
     .help = "Line rate in kbit/s assumed for bases that give none of their own",
     .kind = CONF_INT,
     .offset = AT(line_kbit),
     .min = 1,
     .max = 10000000,
     .fallback = 1000},
    {.name = "min_free_mb",
     .help = "Builds and bundles stop when the disk has fewer megabytes free",
     .kind = CONF_INT,
     .offset = AT(min_free_mb),
     .max = 10000000,
     .fallback = 256},
    {.name = "keep_logs_days",
     .help = "Days for which job logs are kept",
     .kind = CONF_INT,
     .offset = AT(keep_logs_days),
     .min = 1,
     .max = 3650,
     .fallback = 90},
    {.name = "keep_versions",
     .help = "Versions of each app kept in the library, beside those in use",
     .kind = CONF_INT,
     .offset = AT(keep_versions),
     .max = 100000,
     .fallback = 20},
    {.name = "freeze",
     .help = "Times in which nothing may activate, by each base's clock: \"Fri 16:00 to Mon 06:00 "
	     "weekend\", \"2026-12-24 to 2026-12-26 Christmas\"",
     .kind = CONF_LIST,
     .offset = AT(freeze),
     .check = conf_check_not_empty},
    {.name = "zone_dir",
     .help = "Folder of the time zone database, with its tzdata.zi",
     .kind = CONF_TEXT,
     .offset = AT(zone_dir),
     .fallback_text = "/usr/share/zoneinfo",
     .check = conf_check_path},
    {.name = "serve_url",
     .help = "ssh://user@host[:port]/state as bases reach this folder; for `join` lines; may be "
	     "empty",
     .kind = CONF_TEXT,
     .offset = AT(serve_url),
     .fallback_text = "",
     .check = conf_check_serve_url},
    {.name = "board",
     .help = "Folder in which the worker keeps the board, a static site of all this; may be empty",
     .kind = CONF_TEXT,
     .offset = AT(board),
     .fallback_text = "",
     .check = conf_check_board},
    CONF_NOTIFY_KEYS("a base"),
};

static const ConfTable table = {
    .keys = keys, .n_keys = G_N_ELEMENTS(keys), .size = sizeof(ConfCentral)};

ConfCentral *conf_central_load(int state_dirfd, GError **error)
{
	g_autoptr(ConfCentral) conf = g_new0(ConfCentral, 1);
	g_autoptr(GError) problem = NULL;

	conf_table_defaults(&table, conf);
	if (!conf_table_load(&table, state_dirfd, FILE_NAME, conf, &problem) &&
	    !g_error_matches(problem, TS_ERROR, TS_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&problem));
		return NULL;
	}
	return g_steal_pointer(&conf);
}

void conf_central_free(ConfCentral *conf)
{
	if (!conf)
		return;
	conf_table_clear(&table, conf);
	g_free(conf);
}

char *conf_central_template(void)
{
	static const char *const live[] = {NULL};
	g_autoptr(ConfCentral) conf = g_new0(ConfCentral, 1);
	GString *text = g_string_new("# tagship central: every key, at its default. See "
				     "tagship.cfg(5).\n\n");

	conf_table_defaults(&table, conf);
	conf_table_format(&table, conf, live, "", text);
	return g_string_free(text, FALSE);
}
