/* SPDX-License-Identifier: ISC */
/*
 * Many objects as one pack: two syncs in all, instead of two per object, and nothing half
 * there after a power cut. Entries are compressed into an unlinked spool file; the finished pack
 * goes through libgit2's indexer, which hashes all of it again, syncs it and moves it into place.
 */
#include <errno.h>
#include <gio/gio.h>
#include <git2/odb_backend.h>
#include <string.h>
#include <unistd.h>

#include "repo/repo-private.h"

#define CHUNK_BYTES (256 * 1024)
#define COMPRESSION_LEVEL 1
#define TRAILER_BYTES 20

struct RepoPack {
	Repo *repo;
	git_odb *odb;
	GHashTable *added; /* object ids */
	GZlibCompressor *compressor;
	GChecksum *id; /* of the object being added */
	guint8 *in, *out;
	guint64 spooled;
	guint32 count;
	int spool;
};

static int spool_open(Repo *repo, GError **error)
{
	g_autofree char *name = g_strdup_printf("objects/pack/pack_git2_spool_%ld", (long)getpid());
	util_autofd int fd = -1;

	/* one that a dead process of our number left */
	if (!util_fs_unlink(repo->dirfd, name, error))
		return -1;
	fd = util_fs_open_beneath(repo->dirfd, name, O_RDWR | O_CREAT | O_EXCL, 0600, error);
	if (fd < 0 || !util_fs_unlink(repo->dirfd, name, error))
		return -1;
	return g_steal_fd(&fd);
}

RepoPack *repo_pack_begin(Repo *repo, GError **error)
{
	g_autoptr(RepoPack) pack = g_new0(RepoPack, 1);
	int code;

	pack->repo = repo;
	pack->spool = spool_open(repo, error);
	if (pack->spool < 0)
		return NULL;
	code = git_repository_odb(&pack->odb, repo->git);
	if (code < 0) {
		(void)repo_error(error, code, "cannot open the objects of %s", repo->path);
		return NULL;
	}
	pack->added = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	pack->compressor = g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, COMPRESSION_LEVEL);
	pack->id = g_checksum_new(G_CHECKSUM_SHA1);
	pack->in = g_malloc(CHUNK_BYTES);
	pack->out = g_malloc(CHUNK_BYTES);
	return g_steal_pointer(&pack);
}

void repo_pack_free(RepoPack *pack)
{
	if (!pack)
		return;
	if (pack->spool >= 0)
		(void)close(pack->spool); /* has no name any more */
	git_odb_free(pack->odb);
	g_clear_pointer(&pack->added, g_hash_table_unref);
	g_clear_object(&pack->compressor);
	g_clear_pointer(&pack->id, g_checksum_free);
	g_free(pack->in);
	g_free(pack->out);
	g_free(pack);
}

/* Pack entry header: type and size, 4 then 7 bits at a time, lowest first. */
static gboolean entry_begin(RepoPack *pack, git_object_t type, guint64 size, GError **error)
{
	g_autofree char *header =
	    g_strdup_printf("%s %" G_GUINT64_FORMAT, git_object_type2string(type), size);
	guint8 bytes[16];
	gsize n = 0;

	g_checksum_reset(pack->id);
	g_checksum_update(pack->id, (const guchar *)header, (gssize)strlen(header) + 1);
	g_converter_reset(G_CONVERTER(pack->compressor));
	bytes[n] = (guint8)(((guint)type << 4) | (size & 15));
	for (size >>= 4; size; size >>= 7) {
		bytes[n++] |= 0x80;
		bytes[n] = size & 0x7f;
	}
	n++;
	if (!util_fs_pwrite_all(pack->spool, bytes, n, pack->spooled, error))
		return FALSE;
	pack->spooled += n;
	return TRUE;
}

/* Compresses some of the object; `last` ends its stream. */
static gboolean entry_data(RepoPack *pack, const guint8 *data, gsize len, gboolean last,
			   GError **error)
{
	GConverterFlags flags = last ? G_CONVERTER_INPUT_AT_END : G_CONVERTER_NO_FLAGS;
	GConverterResult result = G_CONVERTER_CONVERTED;

	g_checksum_update(pack->id, data, (gssize)len);
	while (len > 0 || (last && result != G_CONVERTER_FINISHED)) {
		gsize taken = 0, made = 0;

		result = g_converter_convert(G_CONVERTER(pack->compressor), data, len, pack->out,
					     CHUNK_BYTES, flags, &taken, &made, error);
		if (result == G_CONVERTER_ERROR)
			return FALSE;
		if (!util_fs_pwrite_all(pack->spool, pack->out, made, pack->spooled, error))
			return FALSE;
		pack->spooled += made;
		data += taken;
		len -= taken;
	}
	return TRUE;
}

/* What is in the pack already is taken back out of the spool. Only that: an object that the
 * repository seems to have may be one that `git gc` is just removing. */
static void entry_end(RepoPack *pack, guint64 start, char ret_oid[REPO_OID])
{
	(void)g_strlcpy(ret_oid, g_checksum_get_string(pack->id), REPO_OID); /* just fits */
	if (!g_hash_table_add(pack->added, g_strdup(ret_oid))) {
		pack->spooled = start; /* written over by the next one */
		return;
	}
	pack->count++;
}

gboolean repo_pack_add(RepoPack *pack, RepoType type, const void *data, gsize len,
		       char ret_oid[REPO_OID], GError **error)
{
	guint64 start = pack->spooled;

	if (!entry_begin(pack, repo_type_to_git(type), len, error) ||
	    !entry_data(pack, data, len, TRUE, error))
		return FALSE;
	entry_end(pack, start, ret_oid);
	return TRUE;
}

gboolean repo_pack_add_fd(RepoPack *pack, int fd, guint8 ret_sha256[UTIL_SHA256_BYTES],
			  guint64 *ret_len, char ret_oid[REPO_OID], GError **error)
{
	g_autoptr(UtilSha256) sha = util_sha256_new();
	guint64 start = pack->spooled, done = 0, size;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return util_error_errno(error, errno, "cannot look at the file to store");
	if (!S_ISREG(st.st_mode))
		return util_error_set(error, TS_ERROR_USAGE, "only regular files can be stored");
	size = (guint64)st.st_size;
	if (!entry_begin(pack, GIT_OBJECT_BLOB, size, error))
		return FALSE;
	do {
		gsize want = (gsize)MIN(size - done, (guint64)CHUNK_BYTES);

		if (!util_fs_pread_full(fd, pack->in, want, done, error))
			return FALSE;
		util_sha256_update(sha, pack->in, want);
		done += want;
		if (!entry_data(pack, pack->in, want, done == size, error))
			return FALSE;
	} while (done < size);
	util_sha256_finish(sha, ret_sha256);
	*ret_len = size;
	entry_end(pack, start, ret_oid);
	return TRUE;
}

/* git's order: by byte, as if folders ended in "/". */
static int tree_compare(gconstpointer a, gconstpointer b)
{
	const RepoTreeEntry *const *left = a;
	const RepoTreeEntry *const *right = b;
	g_autofree char *x = g_strconcat((*left)->name, S_ISDIR((*left)->mode) ? "/" : "", NULL);
	g_autofree char *y = g_strconcat((*right)->name, S_ISDIR((*right)->mode) ? "/" : "", NULL);

	return strcmp(x, y);
}

gboolean repo_pack_add_tree(RepoPack *pack, const RepoTreeEntry *entries, guint n,
			    char ret_oid[REPO_OID], GError **error)
{
	g_autoptr(GPtrArray) sorted = g_ptr_array_sized_new(n);
	g_autoptr(GByteArray) raw = g_byte_array_new();

	for (guint i = 0; i < n; i++)
		g_ptr_array_add(sorted, g_memdup2(&entries[i], sizeof entries[i]));
	g_ptr_array_set_free_func(sorted, g_free);
	g_ptr_array_sort(sorted, tree_compare);
	for (guint i = 0; i < n; i++) {
		const RepoTreeEntry *entry = g_ptr_array_index(sorted, i);
		g_autofree char *head = g_strdup_printf("%o %s", entry->mode, entry->name);
		git_oid id;

		if (!repo_tree_name_ok(entry->name)) {
			g_autofree char *shown = util_text_printable(entry->name, -1);

			return util_error_set(
			    error, TS_ERROR_REFUSED,
			    "git cannot hold a file or folder named '%s': leave it "
			    "out of the tree",
			    shown);
		}
		if (!repo_oid_parse(entry->oid, &id, error))
			return FALSE;
		g_byte_array_append(raw, (const guint8 *)head, (guint)strlen(head) + 1);
		g_byte_array_append(raw, id.id, sizeof id.id);
	}
	return repo_pack_add(pack, REPO_TREE, raw->data, raw->len, ret_oid, error);
}

/* A pack on its way into the repository. libgit2 counts the objects in `progress`: one for all
 * calls, or it misses those that it sees only together with the end. */
typedef struct {
	git_odb_writepack *writer;
	GChecksum *sum;
	git_indexer_progress progress;
} PackOut;

static gboolean pack_append(RepoPack *pack, PackOut *out, const guint8 *data, gsize len,
			    GError **error)
{
	int code;

	g_checksum_update(out->sum, data, (gssize)len);
	code = out->writer->append(out->writer, data, len, &out->progress);
	return code >= 0 || repo_error(error, code, "cannot write a pack in %s", pack->repo->path);
}

static gboolean pack_body(RepoPack *pack, PackOut *out, GError **error)
{
	guint32 fields[2] = {GUINT32_TO_BE(2), GUINT32_TO_BE(pack->count)};
	guint8 header[12] = {'P', 'A', 'C', 'K'};

	memcpy(header + 4, fields, sizeof fields);
	if (!pack_append(pack, out, header, sizeof header, error))
		return FALSE;
	for (guint64 done = 0; done < pack->spooled;) {
		gsize want = (gsize)MIN(pack->spooled - done, (guint64)CHUNK_BYTES);

		if (!util_fs_pread_full(pack->spool, pack->in, want, done, error) ||
		    !pack_append(pack, out, pack->in, want, error))
			return FALSE;
		done += want;
	}
	return TRUE;
}

static gboolean pack_end(RepoPack *pack, PackOut *out, GError **error)
{
	guint8 trailer[TRAILER_BYTES];
	gsize len = sizeof trailer;
	int code;

	g_checksum_get_digest(out->sum, trailer, &len);
	code = out->writer->append(out->writer, trailer, len, &out->progress);
	if (code >= 0)
		code = out->writer->commit(out->writer, &out->progress);
	return code >= 0 || repo_error(error, code, "cannot finish a pack in %s", pack->repo->path);
}

gboolean repo_pack_finish(RepoPack *pack, GError **error)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	PackOut out = {.sum = sum};
	gboolean ok;
	int code;

	if (pack->count == 0)
		return TRUE;
	code = git_odb_write_pack(&out.writer, pack->odb, NULL, NULL);
	if (code < 0)
		return repo_error(error, code, "cannot write a pack in %s", pack->repo->path);
	ok = pack_body(pack, &out, error) && pack_end(pack, &out, error);
	out.writer->free(out.writer);
	if (ok) {
		pack->count = 0;
		pack->spooled = 0;
	}
	return ok;
}
