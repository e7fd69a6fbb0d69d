/* SPDX-License-Identifier: ISC */
/* The head of an export file: what it is, for whom, and all that stands in it. */
#include "export/export-private.h"

#define FORMAT "Tagship-Export"
#define LINE_MAX_BYTES 300
#define HELLO_MAX (64 * 1024)
#define KEY_MAX_BYTES 80
#define BUNDLE_BYTES_MAX ((guint64)1 << 50)

static const char *const kind_names[] = {
    [EXPORT_KIND_ORDERS] = "orders", [EXPORT_KIND_REPORTS] = "reports"};

static void member_free(gpointer data)
{
	ExportMember *member = data;
	g_free(member->name);
	g_free(member);
}

static void reported_free(gpointer data)
{
	ExportReported *reported = data;
	g_free(reported->key);
	g_free(reported);
}

ExportHead *export_head_new(ExportKind kind)
{
	ExportHead *head = g_new0(ExportHead, 1);
	head->kind = kind;
	head->wants = g_ptr_array_new_with_free_func(g_free);
	head->reported = g_ptr_array_new_with_free_func(reported_free);
	head->members = g_ptr_array_new_with_free_func(member_free);
	return head;
}

void export_head_free(ExportHead *head)
{
	if (!head)
		return;
	g_free(head->software);
	g_free(head->base);
	g_free(head->hello);
	g_ptr_array_unref(head->wants);
	g_ptr_array_unref(head->reported);
	g_ptr_array_unref(head->members);
	g_free(head);
}

void export_head_add_member(ExportHead *head, const char *name, guint64 bytes, const char *sha256)
{
	ExportMember *member = g_new0(ExportMember, 1);
	member->name = g_strdup(name);
	member->bytes = bytes;
	g_strlcpy(member->sha256, sha256, sizeof member->sha256);
	g_ptr_array_add(head->members, member);
}

void export_head_add_data(ExportHead *head, const char *name, const void *data, gsize len)
{
	guint8 digest[UTIL_SHA256_BYTES];
	char hex[UTIL_SHA256_HEX];
	util_sha256_data(data, len, digest);
	util_hex_encode(digest, sizeof digest, hex);
	export_head_add_member(head, name, len, hex);
}

void export_head_add_reported(ExportHead *head, const char *key, const char *commit)
{
	ExportReported *reported = g_new0(ExportReported, 1);
	reported->key = g_strdup(key);
	g_strlcpy(reported->commit, commit, sizeof reported->commit);
	g_ptr_array_add(head->reported, reported);
}

char *export_head_format(const ExportHead *head)
{
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add(text, FORMAT, "1");
	util_trailers_add(text, "Kind", kind_names[head->kind]);
	util_trailers_add(text, "Software", head->software);
	util_trailers_add(text, "Base", head->base);
	util_trailers_add_int(text, "Incarnation", head->incarnation);
	util_trailers_add_time(text, "Written", head->written_utc);
	if (head->kind == EXPORT_KIND_ORDERS)
		util_trailers_add(text, "From", head->from);
	util_trailers_add(text, "Head", head->head);
	util_trailers_add(text, "Hello", head->hello);
	for (guint i = 0; i < head->wants->len; i++)
		util_trailers_add(text, "Want", head->wants->pdata[i]);
	for (guint i = 0; i < head->reported->len; i++) {
		const ExportReported *reported = head->reported->pdata[i];
		g_autofree char *line = g_strdup_printf("%s %s", reported->key, reported->commit);
		util_trailers_add(text, "Reported", line);
	}
	for (guint i = 0; i < head->members->len; i++) {
		const ExportMember *member = head->members->pdata[i];
		g_autofree char *line = g_strdup_printf("%s %" G_GUINT64_FORMAT " %s", member->name,
							member->bytes, member->sha256);
		util_trailers_add(text, "Member", line);
	}
	return util_trailers_format(text);
}

/* ---- and back ---- */

/* A report's key: a file name of its own kind. */
static gboolean key_ok(const char *key)
{
	gsize len = strlen(key);
	return len > 0 && len <= KEY_MAX_BYTES && key[0] != '.' &&
	       strspn(key, "0123456789abcdefghijklmnopqrstuvwxyz.-") == len &&
	       !g_str_has_suffix(key, EXPORT_SIG);
}

static gboolean is_bundle(const char *name, const char *sha256)
{
	return g_str_has_prefix(name, EXPORT_BUNDLES) &&
	       strcmp(name + strlen(EXPORT_BUNDLES), sha256) == 0;
}

/* How many reports and signatures there are so far. */
static guint report_members(const ExportHead *head)
{
	gboolean ledger =
	    head->members->len > 0 &&
	    strcmp(((ExportMember *)head->members->pdata[0])->name, EXPORT_LEDGER) == 0;
	return head->members->len - (ledger ? 1 : 0);
}

/* A report, or the signature of the member before it. */
static gboolean is_report(const ExportHead *head, const char *name)
{
	if (!g_str_has_prefix(name, EXPORT_REPORTS))
		return FALSE;
	if (report_members(head) % 2 == 0)
		return key_ok(name + strlen(EXPORT_REPORTS));
	const ExportMember *before = head->members->pdata[head->members->len - 1];
	g_autofree char *signature = g_strconcat(before->name, EXPORT_SIG, NULL);
	return strcmp(name, signature) == 0;
}

/* May it stand there next, and be so large? */
static gboolean member_ok(const ExportHead *head, const ExportMember *member)
{
	if (head->members->len >= EXPORT_MEMBERS_MAX)
		return FALSE;
	if (head->members->len == 0 && strcmp(member->name, EXPORT_LEDGER) == 0)
		return member->bytes <= EXPORT_LEDGER_MAX;
	if (head->kind == EXPORT_KIND_REPORTS)
		return is_report(head, member->name) && member->bytes <= EXPORT_REPORT_MAX;
	return head->members->len > 0 && is_bundle(member->name, member->sha256) &&
	       member->bytes <= BUNDLE_BYTES_MAX;
}

static gboolean take_member(ExportHead *head, const char *value, GError **error)
{
	g_auto(GStrv) words = g_strsplit(value, " ", 3);
	ExportMember member = {.name = words[0]};
	if (g_strv_length(words) == 3 && util_sha256_hex_ok(words[2]) &&
	    util_text_parse_count(words[1], G_MAXINT64, &member.bytes)) {
		g_strlcpy(member.sha256, words[2], sizeof member.sha256);
		if (member_ok(head, &member)) {
			export_head_add_member(head, member.name, member.bytes, member.sha256);
			return TRUE;
		}
	}
	g_autofree char *shown = util_text_printable(value, (gssize)MIN(strlen(value), 120));
	return util_error_set(error, TS_ERROR_CORRUPT, "Member: \"%s\" cannot stand there", shown);
}

static gboolean take_reported(ExportHead *head, const char *value, GError **error)
{
	g_auto(GStrv) words = g_strsplit(value, " ", 2);
	if (head->kind != EXPORT_KIND_ORDERS || head->reported->len >= EXPORT_REPORTED_MAX ||
	    !words[0] || !words[1] || !key_ok(words[0]) || !util_oid_hex_ok(words[1]))
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "Reported: not a key and a commit id, or too many");
	export_head_add_reported(head, words[0], words[1]);
	return TRUE;
}

static gboolean take_want(ExportHead *head, const char *value, GError **error)
{
	g_auto(GStrv) words = g_strsplit(value, " ", 2);
	if (head->kind != EXPORT_KIND_REPORTS || head->wants->len >= EXPORT_WANTS_MAX ||
	    !words[0] || !words[1] || !util_sha256_hex_ok(words[1]) ||
	    (strcmp(words[0], "-") != 0 && !util_sha256_hex_ok(words[0])))
		return util_error_set(error, TS_ERROR_CORRUPT, "Want: not two roots, or too many");
	g_ptr_array_add(head->wants, g_strdup(value));
	return TRUE;
}

static gboolean need_line(const UtilTrailers *text, const char *key, char **ret, GError **error)
{
	const char *value = NULL;
	if (!util_trailers_need(text, key, &value, error))
		return FALSE;
	if (*value == '\0' || strlen(value) > LINE_MAX_BYTES || strpbrk(value, "\n\t"))
		return util_error_set(error, TS_ERROR_CORRUPT, "%s: not one line of up to %d bytes",
				      key, LINE_MAX_BYTES);
	*ret = g_strdup(value);
	return TRUE;
}

static gboolean need_base(const UtilTrailers *text, char **ret, GError **error)
{
	const char *value = NULL;
	if (!util_trailers_need(text, "Base", &value, error))
		return FALSE;
	if (!util_name_check("base", value, NULL))
		return util_error_set(error, TS_ERROR_CORRUPT, "Base: not the name of a base");
	*ret = g_strdup(value);
	return TRUE;
}

static gboolean need_commit(const UtilTrailers *text, const char *key, gboolean or_none,
			    char ret[41], GError **error)
{
	const char *value = NULL;
	if (!util_trailers_need(text, key, &value, error))
		return FALSE;
	if (!util_oid_hex_ok(value) && !(or_none && strcmp(value, "-") == 0))
		return util_error_set(error, TS_ERROR_CORRUPT, "%s: no commit id", key);
	g_strlcpy(ret, value, 41);
	return TRUE;
}

/* A new head of the kind that is said. */
static ExportHead *take_kind(const UtilTrailers *text, GError **error)
{
	const char *kind = NULL;
	if (!util_trailers_need(text, "Kind", &kind, error))
		return NULL;
	for (guint i = 0; i < G_N_ELEMENTS(kind_names); i++)
		if (strcmp(kind_names[i], kind) == 0)
			return export_head_new((ExportKind)i);
	util_error_set(error, TS_ERROR_CORRUPT, "Kind: neither orders nor reports");
	return NULL;
}

static gboolean take_common(const UtilTrailers *text, ExportHead *head, GError **error)
{
	gboolean orders = head->kind == EXPORT_KIND_ORDERS;
	const char *hello = NULL;
	if (!need_line(text, "Software", &head->software, error) ||
	    !need_base(text, &head->base, error) ||
	    !util_trailers_need_int(text, "Incarnation", 1, G_MAXINT32, &head->incarnation,
				    error) ||
	    !util_trailers_need_time(text, "Written", &head->written_utc, error) ||
	    (orders && !need_commit(text, "From", TRUE, head->from, error)) ||
	    !need_commit(text, "Head", !orders, head->head, error) ||
	    (!orders && !util_trailers_need(text, "Hello", &hello, error)))
		return FALSE;
	if (hello && strlen(hello) > HELLO_MAX)
		return util_error_set(error, TS_ERROR_CORRUPT, "Hello: more than %d bytes",
				      HELLO_MAX);
	head->hello = g_strdup(hello);
	return TRUE;
}

static gboolean take_lists(const UtilTrailers *text, ExportHead *head, GError **error)
{
	for (guint i = 0; i < util_trailers_count(text); i++) {
		const char *key = util_trailers_key(text, i);
		const char *value = util_trailers_value(text, i);
		if (strcmp(key, "Member") == 0 && !take_member(head, value, error))
			return FALSE;
		if (strcmp(key, "Want") == 0 && !take_want(head, value, error))
			return FALSE;
		if (strcmp(key, "Reported") == 0 && !take_reported(head, value, error))
			return FALSE;
	}
	if (head->kind == EXPORT_KIND_ORDERS ? head->members->len > 0
					     : report_members(head) % 2 == 0)
		return TRUE;
	return util_error_set(error, TS_ERROR_CORRUPT, "Member: one is missing");
}

/* Without the lines that are for later versions. */
static UtilTrailers *parse_known(const char *text, gsize len, GError **error)
{
	g_autoptr(UtilTrailers) all = util_trailers_parse(text, len, error);
	g_autoptr(UtilTrailers) known = util_trailers_new();
	if (!all)
		return NULL;
	const char *number = util_trailers_get(all, FORMAT);
	if (!number || strcmp(util_trailers_key(all, 0), FORMAT) != 0) {
		util_error_set(error, TS_ERROR_CORRUPT, "the first line is not \"" FORMAT ": 1\"");
		return NULL;
	}
	if (strcmp(number, "1") != 0) {
		g_autofree char *shown =
		    util_text_printable(number, (gssize)MIN(strlen(number), 20));
		util_error_set(error, TS_ERROR_UNSUPPORTED,
			       "format %s is not one this tagship knows (1); upgrade it", shown);
		return NULL;
	}
	for (guint i = 0; i < util_trailers_count(all); i++)
		if (!g_str_has_prefix(util_trailers_key(all, i), "X-"))
			util_trailers_add(known, util_trailers_key(all, i),
					  util_trailers_value(all, i));
	return g_steal_pointer(&known);
}

static ExportHead *parse(const char *text, gsize len, GError **error)
{
	g_autoptr(UtilTrailers) known = parse_known(text, len, error);
	g_autoptr(ExportHead) head = known ? take_kind(known, error) : NULL;
	if (!head || !take_common(known, head, error) || !take_lists(known, head, error))
		return NULL;
	/* unknown keys, keys that stand twice or out of their place */
	g_autofree char *canonical = export_head_format(head);
	g_autofree char *given = util_trailers_format(known);
	if (strcmp(canonical, given) == 0)
		return g_steal_pointer(&head);
	util_error_set(error, TS_ERROR_CORRUPT, "a key that is unknown, or not in its place");
	return NULL;
}

ExportHead *export_head_parse(const char *text, gsize len, GError **error)
{
	ExportHead *head = parse(text, len, error);
	if (!head)
		g_prefix_error(error, EXPORT_HEAD_NAME ": ");
	return head;
}
