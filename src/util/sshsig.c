/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/util.h"

#define KEYGEN_DEADLINE_S 20
#define SIGNATURE_MAX (64 * 1024)
#define ED25519_BLOB_BYTES 51 /* string "ssh-ed25519" (4 + 11), string key (4 + 32) */

static gboolean keygen(const char *const *argv, GBytes *input, GBytes **ret_output, GError **error)
{
	g_autofree char *errors = NULL;
	int status = 0;
	if (!util_child_capture(argv, NULL, input, KEYGEN_DEADLINE_S, SIGNATURE_MAX, ret_output,
				&errors, &status, error))
		return FALSE;
	if (status != 0)
		return util_error_set(error, TS_ERROR_FAILED, "ssh-keygen %s: %s", argv[1],
				      g_strstrip(errors));
	return TRUE;
}

/* ssh-keygen syncs nothing. */
static gboolean sync_file(const char *path, GError **error)
{
	util_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return util_error_errno(error, errno, "%s", path);
	return util_fs_fsync(fd, error);
}

gboolean util_sshsig_keygen(const char *path, const char *comment, GError **error)
{
	if (g_file_test(path, G_FILE_TEST_EXISTS))
		return util_error_set(error, TS_ERROR_EXISTS, "%s: this key is there already",
				      path);
	g_autofree char *dir = g_path_get_dirname(path), *name = g_path_get_basename(path);
	g_autofree char *tmp = g_strdup_printf("%s/.tmp-%s-%08x", dir, name, g_random_int());
	g_autofree char *tmp_pub = g_strconcat(tmp, ".pub", NULL);
	g_autofree char *pub = g_strconcat(path, ".pub", NULL);
	const char *argv[] = {"ssh-keygen", "-q",    "-t", "ed25519", "-N", "",
			      "-C",         comment, "-f", tmp,       NULL};
	/* the private half last: where it is, all is */
	gboolean ok = keygen(argv, NULL, NULL, error) && sync_file(tmp_pub, error) &&
		      sync_file(tmp, error) &&
		      util_fs_rename(AT_FDCWD, tmp_pub, AT_FDCWD, pub, error) &&
		      util_fs_rename_durable(AT_FDCWD, tmp, AT_FDCWD, path, error);
	if (!ok) {
		(void)util_fs_unlink(AT_FDCWD, tmp, NULL); /* else it is swept */
		(void)util_fs_unlink(AT_FDCWD, tmp_pub, NULL);
	}
	return ok;
}

char *util_sshsig_public_key(const char *path, GError **error)
{
	const char *argv[] = {"ssh-keygen", "-y", "-P", "", "-f", path, NULL};
	g_autoptr(GBytes) output = NULL;
	if (!keygen(argv, NULL, &output, error))
		return NULL;
	gsize len = 0;
	const char *text = g_bytes_get_data(output, &len);
	g_autofree char *copy = g_strndup(text, len);
	char *key = util_sshsig_key_in(copy);
	if (!key)
		util_error_set(error, TS_ERROR_FAILED, "%s: not an ed25519 key", path);
	return key;
}

char *util_sshsig_key_in(const char *text)
{
	g_autofree char *copy = g_strstrip(g_strdup(text));
	g_auto(GStrv) words = g_strsplit(copy, " ", 3);
	g_autofree char *key =
	    words[0] && words[1] ? g_strjoin(" ", words[0], words[1], NULL) : NULL;
	return key && util_sshsig_key_ok(key) ? g_steal_pointer(&key) : NULL;
}

gboolean util_sshsig_key_ok(const char *public_key)
{
	static const guint8 head[] = {0,   0,   0,   11,  's', 's', 'h', '-', 'e', 'd',
				      '2', '5', '5', '1', '9', 0,   0,   0,   32};
	if (!g_str_has_prefix(public_key, "ssh-ed25519 "))
		return FALSE;
	const char *text = public_key + strlen("ssh-ed25519 ");
	gsize len = 0;
	g_autofree guchar *blob = g_base64_decode(text, &len);
	if (len != ED25519_BLOB_BYTES || memcmp(blob, head, sizeof head) != 0)
		return FALSE;
	g_autofree char *again = g_base64_encode(blob, len);
	return strcmp(again, text) == 0;
}

gboolean util_sshsig_check_key_file(const char *path, GError **error)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return util_error_errno(error, errno, "key file %s", path);
	if (!S_ISREG(st.st_mode))
		return util_error_set(error, TS_ERROR_NOT_AUTHENTIC,
				      "key file %s: not a regular file", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return util_error_set(error, TS_ERROR_NOT_AUTHENTIC,
				      "key file %s: belongs to user %u; chown it to the user that "
				      "runs tagship",
				      path, st.st_uid);
	if (st.st_mode & 077)
		return util_error_set(
		    error, TS_ERROR_NOT_AUTHENTIC,
		    "key file %s: others can read it (mode %04o); chmod 600 it and "
		    "consider the key stolen",
		    path, st.st_mode & 07777);
	return TRUE;
}

char *util_sshsig_sign(const char *key_path, const char *name_space, const void *data, gsize len,
		       GError **error)
{
	if (!util_sshsig_check_key_file(key_path, error))
		return NULL;
	const char *argv[] = {"ssh-keygen", "-Y", "sign",   "-q", "-n",
			      name_space,   "-f", key_path, NULL};
	g_autoptr(GBytes) input = g_bytes_new(data, len);
	g_autoptr(GBytes) output = NULL;
	if (!keygen(argv, input, &output, error))
		return NULL;
	gsize size = 0;
	const char *text = g_bytes_get_data(output, &size);
	if (size < 32 || !g_str_has_prefix(text, "-----BEGIN SSH SIGNATURE-----\n")) {
		util_error_set(error, TS_ERROR_FAILED, "ssh-keygen -Y sign gave no signature");
		return NULL;
	}
	return g_strndup(text, size);
}

/* ssh-keygen wants the signature and the signers as files: memory files, by /proc/self/fd of our
 * own process. */
static char *memory_path(const char *name, const char *text, int *ret_fd, GError **error)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0) {
		util_error_errno(error, errno, "memfd_create");
		return NULL;
	}
	*ret_fd = fd;
	if (!util_fs_write_all(fd, text, strlen(text), error))
		return NULL;
	return g_strdup_printf("/proc/%d/fd/%d", (int)getpid(), fd);
}

char *util_sshsig_signer(const char *name_space, const void *data, gsize len, const char *signature,
			 GError **error)
{
	util_autofd int signature_fd = -1;
	g_autofree char *path = memory_path("signature", signature, &signature_fd, error);
	if (!path)
		return NULL;
	const char *argv[] = {"ssh-keygen", "-Y", "check-novalidate", "-n", name_space, "-s",
			      path,         NULL};
	g_autoptr(GBytes) input = g_bytes_new(data, len);
	g_autoptr(GBytes) output = NULL;
	g_autoptr(GError) failed = NULL;
	gboolean ok = keygen(argv, input, &output, &failed);
	gsize size = 0;
	const char *text = output ? g_bytes_get_data(output, &size) : "";
	g_autofree char *copy = g_strndup(text, size);
	/* Good "git" signature with ED25519 key SHA256:… */
	const char *print = ok ? strstr(copy, "SHA256:") : NULL;
	if (print)
		return g_strndup(print, strcspn(print, " \n"));
	util_error_set(error, TS_ERROR_NOT_AUTHENTIC, "%s",
		       failed ? failed->message : "ssh-keygen names no key");
	return NULL;
}

/* What is asked about a signature. */
typedef struct {
	int signers_fd, signature_fd;
	char *signers, *signature; /* paths */
	char *when;                /* "verify-time=20261201020000Z" */
} Asked;

static void asked_clear(Asked *asked)
{
	util_closep(&asked->signers_fd);
	util_closep(&asked->signature_fd);
	g_free(asked->signers);
	g_free(asked->signature);
	g_free(asked->when);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Asked, asked_clear)

static gboolean asked_init(Asked *asked, const char *signers, const char *signature, gint64 at_utc,
			   GError **error)
{
	g_autoptr(GDateTime) at = g_date_time_new_from_unix_utc(at_utc);
	asked->when = at ? g_date_time_format(at, "verify-time=%Y%m%d%H%M%SZ")
			 : g_strdup("verify-time=19700101");
	asked->signers = memory_path("signers", signers, &asked->signers_fd, error);
	asked->signature = asked->signers
			       ? memory_path("signature", signature, &asked->signature_fd, error)
			       : NULL;
	return asked->signature != NULL;
}

char *util_sshsig_principals(const char *signers, const char *signature, gint64 at_utc,
			     GError **error)
{
	g_auto(Asked) asked = {-1, -1, NULL, NULL, NULL};
	if (!asked_init(&asked, signers, signature, at_utc, error))
		return NULL;
	const char *argv[] = {"ssh-keygen",    "-Y", "find-principals", "-f", asked.signers, "-s",
			      asked.signature, "-O", asked.when,        NULL};
	g_autoptr(GBytes) output = NULL;
	g_autoptr(GError) failed = NULL;
	if (!keygen(argv, NULL, &output, &failed)) {
		util_error_set(error, TS_ERROR_NOT_AUTHENTIC, "no line of it has this key (%s)",
			       failed->message);
		return NULL;
	}
	gsize size = 0;
	const char *text = g_bytes_get_data(output, &size);
	return g_strchomp(g_strndup(text, size));
}

gboolean util_sshsig_verify_as(const char *signers, const char *principal, const char *name_space,
			       gint64 at_utc, const void *data, gsize len, const char *signature,
			       GError **error)
{
	g_auto(Asked) asked = {-1, -1, NULL, NULL, NULL};
	if (!asked_init(&asked, signers, signature, at_utc, error))
		return FALSE;
	const char *argv[] = {"ssh-keygen", "-Y",          "verify", "-q",
			      "-n",         name_space,    "-I",     principal,
			      "-f",         asked.signers, "-s",     asked.signature,
			      "-O",         asked.when,    NULL};
	g_autoptr(GBytes) input = g_bytes_new(data, len);
	g_autofree char *errors = NULL;
	int status = 0;
	if (!util_child_capture(argv, NULL, input, KEYGEN_DEADLINE_S, SIGNATURE_MAX, NULL, &errors,
				&status, error))
		return FALSE;
	return status == 0 ||
	       util_error_set(error, TS_ERROR_NOT_AUTHENTIC,
			      "signature not made by a trusted key (%s)", g_strstrip(errors));
}

gboolean util_sshsig_verify(const char *const *keys, const char *name_space, const void *data,
			    gsize len, const char *signature, GError **error)
{
	g_autoptr(GString) signers = g_string_new(NULL);
	for (guint i = 0; keys[i]; i++)
		g_string_append_printf(signers, "tagship namespaces=\"%s\" %s\n", name_space,
				       keys[i]);
	gint64 now_utc = g_get_real_time() / G_USEC_PER_SEC;
	return util_sshsig_verify_as(signers->str, "tagship", name_space, now_utc, data, len,
				     signature, error);
}
