/* SPDX-License-Identifier: ISC */
#include "plan/plan.h"

#define OID "0123456789abcdef0123456789abcdef01234567"
#define HEADERS            \
	"object " OID "\n" \
	"type commit\n"    \
	"tag v1.4.0\n"     \
	"tagger A Developer <dev@example.org> 1796000000 +0800\n"
#define SSH_SIGNATURE                     \
	"-----BEGIN SSH SIGNATURE-----\n" \
	"U1NIU0lHAAAAAQ==\n"              \
	"-----END SSH SIGNATURE-----\n"

static PlanTag *parse(const char *raw, GError **error)
{
	return plan_tag_parse(raw, strlen(raw), error);
}

static void test_unsigned(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PlanTag) tag = parse(HEADERS "\nShop 1.4\n\nBody\n", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(tag->object, ==, OID);
	g_assert_cmpstr(tag->type, ==, "commit");
	g_assert_cmpstr(tag->name, ==, "v1.4.0");
	g_assert_cmpstr(tag->tagger, ==, "A Developer <dev@example.org>");
	g_assert_cmpint(tag->tagged_utc, ==, 1796000000);
	g_assert_cmpstr(tag->message, ==, "Shop 1.4\n\nBody\n");
	g_assert_cmpuint(tag->message_len, ==, strlen(tag->message));
	g_assert_null(tag->signature);
}

static void test_signed(void)
{
	static const char *const kinds[] = {"SSH SIGNATURE", "PGP SIGNATURE", "PGP MESSAGE",
					    "SIGNED MESSAGE"};
	for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
		for (guint newline = 0; newline < 2; newline++) {
			g_autoptr(GError) error = NULL;
			g_autofree char *armour =
			    g_strdup_printf("-----BEGIN %s-----\n\nabc\n-----END %s-----%s",
					    kinds[i], kinds[i], newline ? "\n" : "");
			g_autofree char *raw =
			    g_strconcat(HEADERS "\nShop\n\nX: y\n", armour, NULL);
			g_autoptr(PlanTag) tag = parse(raw, &error);
			g_assert_no_error(error);
			g_assert_cmpstr(tag->message, ==, "Shop\n\nX: y\n");
			g_assert_cmpstr(tag->signature, ==, armour);
		}
	}
}

/* What git itself writes. */
static void test_small(void)
{
	static const char *const messages[] = {"\n", "", "\nx"};
	for (guint i = 0; i < G_N_ELEMENTS(messages); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *raw = g_strconcat(HEADERS, messages[i], NULL);
		g_autoptr(PlanTag) tag = parse(raw, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(tag->message, ==, i == 2 ? "x" : "");
	}
	g_autoptr(GError) error = NULL;
	g_autoptr(PlanTag) tag = parse("object " OID "\ntype commit\ntag v1\n"
				       "tagger  <> 0 -0000\n\nno name\n",
				       &error);
	g_assert_no_error(error);
	g_assert_cmpstr(tag->tagger, ==, " <>");
	g_assert_cmpint(tag->tagged_utc, ==, 0);
}

typedef struct {
	const char *raw;
	int code;
	const char *expect;
} BadTag;

static const BadTag bad_tags[] = {
    {"", TS_ERROR_CORRUPT, "\"object\""},
    {"object\n", TS_ERROR_CORRUPT, "\"object\""},
    {"object " OID, TS_ERROR_CORRUPT, "\"object\""},
    {"object 0123\ntype commit\ntag v1\ntagger a <b> 1 +0000\n\n", TS_ERROR_CORRUPT, "40 hex"},
    {"object 0123456789ABCDEF0123456789abcdef01234567\ntype commit\ntag v1\n"
     "tagger a <b> 1 +0000\n\n",
     TS_ERROR_CORRUPT, "40 hex"},
    {"object " OID "\ntag v1\ntype commit\n", TS_ERROR_CORRUPT, "\"type\""},
    {"object " OID "\ntype commits\ntag v1\ntagger a <b> 1 +0000\n\n", TS_ERROR_CORRUPT,
     "commit, tree, blob, tag"},
    {"object " OID "\ntype commit\ntag \ntagger a <b> 1 +0000\n\n", TS_ERROR_CORRUPT, "\"tag\""},
    {"object " OID "\ntype commit\ntag v1\n\nno tagger\n", TS_ERROR_CORRUPT, "\"tagger\""},
    {"object " OID "\ntype commit\ntag v1\ntagger a 1 +0000\n\n", TS_ERROR_CORRUPT, "Name <mail>"},
    {"object " OID "\ntype commit\ntag v1\ntagger a <b> soon +0000\n\n", TS_ERROR_CORRUPT,
     "Name <mail>"},
    {"object " OID "\ntype commit\ntag v1\ntagger a <b> 1 +00000\n\n", TS_ERROR_CORRUPT,
     "Name <mail>"},
    {"object " OID "\ntype commit\ntag v1\ntagger a <b> 1234567890123 +0000\n\n", TS_ERROR_CORRUPT,
     "Name <mail>"},
    {"object " OID "\ntype commit\ntag v1\ntagger a <b> -1 +0000\n\n", TS_ERROR_CORRUPT,
     "Name <mail>"},
    {HEADERS "encoding latin1\n\nx\n", TS_ERROR_REFUSED, "unknown header line \"encoding latin1\""},
    {HEADERS "gpgsig -----BEGIN SSH SIGNATURE-----\n\nx\n", TS_ERROR_REFUSED, "unknown header"},
    {HEADERS "\nx\n" SSH_SIGNATURE "Release-To: all\n", TS_ERROR_REFUSED, "text follows"},
    {HEADERS "\nx\n" SSH_SIGNATURE "\n", TS_ERROR_REFUSED, "text follows"},
    {HEADERS "\nx\n" SSH_SIGNATURE SSH_SIGNATURE, TS_ERROR_REFUSED, "text follows"},
    {HEADERS "\nx\n-----BEGIN SSH SIGNATURE-----\nabc\n" SSH_SIGNATURE, TS_ERROR_REFUSED,
     "second signature"},
    {HEADERS "\nx\n-----BEGIN SSH SIGNATURE-----\nabc\n", TS_ERROR_REFUSED, "no END line"},
    {HEADERS "\nx\n-----BEGIN SSH SIGNATURE-----", TS_ERROR_REFUSED, "no END line"},
    {HEADERS "\nx\n-----BEGIN SSH SIGNATURE----- x\n-----END SSH SIGNATURE-----\n",
     TS_ERROR_REFUSED, "behind"},
    {HEADERS "\nx\n-----BEGIN SSH SIGNATURE-----\n-----END PGP SIGNATURE-----\n", TS_ERROR_REFUSED,
     "no END line"},
    {HEADERS "\nx\n-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----x\n", TS_ERROR_REFUSED,
     "no END line"},
};

static void test_bad(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(bad_tags); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PlanTag) tag = parse(bad_tags[i].raw, &error);
		if (tag)
			g_test_message("row %u was accepted: %s", i, bad_tags[i].raw);
		g_assert_null(tag);
		g_assert_error(error, TS_ERROR, bad_tags[i].code);
		if (!strstr(error->message, bad_tags[i].expect))
			g_error("row %u: \"%s\" lacks \"%s\"", i, error->message,
				bad_tags[i].expect);
	}
}

/* Every shorter piece of a signed tag ends without a crash, and none passes with a cut signature.
 */
static void test_cut(void)
{
	static const char raw[] = HEADERS "\nShop\n\nX: y\n" SSH_SIGNATURE;
	gsize begin = (gsize)(strstr(raw, "-----BEGIN") - raw);
	gsize whole = strlen(raw);
	for (gsize len = 0; len < whole; len++) {
		g_autofree char *piece = g_malloc(len + 1);
		memcpy(piece, raw, len);
		piece[len] = '!'; /* not part of it */
		g_autoptr(PlanTag) tag = plan_tag_parse(piece, len, NULL);
		if (len > begin + strlen("-----BEGIN SSH SIGNATURE-----") && len < whole - 1)
			g_assert_null(tag);
		if (tag)
			g_assert_cmpuint(tag->message_len, <, len);
	}
}

static void test_nul(void)
{
	static const char raw[] = HEADERS "\nShop\n\0\nRelease-At: now\nRelease-To: all\n";
	g_autoptr(GError) error = NULL;
	g_autoptr(PlanTag) tag = plan_tag_parse(raw, sizeof(raw) - 1, &error);
	g_assert_null(tag);
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_nonnull(strstr(error->message, "NUL"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/plan/tag/unsigned", test_unsigned);
	g_test_add_func("/plan/tag/signed", test_signed);
	g_test_add_func("/plan/tag/small", test_small);
	g_test_add_func("/plan/tag/bad", test_bad);
	g_test_add_func("/plan/tag/cut", test_cut);
	g_test_add_func("/plan/tag/nul", test_nul);
	return g_test_run();
}
