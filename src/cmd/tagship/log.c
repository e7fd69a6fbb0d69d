/* SPDX-License-Identifier: ISC */
/* Jobs, their logs, and the record of a release. */
#include <unistd.h>

#include "status/status.h"
#include "cmd/tagship/tagship.h"

#define FOLLOW_POLL_US (150 * 1000)

/* Prints what came since *offset. */
static void print_more(Central *central, const char *path, off_t *offset)
{
	util_autofd int fd = openat(central->dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char buffer[16384];
	ssize_t n = 0;
	while (fd >= 0 && (n = pread(fd, buffer, sizeof buffer, *offset)) > 0) {
		(void)fwrite(buffer, 1, (gsize)n, stdout); /* a closed pipe ends us by signal */
		*offset += n;
	}
	(void)fflush(stdout); /* as above */
}

int cmd_follow_job(Central *central, const char *job_id, gboolean follow, GError **error)
{
	off_t offset = 0;
	gint64 attempt = -1;
	gboolean said = FALSE;
	for (;;) {
		g_autoptr(Job) job = store_job_read(central->queue_dirfd, job_id, error);
		if (!job)
			return 1;
		g_autofree char *path = job_log_name(job->id, job->attempt);
		if (job->attempt != attempt)
			offset = 0;
		attempt = job->attempt;
		if (job->state != JOB_QUEUED)
			print_more(central, path, &offset);
		if (job->state == JOB_DONE)
			return 0;
		if (job->state == JOB_FAILED)
			return 1;
		if (job->state == JOB_QUEUED && !publish_worker_running(central) && !said) {
			g_printerr("job %s is queued and no worker runs: tagship -C %s worker\n",
				   job->id, central->path);
			said = TRUE;
		}
		if (!follow)
			return 0;
		g_usleep(FOLLOW_POLL_US);
	}
}

static int list_jobs(Cmd *cmd, Central *central, GError **error)
{
	g_autoptr(GPtrArray) jobs = store_job_list(central->queue_dirfd, error);
	if (!jobs)
		return 1;
	static const char *const heads[] = {"JOB",   "STATE",  "PHASE", "TRIES",
					    "SINCE", "PUSHER", "WHY",   NULL};
	g_autoptr(CmdTable) table = cmd_table_new(heads);
	g_autoptr(JsonBuilder) json = json_builder_new();
	json_builder_begin_array(json);
	for (guint i = 0; i < jobs->len; i++) {
		const Job *job = g_ptr_array_index(jobs, i);
		g_autofree char *since = util_time_format_utc(job->created_utc);
		g_autofree char *tries = g_strdup_printf("%" G_GINT64_FORMAT, job->attempt);
		cmd_table_row(table, job->id, job_state_name(job->state), job->phase, tries, since,
			      job->pusher, job->reason, NULL);
		const char *const members[][2] = {
		    {"job", job->id},       {"state", job_state_name(job->state)},
		    {"phase", job->phase},  {"app", job->app},
		    {"ref", job->ref},      {"created", since},
		    {"reason", job->reason}};
		json_builder_begin_object(json);
		for (guint m = 0; m < G_N_ELEMENTS(members); m++) {
			g_autofree char *safe =
			    util_text_printable(members[m][1] ? members[m][1] : "", -1);
			json_builder_set_member_name(json, members[m][0]);
			json_builder_add_string_value(json, safe);
		}
		json_builder_set_member_name(json, "attempt");
		json_builder_add_int_value(json, job->attempt);
		json_builder_end_object(json);
	}
	json_builder_end_array(json);
	cmd_print_list(cmd, json, table);
	return 0;
}

static void print_nodes(const PublishTarget *target)
{
	for (guint i = 0; i < target->nodes->len; i++) {
		const ReportNode *node = g_ptr_array_index(target->nodes, i);
		g_autofree char *when = util_time_format_utc(node->time_utc);
		g_autofree char *detail = util_text_printable(node->detail, -1);
		if (!node->reported) {
			g_print("    node %-11s nothing reported yet\n", node->name);
			continue;
		}
		g_print("    node %-11s %s %s", node->name, report_event_name(node->event), when);
		if (node->outage_ms >= 0)
			g_print(", outage %.2f s", (double)node->outage_ms / 1000);
		g_print("%s%s\n", *detail ? ": " : "", detail);
	}
}

static void print_target(const PublishTarget *target, guint waves)
{
	g_autofree char *when = target->reported ? util_time_format_utc(target->event_utc) : NULL;
	g_autofree char *detail = util_text_printable(target->detail ? target->detail : "", -1);
	if (waves > 1)
		g_print("  wave %u", target->wave);
	g_print("  %-16s %-24s %s %s", target->base, target->local_text,
		target->reported ? report_event_name(target->event)
		: target->seq    ? "ordered"
				 : "not ordered",
		when ? when : "");
	if (target->outage_ms >= 0)
		g_print(", outage %.2f s", (double)target->outage_ms / 1000);
	g_print("%s%s\n", *detail ? ": " : "", detail);
	if (target->trouble)
		g_print("    its ledger cannot be read, nothing of it is known: %s\n",
			target->trouble);
	print_nodes(target);
	if (!target->log_end || !*target->log_end)
		return;
	g_auto(GStrv) lines = g_strsplit(target->log_end, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		g_autofree char *safe = util_text_printable(lines[i], -1);
		g_print("    | %s\n", safe);
	}
}

/* How well a name fits: by tag before by version before by id. */
static guint fits(const PublishRelease *release, const char *name)
{
	if (g_strcmp0(release->tag, name) == 0)
		return 3;
	if (g_strcmp0(release->version, name) == 0)
		return 2;
	return strlen(name) >= 7 && g_str_has_prefix(release->release, name) ? 1 : 0;
}

/* The newest of those that fit best. */
static PublishRelease *find_release(Central *central, const char *app, const char *name,
				    GError **error)
{
	g_autoptr(GPtrArray) releases = publish_releases(central, NULL, app, 0, error);
	const PublishRelease *best = NULL;
	for (guint i = 0; releases && i < releases->len; i++) {
		const PublishRelease *release = g_ptr_array_index(releases, i);
		if (fits(release, name) > (best ? fits(best, name) : 0))
			best = release;
	}
	if (best)
		return publish_release(central, app, best->release, error);
	if (releases)
		util_error_set(error, TS_ERROR_NOT_FOUND,
			       "no release %s of app %s; see tagship plan list and tagship log",
			       name, app);
	return NULL;
}

/* Lines of a decision that say what happened to one base. */
static void print_left_out(const LibraryDecision *decision)
{
	for (guint i = 0; i < util_trailers_count(decision->text); i++) {
		if (strcmp(util_trailers_key(decision->text, i), "Left-Out") != 0)
			continue;
		/* "BASE WHY" */
		g_autofree char *safe =
		    util_text_printable(util_trailers_value(decision->text, i), -1);
		gsize base = strcspn(safe, " ");
		g_print("    %.*s not ordered: %s\n", (int)base, safe,
			safe[base] ? safe + base + 1 : "");
	}
}

static void print_decision(const LibraryDecision *decision)
{
	g_autofree char *when = util_time_format_utc(decision->time_utc);
	const char *reason = util_trailers_get(decision->text, "Reason");
	const char *override = util_trailers_get(decision->text, "Override");
	g_autofree char *safe = util_text_printable(reason ? reason : "", -1);
	const char *wave = g_str_has_prefix(decision->decision, "gate-")
			       ? util_trailers_get(decision->text, "Wave")
			       : NULL;
	const char *base = strcmp(decision->decision, "cancelled") == 0
			       ? util_trailers_get(decision->text, "Base")
			       : NULL;
	g_print("  %s %s%s%s%s%s%s%s\n", when, decision->decision, wave ? ", wave " : "",
		wave ? wave : "", base ? " at " : "", base ? base : "", *safe ? ": " : "", safe);
	if (override) {
		g_autofree char *why = util_text_printable(override, -1);
		g_print("    freezes do not count: %s\n", why);
	}
	print_left_out(decision);
}

static int show_release(Cmd *cmd, Central *central, GError **error)
{
	g_autoptr(PublishRelease) release =
	    find_release(central, cmd->argv[1], cmd->argv[2], error);
	if (!release)
		return 1;
	if (cmd->json) {
		g_autoptr(JsonBuilder) json = json_builder_new();
		status_release_to_json(release, json);
		cmd_print_json(json);
		return 0;
	}
	g_autofree char *title = util_text_printable(release->title ? release->title : "", -1);
	g_autofree char *tagger = util_text_printable(release->tagger ? release->tagger : "", -1);
	g_print("%s %s: %s\n  %s\n  tag %s by %s, release %s, job %s\n  pushed by %s, %s%s\n",
		release->app, release->version, release->state, title, release->tag, tagger,
		release->release, release->job ? release->job : "-",
		release->pusher && *release->pusher ? release->pusher : "somebody",
		release->signer ? "signed by " : "not signed",
		release->signer ? release->signer : "");
	if (release->root)
		g_print("  root %s\n", release->root);
	g_autoptr(GPtrArray) decisions =
	    library_decisions(central->library, release->app, release->release, error);
	if (!decisions)
		return 1;
	for (guint i = 0; i < decisions->len; i++)
		print_decision(g_ptr_array_index(decisions, i));
	for (guint i = 0; i < release->targets->len; i++)
		print_target(g_ptr_array_index(release->targets, i), release->waves);
	return 0;
}

static int list_releases(Cmd *cmd, Central *central, const char *app, GError **error)
{
	static const char *const heads[] = {"VERSION", "STATE", "TAG", "TAKEN IN",
					    "TAGGER",  "TITLE", NULL};
	g_autoptr(GPtrArray) releases = publish_releases(central, NULL, app, 0, error);
	if (!releases)
		return 1;
	g_autoptr(CmdTable) table = cmd_table_new(heads);
	g_autoptr(JsonBuilder) json = json_builder_new();
	json_builder_begin_array(json);
	for (guint i = 0; i < releases->len; i++) {
		const PublishRelease *release = releases->pdata[i];
		g_autofree char *taken = util_time_format_utc(release->taken_utc);
		cmd_table_row(table, release->version ? release->version : "-", release->state,
			      release->tag ? release->tag : "-", taken,
			      release->tagger ? release->tagger : "-",
			      release->title ? release->title : "", NULL);
		status_release_to_json(release, json);
	}
	json_builder_end_array(json);
	cmd_print_list(cmd, json, table);
	return 0;
}

int cmd_log(Cmd *cmd, GError **error)
{
	gboolean follow = FALSE;
	const GOptionEntry own[] = {
	    {"follow", 'f', 0, G_OPTION_ARG_NONE, &follow, "Until the job ends", NULL},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 0, 2, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central)
		return 1;
	if (cmd->argc == 1)
		return list_jobs(cmd, central, error);
	if (cmd->argc == 3)
		return show_release(cmd, central, error);
	g_auto(GStrv) apps = conf_app_names(central->dirfd, error);
	if (!apps)
		return 1;
	if (g_strv_contains((const char *const *)apps, cmd->argv[1]))
		return list_releases(cmd, central, cmd->argv[1], error);
	int status = cmd_follow_job(central, cmd->argv[1], follow, error);
	return follow || (error && *error) ? status : 0;
}

int cmd_wait(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	return central ? cmd_follow_job(central, cmd->argv[1], TRUE, error) : 1;
}

static gboolean check_target(const PublishRelease *release, const char *base, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	for (guint i = 0; i < release->targets->len; i++) {
		const PublishTarget *target = g_ptr_array_index(release->targets, i);
		if (!base || strcmp(target->base, base) == 0)
			return TRUE;
		g_ptr_array_add(names, target->base);
	}
	if (base && strcmp(release->state, "queued") == 0)
		return util_error_set(error, TS_ERROR_AGAIN,
				      "%s %s is queued, and its bases are known when its job has "
				      "begun; try again then, or cancel it as a whole",
				      release->app, release->tag);
	g_ptr_array_add(names, NULL);
	const char *near = base ? util_text_nearest(base, (const char *const *)names->pdata) : NULL;
	return !base ||
	       util_error_set(error, TS_ERROR_NOT_FOUND, "%s %s is not for a base \"%s\"%s%s%s",
			      release->app, release->tag, base, near ? "; did you mean \"" : "",
			      near ? near : "", near ? "\"?" : "");
}

static int cancel_release(Cmd *cmd, Central *central, const char *base, GError **error)
{
	g_autoptr(PublishRelease) release =
	    find_release(central, cmd->argv[1], cmd->argv[2], error);
	if (!release || !check_target(release, base, error))
		return 1;
	g_autofree char *who = cmd_who();
	g_autofree char *reason = g_strdup_printf("cancelled by %s on central", who);
	if (!publish_cancel(central, release->app, release->release, base, reason, error) ||
	    !cmd_see_to_it(cmd, central, error))
		return 1;
	cmd_say(
	    cmd,
	    "cancel of %s %s is recorded%s%s; a base past its commit point will answer too-late "
	    "(tagship log %s %s)",
	    release->app, release->tag, base ? " for " : "", base ? base : "", release->app,
	    release->tag);
	return 0;
}

int cmd_cancel(Cmd *cmd, GError **error)
{
	g_autofree char *base = NULL;
	const GOptionEntry own[] = {
	    {"base", 0, 0, G_OPTION_ARG_STRING, &base, "Only at this base", "BASE"},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 2, 2, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	return central ? cancel_release(cmd, central, base, error) : 1;
}
