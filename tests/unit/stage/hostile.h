/* SPDX-License-Identifier: ISC */
/*
 * Bundles that nobody honest makes. Each is put where a download lies, under its own hash, ordered,
 * and staged twice: in this process, which gives the error, and by the program tagship-stage, which
 * confines itself. It must be refused for the reason expected, with nothing written anywhere and
 * nothing left behind; the live tree and a folder beside the world are compared before and after.
 */
#pragma once

#include <dirent.h>

#include "delta/archive.h"
#include "order/accepted.h"
#include "world.h"

#define HOSTILE_ROOT "1111111111111111111111111111111111111111111111111111111111111111"
#define HOSTILE_MEMORY ((guint64)64 * 1024 * 1024)
#define HOSTILE_DECODED ((guint64)1000)
/* The header of a plain bundle that leads to HOSTILE_ROOT. */
#define HOSTILE_HEADER(format, codec, decoded, memory)                               \
	"Format: " format "\nCodec: " codec "\nOld-Root: -\nNew-Root: " HOSTILE_ROOT \
	"\nFiles: 1 0 0 0\nDecoded-Bytes: " decoded "\nMemory-Bytes: " memory "\n"

/* ---- a tar, byte by byte ---- */

static inline void tar_append(GByteArray *tar, const void *data, gsize len)
{
	static const guint8 zeros[512];
	if (len > 0)
		g_byte_array_append(tar, data, (guint)len);
	g_byte_array_append(tar, zeros, (512 - tar->len % 512) % 512);
}

typedef struct {
	char type;         /* 0: the end of the entries */
	const char *path;  /* cut at 100 bytes */
	const char *data;  /* what follows; its length is the size */
	const char *link;  /* of links */
	const char *pax;   /* records KEY=VALUE before it, each ending with a newline */
	const char *size;  /* the field itself, 12 bytes, in place of the real one */
	const char *mtime; /* likewise */
	guint mode;        /* 0: what is usual */
} TarEntry;

static inline void tar_field(char *field, gsize size, const char *given, guint64 number)
{
	if (given)
		memcpy(field, given, size);
	else
		g_snprintf(field, size, "%0*" G_GINT64_MODIFIER "o", (int)size - 1, number);
}

static inline void tar_head(GByteArray *tar, const TarEntry *entry, gsize len)
{
	char head[512] = "";
	guint sum = 8 * ' ';
	guint usual = entry->type == '5' ? 0755 : entry->type == '2' ? 0777 : 0644;
	(void)g_strlcpy(head, entry->path, 101); /* cut on purpose */
	tar_field(head + 100, 8, NULL, entry->mode ? entry->mode : usual);
	tar_field(head + 108, 8, NULL, 0);
	tar_field(head + 116, 8, NULL, 0);
	tar_field(head + 124, 12, entry->size, len);
	tar_field(head + 136, 12, entry->mtime, 1700000000);
	head[156] = entry->type;
	if (entry->link)
		(void)g_strlcpy(head + 157, entry->link, 101); /* likewise */
	memcpy(head + 257, "ustar\00000", 8);
	for (guint i = 0; i < sizeof head; i++)
		sum += i >= 148 && i < 156 ? 0 : (guchar)head[i];
	g_snprintf(head + 148, 8, "%06o", sum);
	head[155] = ' ';
	tar_append(tar, head, sizeof head);
}

/* One record "LENGTH KEY=VALUE\n"; the length counts itself. */
static inline void pax_record(GString *records, const char *text, gsize len)
{
	gsize total = len + 3;
	for (gsize digits = 0; digits != total;) {
		g_autofree char *number = g_strdup_printf("%" G_GSIZE_FORMAT, total);
		digits = total;
		total = strlen(number) + 1 + len;
	}
	g_string_append_printf(records, "%" G_GSIZE_FORMAT " ", total);
	g_string_append_len(records, text, (gssize)len);
}

static inline void tar_pax(GByteArray *tar, char type, const char *records)
{
	g_autoptr(GString) text = g_string_new(NULL);
	for (const char *at = records, *end; *at; at = end + 1) {
		end = strchr(at, '\n');
		pax_record(text, at, (gsize)(end + 1 - at));
	}
	const TarEntry entry = {.type = type, .path = "pax"};
	tar_head(tar, &entry, text->len);
	tar_append(tar, text->str, text->len);
}

static inline void tar_add(GByteArray *tar, const TarEntry *entry)
{
	gsize len = entry->data ? strlen(entry->data) : 0;
	if (entry->pax)
		tar_pax(tar, 'x', entry->pax);
	tar_head(tar, entry, len);
	if (len > 0)
		tar_append(tar, entry->data, len);
}

static inline void tar_file(GByteArray *tar, const char *path, const char *data)
{
	const TarEntry entry = {.type = '0', .path = path, .data = data};
	tar_add(tar, &entry);
}

static inline void tar_end(GByteArray *tar)
{
	static const guint8 zeros[1024];
	g_byte_array_append(tar, zeros, sizeof zeros);
}

/* ---- a bundle's layers ---- */

static inline GByteArray *xz_pack(const GByteArray *tar)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaCoder) coder = delta_xz_encoder_new(64 << 10, 3, &error);
	GByteArray *out = g_byte_array_new();
	(void)delta_coder_all(coder, tar->data, tar->len, out, G_MAXUINT, &error);
	g_assert_no_error(error);
	return out;
}

static inline GByteArray *xz_unpack(const GByteArray *file)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(DeltaCoder) coder = delta_xz_decoder_new((guint64)256 << 20, &error);
	GByteArray *tar = g_byte_array_new();
	(void)delta_coder_all(coder, file->data, file->len, tar, 256 << 20, &error);
	g_assert_no_error(error);
	return tar;
}

/* ---- the world, and what it looks like ---- */

/* One world for all bundles of a program: what they leave would be found by the next. */
typedef struct {
	World world;
	char *v1, *v2; /* roots: of the live tree, and of what the good bundles lead to */
	GByteArray *plain, *delta; /* the good ones */
	char *program;             /* NULL: not built */
} Hostile;

static inline gint by_name(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Everything beneath a folder: names, types, modes, sizes, times, contents, targets. */
static inline void describe(int dirfd, const char *path, GString *text)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	g_assert_cmpint(fd, >=, 0);
	DIR *dir = fdopendir(fd);
	for (const struct dirent *at = readdir(dir); at; at = readdir(dir))
		if (strcmp(at->d_name, ".") != 0 && strcmp(at->d_name, "..") != 0)
			g_ptr_array_add(names, g_strdup(at->d_name));
	(void)closedir(dir); /* read only */
	g_ptr_array_sort(names, by_name);
	for (guint i = 0; i < names->len; i++) {
		struct stat st;
		guint8 digest[UTIL_SHA256_BYTES] = {0};
		char hex[UTIL_SHA256_HEX];
		g_autofree char *name = g_build_filename(path, names->pdata[i], NULL);
		g_assert_cmpint(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), ==, 0);
		util_autofd int file =
		    S_ISREG(st.st_mode) ? openat(dirfd, name, O_RDONLY | O_CLOEXEC) : -1;
		if (file >= 0)
			g_assert_true(util_sha256_fd(file, digest, NULL, NULL));
		util_hex_encode(digest, 8, hex);
		g_autofree char *target =
		    S_ISLNK(st.st_mode) ? util_fs_readlink(dirfd, name, NULL) : NULL;
		/* what is made and removed in them moves their time; stat numbers are noted anew */
		gboolean pre =
		    g_str_has_suffix(name, "pre-release") || g_str_has_prefix(name, "root/trees");
		g_string_append_printf(text,
				       "%s %o %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %s %s\n",
				       name, st.st_mode, pre ? 0 : (gint64)st.st_size,
				       pre ? 0 : (gint64)st.st_mtime, hex, target ? target : "-");
		if (S_ISDIR(st.st_mode))
			describe(dirfd, name, text);
	}
}

/* `all`: what belongs to the base itself as well. */
static inline char *look(const World *world, gboolean all)
{
	GString *text = g_string_new(NULL);
	describe(world->dirfd, "app", text);
	describe(world->dirfd, "outside", text);
	if (all)
		describe(world->dirfd, "root", text);
	return g_string_free(text, FALSE);
}

/* ---- one bundle ---- */

typedef struct {
	const char *name;
	int code;
	const char *words;    /* in the error */
	const char *old_root; /* NULL: from nothing */
	const char *root;     /* ordered; NULL: HOSTILE_ROOT */
	guint64 decoded;      /* ordered; 0: HOSTILE_DECODED */
} HostileCase;

static inline char *hostile_blob(const World *world, const GByteArray *file)
{
	guint8 digest[UTIL_SHA256_BYTES];
	char sha256[UTIL_SHA256_HEX];
	util_sha256_data(file->data, file->len, digest);
	util_hex_encode(digest, sizeof digest, sha256);
	char *path = g_strconcat("root/partial/", sha256, NULL);
	util_autofd int fd =
	    openat(world->dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	g_assert_true(util_fs_write_all(fd, file->data, file->len, NULL));
	return path;
}

static inline void hostile_order(Hostile *hostile, const HostileCase *row, const char *blob,
				 guint64 bytes)
{
	World *world = &hostile->world;
	Order *order;
	new_order(world, "v9", row->root ? row->root : HOSTILE_ROOT);
	order = world->order;
	order->seq = 1;
	order->written_utc = g_get_real_time() / G_USEC_PER_SEC;
	order->at_utc = order->written_utc + 3600;
	order->grace_s = 1800;
	order->files = 2;
	order->base = g_strdup("haikou");
	order->tag = g_strdup(order->version);
	order->release = g_strnfill(40, 'a');
	order->commit = g_strnfill(40, 'b');
	order->local_text = g_strdup("noon");
	order_add_bundle(order, row->old_root ? row->old_root : "-", strrchr(blob, '/') + 1, bytes,
			 row->old_root ? "delta" : "plain",
			 row->decoded ? row->decoded : HOSTILE_DECODED, HOSTILE_MEMORY);
}

/* As the base runs it: the order accepted, everything else of before forgotten. */
static inline void hostile_program(const Hostile *hostile, const HostileCase *row)
{
	const World *world = &hostile->world;
	static const char *const left[] = {"root/journal", "root/pending", "root/lock"};
	const char *const argv[] = {hostile->program, world->root_path, NULL};
	UtilChildResult result = {0};
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) all =
	    g_ptr_array_new_with_free_func((GDestroyNotify)accepted_order_free);
	AcceptedOrder *accepted = g_new0(AcceptedOrder, 1);
	accepted->order = order_copy(world->order);
	g_ptr_array_add(all, accepted);
	g_autofree char *text = accepted_format(all, NULL);
	put(world, "root/accepted/shop", text);
	for (guint i = 0; i < G_N_ELEMENTS(left); i++)
		g_assert_true(util_fs_remove_tree(world->dirfd, left[i], NULL));
	util_autofd int fd = util_fs_open_beneath(world->dirfd, "program.log",
						  O_WRONLY | O_CREAT | O_TRUNC, 0644, &error);
	UtilChildSpec spec = {.argv = argv, .output_fd = fd, .error_fd = fd, .deadline_s = 60};
	(void)util_child_run(&spec, &result, &error);
	g_assert_no_error(error);
	g_autofree char *said = NULL;
	g_assert_true(util_fs_read_file(world->dirfd, "program.log", 1 << 20, &said, NULL, &error));
	g_test_message("%s: %s", row->name, said);
	g_assert_nonnull(strstr(said, row->words));
	g_assert_cmpint(result.exit_status, !=, 0);
	g_assert_cmpint(result.exit_status, <, 126);
}

static inline void hostile_refused(Hostile *hostile, const HostileCase *row, const GByteArray *file)
{
	World *world = &hostile->world;
	g_autoptr(GError) error = NULL;
	StageResult *result = NULL;
	g_autofree char *blob = hostile_blob(world, file);
	hostile_order(hostile, row, blob, file->len);
	StageSpec spec = make_spec(world);
	g_autofree char *before = look(world, TRUE);
	g_assert_false(stage_run(&spec, &result, &error));
	g_test_message("%s: %s", row->name, error->message);
	g_assert_error(error, TS_ERROR, row->code);
	g_assert_nonnull(strstr(error->message, row->words));
	g_autofree char *after = look(world, TRUE);
	g_assert_cmpstr(before, ==, after);
	if (hostile->program) {
		g_autofree char *app_before = look(world, FALSE);
		hostile_program(hostile, row);
		g_autofree char *app_after = look(world, FALSE);
		g_assert_cmpstr(app_before, ==, app_after);
	}
	g_assert_true(util_fs_unlink(world->dirfd, blob, NULL));
}

static inline GByteArray *take_blob(const World *world, const BundleInfo *info)
{
	g_autofree char *path = g_strconcat("root/partial/", info->sha256, NULL);
	g_autofree char *data = NULL;
	gsize len = 0;
	g_assert_true(util_fs_read_file(world->dirfd, path, 1 << 24, &data, &len, NULL));
	g_assert_true(util_fs_unlink(world->dirfd, path, NULL));
	return g_byte_array_new_take((guint8 *)g_steal_pointer(&data), len);
}

static inline void hostile_init(Hostile *hostile)
{
	World *world = &hostile->world;
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *dir = g_path_get_dirname(self);
	g_autofree char *beside = g_build_filename(dir, "..", "..", "tagship-stage", NULL);
	setup(world, NULL);
	hostile->v1 = v1_live(world, NULL);
	hostile->v2 = make_version(world, "v2", "two");
	g_autoptr(BundleInfo) plain = make_bundle(world, NULL, "v2");
	hostile->plain = take_blob(world, plain);
	g_autoptr(BundleInfo) delta = make_bundle(world, "v1", "v2");
	hostile->delta = take_blob(world, delta);
	g_assert_true(util_fs_mkdir(world->dirfd, "outside", 0755, NULL));
	put(world, "outside/canary", "alive");
	g_assert_true(util_fs_mkdir(world->root_dirfd, "accepted", 0755, NULL));
	g_autofree char *key = g_build_filename(world->path, "key", NULL);
	g_assert_true(util_sshsig_keygen(key, "test", NULL));
	g_autofree char *public_key = util_sshsig_public_key(key, NULL);
	g_autofree char *conf = g_strdup_printf(
	    "name = \"haikou\"; upstreams = [ \"/nowhere\" ]; central_keys = [ \"%s\" ];\n"
	    "key_file = \"%s\"; min_free_mb = 0; memory_mb = 64;\n"
	    "apps = ( { name = \"shop\"; dir = \"%s\"; } );\n",
	    public_key, key, world->app_path);
	put(world, "root/base.cfg", conf);
	hostile->program = g_file_test(beside, G_FILE_TEST_IS_EXECUTABLE)
			       ? g_canonicalize_filename(beside, NULL)
			       : NULL;
}

static inline void hostile_clear(Hostile *hostile)
{
	g_byte_array_unref(hostile->plain);
	g_byte_array_unref(hostile->delta);
	g_free(hostile->program);
	g_free(hostile->v1);
	g_free(hostile->v2);
	teardown(&hostile->world, NULL);
}
