/* SPDX-License-Identifier: ISC */
#include "order/order-private.h"

#define FORMAT "Tagship-Order"
#define BUNDLE_FIELDS 6
#define CODEC_MAX_BYTES 32

static const char *const kind_names[] = {"order", "cancel", "heartbeat", "gate",
					 "stop",  "resume", "keys"};

/* Keys of each kind, in the order they stand. */
static const char *const order_keys[] = {
    "Kind",    "Seq",          "Written",    "Base",  "Release", "App",     "Tag",
    "Version", "Root",         "Commit",     "Files", "Bytes",   "At",      "Now",
    "Grace-S", "Max-Outage-S", "If-Cut-Off", "Wave",  "Gate",    "Gate-At", "Not-After",
    "Local",   "Reason",       "Bundle",     NULL};
static const char *const cancel_keys[] = {"Kind",    "Seq", "Written", "Base",
					  "Release", "App", "Reason",  NULL};
static const char *const heartbeat_keys[] = {"Kind", "Seq", "Written", "Base", NULL};
static const char *const gate_keys[] = {"Kind", "Seq",       "Written", "Base", "Release",
					"App",  "Gate-Open", "Reason",  NULL};
static const char *const stop_keys[] = {"Kind", "Seq", "Written", "Base", "App", "Reason", NULL};
static const char *const keys_keys[] = {"Kind",      "Seq",       "Written", "Base",
					"Statement", "Signature", NULL};
static const char *const *const keys_of[] = {order_keys, cancel_keys, heartbeat_keys, gate_keys,
					     stop_keys,  stop_keys,   keys_keys};

static const char *const trust_names[] = {[ORDER_TRUST_CENTRAL] = "-",
					  [ORDER_TRUST_SIGNED] = "signed",
					  [ORDER_TRUST_UNSIGNED] = "unsigned",
					  [ORDER_TRUST_REFUSED] = "refused"};

const char *order_trust_name(OrderTrust trust)
{
	return trust_names[trust];
}

gboolean order_trust_parse(const char *name, OrderTrust *ret_trust)
{
	for (guint i = 0; i < G_N_ELEMENTS(trust_names); i++) {
		if (strcmp(trust_names[i], name) != 0)
			continue;
		*ret_trust = (OrderTrust)i;
		return TRUE;
	}
	return FALSE;
}

Order *order_new(OrderKind kind)
{
	Order *order = g_new0(Order, 1);
	order->kind = kind;
	order->wave = order->waves = 1;
	order->bundles = g_ptr_array_new_with_free_func((GDestroyNotify)order_bundle_free);
	return order;
}

Order *order_copy(const Order *order)
{
	Order *copy = g_new(Order, 1);
	*copy = *order;
	copy->base = g_strdup(order->base);
	copy->statement = g_strdup(order->statement);
	copy->signature = g_strdup(order->signature);
	copy->release = g_strdup(order->release);
	copy->app = g_strdup(order->app);
	copy->tag = g_strdup(order->tag);
	copy->version = g_strdup(order->version);
	copy->root = g_strdup(order->root);
	copy->commit = g_strdup(order->commit);
	copy->local_text = g_strdup(order->local_text);
	copy->reason = g_strdup(order->reason);
	copy->bundles = g_ptr_array_new_with_free_func((GDestroyNotify)order_bundle_free);
	for (guint i = 0; i < order->bundles->len; i++) {
		const OrderBundle *b = g_ptr_array_index(order->bundles, i);
		order_add_bundle(copy, b->old_root, b->sha256, b->bytes, b->codec, b->decoded_bytes,
				 b->memory_bytes);
	}
	return copy;
}

void order_free(Order *order)
{
	if (!order)
		return;
	g_free(order->base);
	g_free(order->statement);
	g_free(order->signature);
	g_free(order->release);
	g_free(order->app);
	g_free(order->tag);
	g_free(order->version);
	g_free(order->root);
	g_free(order->commit);
	g_free(order->local_text);
	g_free(order->reason);
	g_ptr_array_unref(order->bundles);
	g_free(order);
}

gint order_compare_due(const Order *a, const Order *b)
{
	if (a->is_now != b->is_now)
		return a->is_now ? -1 : 1;
	if (a->at_utc != b->at_utc)
		return a->at_utc < b->at_utc ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

void order_add_bundle(Order *order, const char *old_root, const char *sha256, guint64 bytes,
		      const char *codec, guint64 decoded_bytes, guint64 memory_bytes)
{
	for (guint i = 0; i < order->bundles->len; i++) {
		const OrderBundle *there = g_ptr_array_index(order->bundles, i);
		if (strcmp(there->old_root, old_root) == 0)
			g_ptr_array_remove_index(order->bundles, i--);
	}
	OrderBundle *bundle = g_new0(OrderBundle, 1);
	bundle->old_root = g_strdup(old_root);
	bundle->sha256 = g_strdup(sha256);
	bundle->bytes = bytes;
	bundle->codec = g_strdup(codec);
	bundle->decoded_bytes = decoded_bytes;
	bundle->memory_bytes = memory_bytes;
	g_ptr_array_add(order->bundles, bundle);
}

void order_bundle_free(OrderBundle *bundle)
{
	if (!bundle)
		return;
	g_free(bundle->old_root);
	g_free(bundle->sha256);
	g_free(bundle->codec);
	g_free(bundle);
}

char *order_bundle_format(const OrderBundle *bundle)
{
	return g_strdup_printf("%s %s %" G_GUINT64_FORMAT " %s %" G_GUINT64_FORMAT
			       " %" G_GUINT64_FORMAT,
			       bundle->old_root, bundle->sha256, bundle->bytes, bundle->codec,
			       bundle->decoded_bytes, bundle->memory_bytes);
}

static gboolean codec_ok(const char *codec)
{
	gsize len = strlen(codec);
	return len > 0 && len <= CODEC_MAX_BYTES && g_ascii_isalnum(codec[0]) &&
	       strspn(codec, "abcdefghijklmnopqrstuvwxyz0123456789.+-") == len;
}

OrderBundle *order_bundle_parse(const char *text, GError **error)
{
	g_auto(GStrv) words = g_strsplit(text, " ", BUNDLE_FIELDS + 1);
	g_autoptr(OrderBundle) bundle = g_new0(OrderBundle, 1);
	guint64 numbers[3] = {0};
	static const guint places[] = {2, 4, 5};
	gboolean ok = g_strv_length(words) == BUNDLE_FIELDS && field_is_root_or_dash(words[0]) &&
		      field_is_root(words[1]) && codec_ok(words[3]);
	for (guint i = 0; ok && i < G_N_ELEMENTS(places); i++)
		ok = g_ascii_string_to_unsigned(words[places[i]], 10, 0, (guint64)ORDER_BYTES_MAX,
						&numbers[i], NULL);
	if (ok) {
		bundle->old_root = g_strdup(words[0]);
		bundle->sha256 = g_strdup(words[1]);
		bundle->bytes = numbers[0];
		bundle->codec = g_strdup(words[3]);
		bundle->decoded_bytes = numbers[1];
		bundle->memory_bytes = numbers[2];
		g_autofree char *canonical = order_bundle_format(bundle);
		ok = strcmp(canonical, text) == 0;
	}
	if (ok)
		return g_steal_pointer(&bundle);
	g_autofree char *shown = util_text_printable(text, (gssize)MIN(strlen(text), 80));
	util_error_set(error, TS_ERROR_CORRUPT,
		       "bundle \"%s\" is not \"OLD SHA256 BYTES CODEC DECODED MEMORY\"", shown);
	return NULL;
}

const OrderBundle *order_find_bundle(const Order *order, const char *old_root)
{
	for (guint i = 0; i < order->bundles->len; i++) {
		const OrderBundle *bundle = g_ptr_array_index(order->bundles, i);
		if (strcmp(bundle->old_root, old_root) == 0)
			return bundle;
	}
	return NULL;
}

/* The oldest format that has all it says. */
static const char *format_of(const Order *order)
{
	if (order->kind == ORDER_KIND_KEYS)
		return "3";
	return order->kind > ORDER_KIND_HEARTBEAT || order->gated || order->waves > 1 ||
		       order->gate_at_utc > 0 || order->not_after_utc > 0
		   ? "2"
		   : "1";
}

static void format_gate(const Order *order, UtilTrailers *t)
{
	g_autofree char *wave = g_strdup_printf("%u/%u", order->wave, order->waves);
	g_autofree char *gate = plan_gate_format(order->gate, order->quorum_percent);
	if (order->waves > 1)
		util_trailers_add(t, "Wave", wave);
	if (order->gated)
		util_trailers_add(t, "Gate", gate);
	if (order->gate_at_utc > 0)
		util_trailers_add_time(t, "Gate-At", order->gate_at_utc);
}

static void format_run(const Order *order, UtilTrailers *t)
{
	util_trailers_add(t, "Tag", order->tag);
	util_trailers_add(t, "Version", order->version);
	util_trailers_add(t, "Root", order->root);
	util_trailers_add(t, "Commit", order->commit);
	util_trailers_add_int(t, "Files", (gint64)order->files);
	util_trailers_add_int(t, "Bytes", (gint64)order->bytes);
	util_trailers_add_time(t, "At", order->at_utc);
	util_trailers_add(t, "Now", order->is_now ? "yes" : "no");
	util_trailers_add_int(t, "Grace-S", order->grace_s);
	util_trailers_add_int(t, "Max-Outage-S", order->max_outage_s);
	util_trailers_add(t, "If-Cut-Off", order->cut_off_hold ? "hold" : "go");
	format_gate(order, t);
	if (order->not_after_utc > 0)
		util_trailers_add_time(t, "Not-After", order->not_after_utc);
	field_add_clipped(t, "Local", order->local_text, ORDER_LINE_MAX);
}

char *order_format(const Order *order)
{
	g_autoptr(UtilTrailers) t = util_trailers_new();
	gboolean all_apps = order->kind == ORDER_KIND_STOP || order->kind == ORDER_KIND_RESUME;
	util_trailers_add(t, FORMAT, format_of(order));
	util_trailers_add(t, "Kind", kind_names[order->kind]);
	util_trailers_add_int(t, "Seq", (gint64)order->seq);
	util_trailers_add_time(t, "Written", order->written_utc);
	util_trailers_add(t, "Base", order->base);
	util_trailers_add(t, "Statement", order->statement);
	util_trailers_add(t, "Signature", order->signature);
	if (order->kind == ORDER_KIND_HEARTBEAT || order->kind == ORDER_KIND_KEYS)
		return util_trailers_format(t);
	util_trailers_add(t, "Release", order->release);
	util_trailers_add(t, "App", all_apps && !order->app ? "-" : order->app);
	if (order->kind == ORDER_KIND_ORDER)
		format_run(order, t);
	if (order->kind == ORDER_KIND_GATE)
		util_trailers_add(t, "Gate-Open", order->gate_open ? "yes" : "no");
	field_add_clipped(t, "Reason", order->reason, ORDER_NOTE_MAX);
	for (guint i = 0; order->kind == ORDER_KIND_ORDER && i < order->bundles->len; i++) {
		g_autofree char *bundle = order_bundle_format(g_ptr_array_index(order->bundles, i));
		util_trailers_add(t, "Bundle", bundle);
	}
	return util_trailers_format(t);
}

static void read_bundles(FieldReader *reader, Order *order)
{
	g_autoptr(GHashTable) roots = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; reader->ok && i < util_trailers_count(reader->trailers); i++) {
		if (strcmp(util_trailers_key(reader->trailers, i), "Bundle") != 0)
			continue;
		const char *value = util_trailers_value(reader->trailers, i);
		OrderBundle *bundle = order_bundle_parse(value, reader->error);
		reader->ok = bundle != NULL;
		if (!bundle)
			return;
		g_ptr_array_add(order->bundles, bundle);
		if (!g_hash_table_add(roots, bundle->old_root))
			field_wrong(reader, "Bundle", "two for the same old root");
	}
}

/* "2/3", as it may stand: with both from 1 and at most ORDER_WAVES_MAX. */
static void read_wave(FieldReader *reader, Order *order)
{
	guint64 wave = 0, waves = 0;
	const char *value = reader->ok ? util_trailers_get(reader->trailers, "Wave") : NULL;
	if (!value)
		return;
	g_auto(GStrv) words = g_strsplit(value, "/", 3);
	if (g_strv_length(words) != 2 ||
	    !g_ascii_string_to_unsigned(words[1], 10, 2, ORDER_WAVES_MAX, &waves, NULL) ||
	    !g_ascii_string_to_unsigned(words[0], 10, 1, waves, &wave, NULL))
		field_wrong(reader, "Wave", "it is not N/ALL");
	order->wave = (guint)wave;
	order->waves = (guint)waves;
}

static void read_gate(FieldReader *reader, Order *order)
{
	read_wave(reader, order);
	const char *value = reader->ok ? util_trailers_get(reader->trailers, "Gate") : NULL;
	order->gated = value != NULL;
	if (order->gated && !plan_gate_parse(value, &order->gate, &order->quorum_percent))
		field_wrong(reader, "Gate", "it must be alone, all-staged or quorum N%%");
	if (reader->ok && order->gated && order->gate == PLAN_GATE_ALONE && order->wave == 1)
		field_wrong(reader, "Gate", "alone, in the first wave, waits for nobody");
	if (reader->ok && (order->gated || util_trailers_get(reader->trailers, "Gate-At")))
		field_time(reader, "Gate-At", &order->gate_at_utc);
}

static void read_run(FieldReader *reader, Order *order)
{
	field_text(reader, "Tag", field_is_version, FALSE, &order->tag);
	field_text(reader, "Version", field_is_version, FALSE, &order->version);
	field_text(reader, "Root", field_is_root, FALSE, &order->root);
	field_text(reader, "Commit", field_is_oid, FALSE, &order->commit);
	field_uint(reader, "Files", 0, G_MAXINT32, &order->files);
	field_uint(reader, "Bytes", 0, ORDER_BYTES_MAX, &order->bytes);
	field_time(reader, "At", &order->at_utc);
	field_choice(reader, "Now", "yes", "no", &order->is_now);
	field_int(reader, "Grace-S", 0, ORDER_GRACE_MAX_S, &order->grace_s);
	field_int(reader, "Max-Outage-S", 0, ORDER_OUTAGE_MAX_S, &order->max_outage_s);
	field_choice(reader, "If-Cut-Off", "hold", "go", &order->cut_off_hold);
	read_gate(reader, order);
	if (reader->ok && util_trailers_get(reader->trailers, "Not-After"))
		field_time(reader, "Not-After", &order->not_after_utc);
	field_text(reader, "Local", field_is_line, TRUE, &order->local_text);
	read_bundles(reader, order);
}

static gboolean find_kind(const UtilTrailers *trailers, OrderKind *ret_kind, GError **error)
{
	const char *name = NULL;
	if (!util_trailers_need(trailers, "Kind", &name, error))
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(kind_names); i++) {
		if (strcmp(kind_names[i], name) == 0) {
			*ret_kind = (OrderKind)i;
			return TRUE;
		}
	}
	g_autofree char *shown = util_text_printable(name, (gssize)MIN(strlen(name), 80));
	return util_error_set(error, TS_ERROR_CORRUPT, "Kind: unknown kind \"%s\"", shown);
}

static gboolean is_known(const char *key)
{
	for (guint i = 0; i < G_N_ELEMENTS(keys_of); i++)
		if (g_strv_contains(keys_of[i], key))
			return TRUE;
	return FALSE;
}

static gboolean check_keys(const UtilTrailers *trailers, OrderKind kind, GError **error)
{
	for (guint i = 1; i < util_trailers_count(trailers); i++) {
		const char *key = util_trailers_key(trailers, i);
		if (g_strv_contains(keys_of[kind], key))
			continue;
		if (is_known(key))
			return util_error_set(error, TS_ERROR_CORRUPT,
					      "key %s has no place in kind %s", key,
					      kind_names[kind]);
		return field_unknown(key, error);
	}
	return TRUE;
}

/* What it is about. */
static void read_subject(FieldReader *reader, Order *order)
{
	gboolean by_app = order->kind == ORDER_KIND_STOP || order->kind == ORDER_KIND_RESUME;
	if (!by_app)
		field_text(reader, "Release", field_is_oid, FALSE, &order->release);
	field_text(reader, "App", by_app ? field_is_name_or_dash : field_is_name, FALSE,
		   &order->app);
	if (by_app && g_strcmp0(order->app, "-") == 0)
		g_clear_pointer(&order->app, g_free);
	field_text(reader, "Reason", field_is_note, TRUE, &order->reason);
}

Order *order_parse(const char *text, gsize len, GError **error)
{
	OrderKind kind = ORDER_KIND_ORDER;
	g_autoptr(UtilTrailers) trailers = field_parse(FORMAT, 3, NULL, "Bundle", text, len, error);
	if (!trailers || !find_kind(trailers, &kind, error) || !check_keys(trailers, kind, error)) {
		g_prefix_error(error, "order: ");
		return NULL;
	}
	g_autoptr(Order) order = order_new(kind);
	FieldReader reader = {trailers, error, TRUE};
	field_uint(&reader, "Seq", 1, G_MAXINT64, &order->seq);
	field_time(&reader, "Written", &order->written_utc);
	field_text(&reader, "Base", field_is_name, FALSE, &order->base);
	if (kind == ORDER_KIND_KEYS) {
		field_text(&reader, "Statement", field_is_note, FALSE, &order->statement);
		field_text(&reader, "Signature", field_is_note, FALSE, &order->signature);
	} else if (kind != ORDER_KIND_HEARTBEAT) {
		read_subject(&reader, order);
	}
	if (kind == ORDER_KIND_ORDER)
		read_run(&reader, order);
	if (kind == ORDER_KIND_GATE)
		field_choice(&reader, "Gate-Open", "yes", "no", &order->gate_open);
	g_autofree char *canonical = reader.ok ? order_format(order) : NULL;
	if (reader.ok && field_check_canonical(trailers, canonical, error))
		return g_steal_pointer(&order);
	g_prefix_error(error, "order: ");
	return NULL;
}

char *order_summary(const Order *order)
{
	g_autofree char *when = util_time_format_utc(
	    order->kind == ORDER_KIND_ORDER ? order->at_utc : order->written_utc);
	g_autofree char *reason = util_text_printable(order->reason ? order->reason : "", -1);
	switch (order->kind) {
	case ORDER_KIND_ORDER:
		return g_strdup_printf("order %" G_GUINT64_FORMAT ": %s %s %s%s", order->seq,
				       order->app, order->version,
				       order->is_now ? "as soon as staged" : "at ",
				       order->is_now ? "" : when);
	case ORDER_KIND_CANCEL:
		return g_strdup_printf("cancel %" G_GUINT64_FORMAT ": %s release %.8s%s%s",
				       order->seq, order->app, order->release, *reason ? ": " : "",
				       reason);
	case ORDER_KIND_HEARTBEAT:
		return g_strdup_printf("heartbeat %" G_GUINT64_FORMAT ": %s", order->seq, when);
	case ORDER_KIND_KEYS:
		return g_strdup_printf("keys %" G_GUINT64_FORMAT ": %s", order->seq, when);
	case ORDER_KIND_GATE:
		return g_strdup_printf("gate %" G_GUINT64_FORMAT ": %s release %.8s %s%s%s",
				       order->seq, order->app, order->release,
				       order->gate_open ? "open" : "shut", *reason ? ": " : "",
				       reason);
	case ORDER_KIND_STOP:
	case ORDER_KIND_RESUME:
		return g_strdup_printf("%s %" G_GUINT64_FORMAT ": %s%s%s", kind_names[order->kind],
				       order->seq, order->app ? order->app : "all apps",
				       *reason ? ": " : "", reason);
	}
	g_assert_not_reached();
}
