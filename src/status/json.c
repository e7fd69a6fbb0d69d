/* SPDX-License-Identifier: ISC */
#include "status/status.h"

static void add_text(JsonBuilder *builder, const char *name, const char *value)
{
	json_builder_set_member_name(builder, name);
	if (!value) {
		json_builder_add_null_value(builder);
	} else if (g_utf8_validate(value, -1, NULL)) {
		json_builder_add_string_value(builder, value);
	} else {
		g_autofree char *safe = util_text_printable(value, -1);
		json_builder_add_string_value(builder, safe);
	}
}

static void add_time(JsonBuilder *builder, const char *name, gint64 utc)
{
	g_autofree char *text = utc ? util_time_format_utc(utc) : NULL;
	add_text(builder, name, text);
}

static void add_int(JsonBuilder *builder, const char *name, gint64 value)
{
	json_builder_set_member_name(builder, name);
	json_builder_add_int_value(builder, value);
}

static void add_bool(JsonBuilder *builder, const char *name, gboolean value)
{
	json_builder_set_member_name(builder, name);
	json_builder_add_boolean_value(builder, value);
}

static void add_nodes(JsonBuilder *builder, const StatusCell *cell)
{
	json_builder_set_member_name(builder, "nodes");
	json_builder_begin_array(builder);
	for (guint i = 0; i < cell->nodes->len; i++) {
		const StatusNode *node = g_ptr_array_index(cell->nodes, i);
		json_builder_begin_object(builder);
		add_text(builder, "node", node->name);
		add_text(builder, "live_version", node->live_version);
		add_time(builder, "live_since", node->live_since_utc);
		add_text(builder, "last_version", node->version);
		add_text(builder, "last_state", node->state);
		add_text(builder, "last_detail", node->detail);
		add_time(builder, "last_at", node->utc);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static void add_cell(JsonBuilder *builder, const StatusCell *cell)
{
	json_builder_begin_object(builder);
	add_text(builder, "app", cell->app);
	add_text(builder, "base", cell->base);
	add_text(builder, "zone", cell->zone);
	add_text(builder, "live_version", cell->live_version);
	add_time(builder, "live_since", cell->live_since_utc);
	add_text(builder, "next_version", cell->next_version);
	add_text(builder, "next_state", cell->next_state);
	add_text(builder, "next_waits", cell->next_waits);
	add_time(builder, "next_at", cell->next_version ? cell->next_at_utc : 0);
	add_bool(builder, "next_is_now", cell->next_is_now);
	add_text(builder, "next_local", cell->next_local);
	add_int(builder, "sent_bytes", (gint64)cell->sent_bytes);
	add_int(builder, "bundle_bytes", (gint64)cell->bundle_bytes);
	add_time(builder, "arrives", cell->arrives_utc);
	add_text(builder, "last_version", cell->last_version);
	add_text(builder, "last_state", cell->last_state);
	add_text(builder, "last_detail", cell->last_detail);
	add_time(builder, "last_at", cell->last_utc);
	add_time(builder, "heard", cell->heard_utc);
	add_time(builder, "silent_since", cell->silent_since_utc);
	add_text(builder, "down_version", cell->down_version);
	add_text(builder, "held", cell->held);
	add_bool(builder, "stopped", cell->stopped);
	add_bool(builder, "overdue", cell->overdue);
	add_nodes(builder, cell);
	json_builder_end_object(builder);
}

void status_to_json(const Status *status, JsonBuilder *builder)
{
	json_builder_begin_object(builder);
	add_bool(builder, "worker_running", status->worker_running);
	add_int(builder, "jobs_waiting", status->jobs_waiting);
	add_text(builder, "job_running", status->job_running);
	json_builder_set_member_name(builder, "cells");
	json_builder_begin_array(builder);
	for (guint i = 0; i < status->cells->len; i++)
		add_cell(builder, g_ptr_array_index(status->cells, i));
	json_builder_end_array(builder);
	json_builder_set_member_name(builder, "trouble");
	json_builder_begin_array(builder);
	for (guint i = 0; i < status->trouble->len; i++) {
		g_autofree char *safe =
		    util_text_printable(g_ptr_array_index(status->trouble, i), -1);
		json_builder_add_string_value(builder, safe);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
}

char *status_json_text(const Status *status)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	status_to_json(status, builder);
	g_autoptr(JsonNode) root = json_builder_get_root(builder);
	return json_to_string(root, TRUE);
}

static const char *target_state(const PublishTarget *target)
{
	switch (target->state) {
	case CENTRAL_NOT_ORDERED:
		return "not-ordered";
	case CENTRAL_ORDERED:
		return "ordered";
	case CENTRAL_STAGED:
		return "staged";
	case CENTRAL_CANCEL_ASKED:
		return "cancel-asked";
	case CENTRAL_ENDED:
		return report_event_name(target->event);
	}
	return "?";
}

static void add_target_nodes(JsonBuilder *builder, const PublishTarget *target)
{
	json_builder_set_member_name(builder, "nodes");
	json_builder_begin_array(builder);
	for (guint i = 0; i < target->nodes->len; i++) {
		const ReportNode *node = g_ptr_array_index(target->nodes, i);
		json_builder_begin_object(builder);
		add_text(builder, "node", node->name);
		add_text(builder, "state", node->reported ? report_event_name(node->event) : NULL);
		add_time(builder, "reported", node->reported ? node->time_utc : 0);
		add_int(builder, "outage_ms", node->outage_ms);
		add_text(builder, "detail", node->detail);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static void add_target(JsonBuilder *builder, const PublishRelease *release,
		       const PublishTarget *target)
{
	json_builder_begin_object(builder);
	add_text(builder, "base", target->base);
	add_text(builder, "zone", target->zone);
	add_time(builder, "at", target->at_utc);
	add_text(builder, "local", target->local_text);
	add_text(builder, "state", target_state(target));
	add_time(builder, "reported", target->reported ? target->event_utc : 0);
	add_int(builder, "outage_ms", target->outage_ms);
	add_text(builder, "detail", target->detail);
	add_int(builder, "seq", (gint64)target->seq);
	add_int(builder, "bundle_bytes", (gint64)target->bundle_bytes);
	add_text(builder, "codec", target->codec);
	add_time(builder, "arrival", target->arrival_utc);
	add_int(builder, "wave", target->wave);
	add_text(builder, "cut_off",
		 plan_cut_off_hold(release->cut_off, release->gate, target->wave) ? "hold" : "go");
	add_text(builder, "left_out", target->left_out);
	add_text(builder, "trouble", target->trouble);
	add_target_nodes(builder, target);
	json_builder_end_object(builder);
}

/* Central's words so far; a wave without one waits, or needs none. */
static void add_gates(JsonBuilder *builder, const PublishRelease *release)
{
	json_builder_set_member_name(builder, "gates");
	json_builder_begin_array(builder);
	for (guint i = 0; i < release->gates->len; i++) {
		const PublishGate *gate = g_ptr_array_index(release->gates, i);
		json_builder_begin_object(builder);
		add_int(builder, "wave", gate->wave);
		add_bool(builder, "open", gate->open);
		add_text(builder, "reason", gate->reason);
		add_time(builder, "decided", gate->decided_utc);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

void status_release_to_json(const PublishRelease *release, JsonBuilder *builder)
{
	json_builder_begin_object(builder);
	add_text(builder, "app", release->app);
	add_text(builder, "release", release->release);
	add_text(builder, "tag", release->tag);
	add_text(builder, "version", release->version);
	add_text(builder, "title", release->title);
	add_text(builder, "state", release->state);
	add_text(builder, "reason", release->reason);
	add_text(builder, "job", release->job);
	add_text(builder, "tagger", release->tagger);
	add_text(builder, "pusher", release->pusher);
	add_text(builder, "signer", release->signer);
	add_text(builder, "root", release->root);
	add_time(builder, "accepted", release->accepted_utc);
	add_bool(builder, "now", release->is_now);
	g_autofree char *gate = plan_gate_format(release->gate, release->quorum_percent);
	add_text(builder, "gate", gate);
	add_int(builder, "waves", release->waves);
	add_text(builder, "override", release->override);
	add_gates(builder, release);
	json_builder_set_member_name(builder, "targets");
	json_builder_begin_array(builder);
	for (guint i = 0; i < release->targets->len; i++)
		add_target(builder, release, g_ptr_array_index(release->targets, i));
	json_builder_end_array(builder);
	json_builder_end_object(builder);
}
