/* SPDX-License-Identifier: ISC */
/* Signers files, and whose tag counts. */
#include "world.h"

#define MESSAGE "Shop 1.4\n\nRelease-At: now\nRelease-To: all\n"

static TrustSigners *signers_of(const char *text)
{
	g_autoptr(GError) error = NULL;
	TrustSigners *signers = trust_signers_parse(text, strlen(text), "signers", &error);
	g_assert_no_error(error);
	return signers;
}

/* Who signed it for shop at haikou (@asia) and berlin, as of TAGGED; NULL with *ret_error. */
static char *ask(const char *file, const char *raw, GError **ret_error)
{
	static const char *const asia[] = {"asia", NULL};
	static const TrustBase bases[] = {{"haikou", asia}, {"berlin", NULL}};
	g_autoptr(TrustSigners) signers = signers_of(file);
	g_autoptr(PlanTag) tag = plan_tag_parse(raw, strlen(raw), ret_error);
	if (!tag)
		return NULL;
	const TrustAsked asked = {.tag = tag,
				  .raw = raw,
				  .len = strlen(raw),
				  .app = "shop",
				  .bases = bases,
				  .n_bases = 2,
				  .at_utc = TAGGED};
	return trust_tag_signer(signers, &asked, ret_error);
}

static void expect_signer(const char *file, const char *raw, const char *principals)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *signer = ask(file, raw, &error);
	g_assert_no_error(error);
	g_assert_true(g_str_has_prefix(signer, principals));
	g_assert_nonnull(strstr(signer, " SHA256:"));
}

static void expect_refused(const char *file, const char *raw, TsErrorCode code, const char *why)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *signer = ask(file, raw, &error);
	g_assert_null(signer);
	g_assert_error(error, TS_ERROR, (gint)code);
	if (!strstr(error->message, why))
		g_error("\"%s\" is not in: %s", why, error->message);
}

static void test_good(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	g_autofree char *raw = make_tag(w->ana, "git", "v1.4", MESSAGE);
	const char *const lines[] = {
	    "ana@example.com %s\n",
	    "ana@example.com %s ana's laptop\n",
	    "\n# the team\nana@example.com namespaces=\"git,file\" %s\r\n",
	    "ana,anna apps=\"shop\" %s\n",
	    "ana apps=\"blog,shop\",bases=\"berlin,@asia\" %s\n",
	    "ana namespaces=\"git\",valid-after=\"20260101\",valid-before=\"20270101\" %s",
	    /* in the first line it may not, in the second it may */
	    "ana apps=\"blog\" %s\nana apps=\"shop\" %s\n",
	    "ana valid-before=\"20260101\" %s\nana %s\n",
	};
	for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_auto(GStrv) parts = g_strsplit(lines[i], "%s", -1);
		g_autofree char *file = g_strjoinv(w->ana_key, parts);
		expect_signer(file, raw, "ana");
	}
}

static void test_not_signed(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	g_autofree char *file = g_strconcat("ana ", w->ana_key, "\n", NULL);
	g_autofree char *plain = make_tag(NULL, NULL, "v1.4", MESSAGE);
	g_autofree char *pgp = g_strconcat(
	    plain, "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n", NULL);
	expect_refused(file, plain, TS_ERROR_REFUSED, "tag -s -f v1.4");
	expect_refused(file, pgp, TS_ERROR_REFUSED, "none of ssh's");
}

static void test_foreign(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	g_autofree char *file = g_strconcat("ana ", w->ana_key, "\n", NULL);
	g_autofree char *foreign = make_tag(w->eve, "git", "v1.4", MESSAGE);
	g_autofree char *file_signed = make_tag(w->ana, "file", "v1.4", MESSAGE);
	expect_refused(file, foreign, TS_ERROR_REFUSED, "which no line of signers has");
	/* signed as a file, not as a tag */
	expect_refused(file, file_signed, TS_ERROR_NOT_AUTHENTIC, "signature is wrong");
	expect_refused("", foreign, TS_ERROR_REFUSED, "which no line of signers has");
}

static void test_altered(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	g_autofree char *file = g_strconcat("ana ", w->ana_key, "\n", NULL);
	g_autofree char *raw = make_tag(w->ana, "git", "v1.4", MESSAGE);
	g_autofree char *more = g_strconcat(raw, "Release-To: berlin\n", NULL);
	strstr(raw, "Release-To: all")[12] = 'A';
	expect_refused(file, raw, TS_ERROR_NOT_AUTHENTIC, "sign the tag anew");
	expect_refused(file, more, TS_ERROR_REFUSED, "text follows the signature");
}

static void test_expired(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	g_autofree char *raw = make_tag(w->ana, "git", "v1.4", MESSAGE);
	g_autofree char *before =
	    g_strconcat("ana valid-before=\"20261201\" ", w->ana_key, "\n", NULL);
	g_autofree char *after =
	    g_strconcat("ana valid-after=\"20261203\" ", w->ana_key, "\n", NULL);
	g_autofree char *other = g_strconcat("ana namespaces=\"file\" ", w->ana_key, "\n", NULL);
	expect_refused(before, raw, TS_ERROR_REFUSED, "which is not valid at 2026-12-01");
	expect_refused(after, raw, TS_ERROR_REFUSED, "valid-after");
	expect_refused(other, raw, TS_ERROR_NOT_AUTHENTIC, "not made by a trusted key");
}

static void test_rights(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	g_autofree char *raw = make_tag(w->ana, "git", "v1.4", MESSAGE);
	g_autofree char *blog = g_strconcat("ana apps=\"blog\" ", w->ana_key, "\n", NULL);
	g_autofree char *asia = g_strconcat("\nana bases=\"@asia\" ", w->ana_key, "\n", NULL);
	expect_refused(blog, raw, TS_ERROR_REFUSED, "may not release app shop (signers:1");
	expect_refused(asia, raw, TS_ERROR_REFUSED, "may not release at berlin (signers:2");
}

static void test_bad_files(void)
{
#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHRoaXMgaXMgbm8ga2V5IGJ1dCBhIGxvbmcgb25l"
	static const struct {
		const char *text, *why;
	} bad[] = {
	    {"ana\n", "signers:1: not of the form"},
	    {"# x\nana ssh-ed25519\n", "signers:2: not of the form"},
	    {"ana ssh-dss AAAA\n", "\"ssh-dss\" is no option"},
	    {"ana ssh-ed25519 AAAA\n", "signers:1: the key is damaged"},
	    {"ana ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIHRoaXM=\n", "the key is damaged"},
	    {"ana cert-authority " KEY "\n", "cert-authority"},
	    {"ana apps=shop " KEY "\n", "is no option"},
	    {"ana apps=\"\" " KEY "\n", "is no option"},
	    {"ana apps=\"Shop\" " KEY "\n", "signers:1: "},
	    {"ana apps=\"@asia\" " KEY "\n", "signers:1: "},
	    {"ana bases=\"a,,b\" " KEY "\n", "signers:1: "},
	    {"ana bases=\"a\",bases=\"b\" " KEY "\n", "stands twice"},
	    {"ana app=\"shop\" " KEY "\n", "there are namespaces"},
	    {"ana apps=\"shop " KEY "\n", "not of the form"},
	    {"ana apps=\"sh\\\"op\" " KEY "\n", "is no option"},
	    {"ana\001 " KEY "\n", "control character"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(TrustSigners) signers =
		    trust_signers_parse(bad[i].text, strlen(bad[i].text), "signers", &error);
		g_assert_null(signers);
		g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
		if (!strstr(error->message, bad[i].why))
			g_error("\"%s\" is not in: %s", bad[i].why, error->message);
	}
	g_autoptr(GError) error = NULL;
	g_autofree char *huge = g_strnfill(TRUST_SIGNERS_MAX + 1, '\n');
	g_assert_null(trust_signers_parse(huge, TRUST_SIGNERS_MAX + 1, "signers", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	g_assert_null(trust_signers_parse("a\0b", 3, "signers", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
}

static void test_claims(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	g_autoptr(GError) error = NULL;
	g_autofree char *raw = make_tag(w->eve, "git", "v1.4", MESSAGE);
	g_autoptr(PlanTag) tag = plan_tag_parse(raw, strlen(raw), &error);
	g_autofree char *claims = trust_tag_claims(tag, raw, strlen(raw));
	g_assert_true(g_str_has_prefix(claims, "SHA256:"));
	strstr(raw, "Release-To: all")[12] = 'A';
	g_autofree char *wrong = trust_tag_claims(tag, raw, strlen(raw));
	g_assert_nonnull(strstr(wrong, "not known"));
}

#define ADD(path, test) \
	g_test_add("/trust/signers/" path, World, NULL, world_set_up, test, world_tear_down)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("good", test_good);
	ADD("not-signed", test_not_signed);
	ADD("foreign", test_foreign);
	ADD("altered", test_altered);
	ADD("expired", test_expired);
	ADD("rights", test_rights);
	ADD("claims", test_claims);
	g_test_add_func("/trust/signers/bad-files", test_bad_files);
	return g_test_run();
}
