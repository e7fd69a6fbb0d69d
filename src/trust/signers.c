/* SPDX-License-Identifier: ISC */
#include "trust/trust-private.h"

static const char *const key_types[] = {"ssh-ed25519",
					"ssh-rsa",
					"ecdsa-sha2-nistp256",
					"ecdsa-sha2-nistp384",
					"ecdsa-sha2-nistp521",
					"sk-ssh-ed25519@openssh.com",
					"sk-ecdsa-sha2-nistp256@openssh.com",
					NULL};

static void signer_free(gpointer data)
{
	TrustSigner *signer = data;
	g_free(signer->principals);
	g_free(signer->options);
	g_free(signer->validity);
	g_free(signer->key);
	g_strfreev(signer->apps);
	g_strfreev(signer->bases);
	g_free(signer);
}

void trust_signers_free(TrustSigners *signers)
{
	if (!signers)
		return;
	g_free(signers->name);
	g_free(signers->sha256);
	g_ptr_array_unref(signers->list);
	g_free(signers);
}

guint trust_signers_count(const TrustSigners *signers)
{
	return signers->list->len;
}

const char *trust_signers_sha256(const TrustSigners *signers)
{
	return signers->sha256;
}

/* The next word; blanks within quotes belong to it. NULL at the end, or where a quote is open. */
static char *take_word(const char **at)
{
	const char *from = *at + strspn(*at, " \t");
	const char *to = from;
	gboolean quoted = FALSE;
	for (; *to && (quoted || !strchr(" \t", *to)); to++) {
		if (quoted && *to == '\\' && to[1])
			to++;
		else if (*to == '"')
			quoted = !quoted;
	}
	*at = to;
	return to > from && !quoted ? g_strndup(from, (gsize)(to - from)) : NULL;
}

/* "a=\"x,y\",b" into its options: commas within quotes part nothing. */
static char **split_options(const char *text)
{
	g_autoptr(GStrvBuilder) options = g_strv_builder_new();
	const char *from = text;
	gboolean quoted = FALSE;
	for (const char *at = text;; at++) {
		if (*at == '\0' || (*at == ',' && !quoted)) {
			g_autofree char *option = g_strndup(from, (gsize)(at - from));
			g_strv_builder_add(options, option);
			from = at + 1;
		}
		if (*at == '\0')
			break;
		if (*at == '"')
			quoted = !quoted;
	}
	return g_strv_builder_end(options);
}

/* The value of NAME="…" if the option is that one, else NULL. */
static char *value_of(const char *option, const char *name)
{
	gsize len = strlen(name), all = strlen(option);
	if (g_ascii_strncasecmp(option, name, len) != 0 || all < len + 4 || option[len] != '=' ||
	    option[len + 1] != '"' || option[all - 1] != '"')
		return NULL;
	char *value = g_strndup(option + len + 2, all - len - 3);
	if (!strpbrk(value, "\"\\"))
		return value;
	g_free(value);
	return NULL;
}

/* A list of names; "@group" only where groups may stand. */
static char **names_of(const char *value, const char *what, GError **error)
{
	g_auto(GStrv) names = g_strsplit(value, ",", -1);
	for (guint i = 0; names[i]; i++) {
		gboolean group = names[i][0] == '@' && strcmp(what, "base") == 0;
		if (!util_name_check(group ? "group" : what, names[i] + group, error))
			return NULL;
	}
	return g_steal_pointer(&names);
}

static void append_option(char **list, const char *option)
{
	char *longer = *list ? g_strconcat(*list, ",", option, NULL) : g_strdup(option);
	g_free(*list);
	*list = longer;
}

static gboolean take_rights(char ***names, const char *value, const char *what, GError **error)
{
	if (*names)
		return util_error_set(error, TS_ERROR_USAGE, "%ss stands twice; write one list",
				      what);
	*names = names_of(value, what, error);
	return *names != NULL;
}

/* ssh-keygen's own go to it as they are, ours are taken out. */
static gboolean take_option(TrustSigner *signer, const char *option, GError **error)
{
	g_autofree char *apps = value_of(option, "apps");
	g_autofree char *bases = value_of(option, "bases");
	g_autofree char *namespaces = value_of(option, "namespaces");
	g_autofree char *after = value_of(option, "valid-after");
	g_autofree char *before = value_of(option, "valid-before");
	if (apps)
		return take_rights(&signer->apps, apps, "app", error);
	if (bases)
		return take_rights(&signer->bases, bases, "base", error);
	if (g_ascii_strcasecmp(option, "cert-authority") == 0)
		return util_error_set(error, TS_ERROR_USAGE,
				      "cert-authority: certificates are not taken here; name each "
				      "signer's own key");
	if (namespaces)
		append_option(&signer->options, option);
	else if (after || before)
		append_option(&signer->validity, option);
	else
		return util_error_set(error, TS_ERROR_USAGE,
				      "\"%.60s\" is no option; there are namespaces=\"…\", "
				      "valid-after=\"…\", valid-before=\"…\", apps=\"…\", "
				      "bases=\"…\"",
				      option);
	return TRUE;
}

static gboolean is_key_type(const char *word)
{
	return g_strv_contains(key_types, word);
}

/* The blob begins with its type, as the line does. */
static gboolean check_key(const char *type, const char *base64, GError **error)
{
	gsize len = 0, type_len = strlen(type);
	g_autofree guchar *blob = g_base64_decode(base64, &len);
	g_autofree char *again = g_base64_encode(blob, len);
	if (len > 4 + type_len && strcmp(again, base64) == 0 && blob[0] == 0 && blob[1] == 0 &&
	    blob[2] == 0 && blob[3] == type_len && memcmp(blob + 4, type, type_len) == 0)
		return TRUE;
	return util_error_set(error, TS_ERROR_USAGE,
			      "the key is damaged; copy the whole line of the .pub file");
}

static gboolean parse_signer(TrustSigner *signer, const char *line, GError **error)
{
	const char *at = line;
	signer->principals = take_word(&at);
	g_autofree char *word = signer->principals ? take_word(&at) : NULL;
	if (word && !is_key_type(word)) {
		g_auto(GStrv) options = split_options(word);
		for (guint i = 0; options[i]; i++)
			if (!take_option(signer, options[i], error))
				return FALSE;
		g_free(word);
		word = take_word(&at);
	}
	g_autofree char *base64 = word && is_key_type(word) ? take_word(&at) : NULL;
	if (!base64)
		return util_error_set(error, TS_ERROR_USAGE,
				      "not of the form PRINCIPALS [OPTIONS] KEYTYPE KEY; the end "
				      "of the line is the .pub file of the signer");
	signer->key = g_strconcat(word, " ", base64, NULL);
	return check_key(word, base64, error);
}

static gboolean parse_line(TrustSigners *signers, const char *line, guint number, GError **error)
{
	const char *text = line + strspn(line, " \t");
	if (*text == '\0' || *text == '#')
		return TRUE;
	TrustSigner *signer = g_new0(TrustSigner, 1);
	g_ptr_array_add(signers->list, signer);
	signer->line = number;
	for (const char *p = text; *p; p++)
		if (((guchar)*p < ' ' && *p != '\t') || *p == 0x7f)
			return util_error_set(error, TS_ERROR_USAGE,
					      "%s:%u: it holds a control character", signers->name,
					      number);
	if (parse_signer(signer, text, error))
		return TRUE;
	g_prefix_error(error, "%s:%u: ", signers->name, number);
	return FALSE;
}

TrustSigners *trust_signers_parse(const char *text, gsize len, const char *name, GError **error)
{
	g_autoptr(TrustSigners) signers = g_new0(TrustSigners, 1);
	signers->name = g_strdup(name);
	signers->list = g_ptr_array_new_with_free_func(signer_free);
	signers->sha256 = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, len);
	if (len > TRUST_SIGNERS_MAX || memchr(text, '\0', len)) {
		util_error_set(error, TS_ERROR_USAGE, "%s:1: %s", name,
			       len > TRUST_SIGNERS_MAX ? "the file is over 256 KiB"
						       : "it holds a NUL byte");
		return NULL;
	}
	g_autofree char *copy = g_strndup(text, len);
	g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		gsize end = strlen(lines[i]);
		if (end > 0 && lines[i][end - 1] == '\r')
			lines[i][end - 1] = '\0';
		if (!parse_line(signers, lines[i], i + 1, error))
			return NULL;
	}
	return g_steal_pointer(&signers);
}

TrustSigners *trust_signers_load(int dirfd, const char *path, GError **error)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(dirfd, path, TRUST_SIGNERS_MAX, &text, &len, error))
		return NULL;
	return trust_signers_parse(text, len, path, error);
}
