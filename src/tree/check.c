/* SPDX-License-Identifier: ISC */
/* Is the tree what its manifest says? In full, and from stat numbers taken earlier. */
#include <errno.h>
#include <unistd.h>

#include "tree/tree-private.h"

#define NAMED_MAX 5
#define STAT_LINE 160 /* five numbers, none over 20 digits, and nine each after two of them */
#define STAT_HEAD "tagship-stat 1\n"

/* Differences found so far. */
typedef struct {
	GPtrArray *paths;  /* char *, all */
	GString *named;    /* the first few, with what is wrong */
	GHashTable *known; /* the paths again */
} Findings;

static void findings_init(Findings *found)
{
	found->paths = g_ptr_array_new_with_free_func(g_free);
	found->named = g_string_new(NULL);
	found->known = g_hash_table_new(g_str_hash, g_str_equal);
}

static void findings_clear(Findings *found)
{
	g_hash_table_unref(found->known);
	g_string_free(found->named, TRUE);
	g_clear_pointer(&found->paths, g_ptr_array_unref);
}

static void findings_add(Findings *found, const char *path, const char *what)
{
	if (g_hash_table_contains(found->known, path))
		return;
	char *copy = g_strdup(path);
	g_ptr_array_add(found->paths, copy);
	g_hash_table_add(found->known, copy);
	if (found->paths->len > NAMED_MAX)
		return;
	g_autofree char *name = tree_name(path);
	g_string_append_printf(found->named, "%s%s (%s)", found->named->len ? ", " : "", name,
			       what);
}

/* TRUE if nothing was found; clears. */
static gboolean findings_result(Findings *found, GPtrArray **ret_altered, GError **error)
{
	guint count = found->paths->len;
	if (count > NAMED_MAX)
		g_string_append_printf(found->named, " and %u more", count - NAMED_MAX);
	if (count > 0)
		util_error_set(error, TS_ERROR_CORRUPT, "%u %s not as released: %s", count,
			       count == 1 ? "entry is" : "entries are", found->named->str);
	if (ret_altered)
		*ret_altered = g_ptr_array_ref(found->paths);
	findings_clear(found);
	return count == 0;
}

/* What the inode and link target say against the manifest; NULL if all is well so far. */
static const char *compare_node(const ManifestEntry *entry, const struct stat *st,
				const char *target)
{
	mode_t type = entry->type == MANIFEST_DIR    ? S_IFDIR
		      : entry->type == MANIFEST_FILE ? S_IFREG
						     : S_IFLNK;
	if ((st->st_mode & S_IFMT) != type)
		return "another type";
	if (entry->type != MANIFEST_LINK && (st->st_mode & 07777) != entry->mode)
		return "another mode";
	if (st->st_mtim.tv_sec != entry->mtime_s)
		return "another time";
	if (entry->type == MANIFEST_FILE && (guint64)st->st_size != entry->size)
		return "another size";
	if (entry->type == MANIFEST_LINK && g_strcmp0(target, entry->target) != 0)
		return "another target";
	return NULL;
}

static void queue_hash(GArray *jobs, const ManifestEntry *entry, struct stat *st)
{
	TreeHash job = {.path = entry->path, .size = entry->size, .st = st};
	g_array_append_val(jobs, job);
}

/* Hashes the queued files and notes those that differ. */
static gboolean check_hashes(int dirfd, const Manifest *manifest, GArray *jobs, Findings *found,
			     GError **error)
{
	if (!tree_hash_files(dirfd, jobs, NULL, error))
		return FALSE;
	for (guint i = 0; i < jobs->len; i++) {
		const TreeHash *job = &g_array_index(jobs, TreeHash, i);
		const ManifestEntry *entry = manifest_find(manifest, job->path);
		/* of one that could not be opened nothing is known: it is `changed` */
		const char *what =
		    job->st && job->st->st_ino ? compare_node(entry, job->st, NULL) : NULL;
		if (what)
			findings_add(found, job->path, what);
		else if (job->changed || memcmp(job->sha256, entry->sha256, UTIL_SHA256_BYTES) != 0)
			findings_add(found, job->path, "altered");
	}
	return TRUE;
}

/* Compares what was walked; files are queued for hashing, which tells the rest of them. seen: which
 * node an entry is, from 1. */
static void check_nodes(const Manifest *manifest, const GArray *nodes, GArray *jobs, guint *seen,
			Findings *found)
{
	for (guint i = 0; i < nodes->len; i++) {
		TreeNode *node = &g_array_index(nodes, TreeNode, i);
		guint index = 0;
		if (!manifest_index(manifest, node->path, &index)) {
			findings_add(found, node->path, "extra");
			continue;
		}
		seen[index] = i + 1;
		const ManifestEntry *entry = manifest_entry(manifest, index);
		gboolean file = entry->type == MANIFEST_FILE && S_ISREG(node->st.st_mode);
		const char *what = file ? NULL : compare_node(entry, &node->st, node->target);
		if (what)
			findings_add(found, node->path, what);
		else if (file)
			queue_hash(jobs, entry, &node->st);
	}
	for (guint i = 0; i < manifest_count(manifest); i++)
		if (!seen[i])
			findings_add(found, manifest_entry(manifest, i)->path, "missing");
}

/* printf took a tenth of the time that staging a large tree takes. */
static char *put_number(char *end, guint64 number, guint least_digits)
{
	char digits[24];
	guint n = 0;
	do
		digits[n++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	while (n < least_digits)
		digits[n++] = '0';
	while (n > 0)
		*end++ = digits[--n];
	return end;
}

static char *put_time(char *end, const struct timespec *time)
{
	gint64 seconds = time->tv_sec;
	if (seconds < 0)
		*end++ = '-';
	end = put_number(end, seconds < 0 ? -(guint64)seconds : (guint64)seconds, 1);
	*end++ = '.';
	return put_number(end, (guint64)time->tv_nsec, 9);
}

static void stat_line(const struct stat *st, char ret_line[STAT_LINE])
{
	char *end = put_number(ret_line, st->st_dev, 1);
	*end++ = ' ';
	end = put_number(end, st->st_ino, 1);
	*end++ = ' ';
	end = put_number(end, (guint64)st->st_size, 1);
	*end++ = ' ';
	end = put_time(end, &st->st_mtim);
	*end++ = ' ';
	end = put_time(end, &st->st_ctim);
	*end = '\0';
}

static char *format_stats(const Manifest *manifest, const GArray *nodes, const guint *seen)
{
	g_autoptr(GString) text = g_string_new(STAT_HEAD);
	for (guint i = 0; i < manifest_count(manifest); i++) {
		char line[STAT_LINE];
		g_autofree char *name = manifest_quote(manifest_entry(manifest, i)->path);
		stat_line(&g_array_index(nodes, TreeNode, seen[i] - 1).st, line);
		g_string_append(text, line);
		g_string_append_c(text, ' ');
		g_string_append(text, name);
		g_string_append_c(text, '\n');
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}

gboolean tree_check(int dirfd, const Manifest *manifest, GPtrArray **ret_altered, char **ret_stats,
		    GError **error)
{
	g_autoptr(GArray) nodes = tree_walk(dirfd, NULL, FALSE, error);
	if (!nodes)
		return FALSE;
	g_autofree guint *seen = g_new0(guint, (gsize)manifest_count(manifest) + 1);
	g_autoptr(GArray) jobs = g_array_new(FALSE, TRUE, sizeof(TreeHash));
	Findings found;
	findings_init(&found);
	check_nodes(manifest, nodes, jobs, seen, &found);
	if (!check_hashes(dirfd, manifest, jobs, &found, error)) {
		findings_clear(&found);
		return FALSE;
	}
	if (!findings_result(&found, ret_altered, error))
		return FALSE;
	if (ret_stats)
		*ret_stats = format_stats(manifest, nodes, seen);
	return TRUE;
}

/* stat and, for links, target of a path beneath; NOT_FOUND if it is not there. */
static gboolean folder_stat(TreeFolder *folder, const char *path, struct stat *ret_st,
			    char **ret_target, GError **error)
{
	const char *name = NULL;
	*ret_target = NULL;
	int fd = tree_folder_of(folder, path, &name, error);
	if (fd < 0)
		return FALSE;
	if (fstatat(fd, name, ret_st, AT_SYMLINK_NOFOLLOW) != 0)
		return util_error_errno(error, errno, "%s", path);
	if (!S_ISLNK(ret_st->st_mode))
		return TRUE;
	*ret_target = util_fs_readlink(fd, name, error);
	return *ret_target != NULL;
}

/* The numbers by quoted path; damaged lines are left out: their entries are looked at in full. */
static GHashTable *parse_stats(const char *stats, gsize len)
{
	GHashTable *lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	const char *end = stats + len;
	if (len < strlen(STAT_HEAD) || memcmp(stats, STAT_HEAD, strlen(STAT_HEAD)) != 0)
		return lines;
	for (const char *p = stats + strlen(STAT_HEAD); p < end;) {
		const char *newline = memchr(p, '\n', (gsize)(end - p));
		if (!newline)
			break;
		const char *space = memrchr(p, ' ', (gsize)(newline - p));
		if (space)
			g_hash_table_insert(lines,
					    g_strndup(space + 1, (gsize)(newline - space) - 1),
					    g_strndup(p, (gsize)(space - p)));
		p = newline + 1;
	}
	return lines;
}

/* The end of what stays the same when a file gets another name: all but ctime. NULL: damaged. */
static const char *ctime_of(const char *line, const char *end)
{
	const char *space = memrchr(line, ' ', (gsize)(end - line));
	return space ? memrchr(line, ' ', (gsize)(space - line)) : NULL;
}

/* "DEV INO SIZE MTIME" of each line, and its ctime. */
static GHashTable *index_stats(const char *stats, gsize len)
{
	GHashTable *times = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	const char *end = stats + len;
	for (const char *p = stats; p < end;) {
		const char *newline = memchr(p, '\n', (gsize)(end - p));
		const char *ctime = newline ? ctime_of(p, newline) : NULL;
		if (!newline)
			break;
		if (ctime) {
			const char *path = memchr(ctime + 1, ' ', (gsize)(newline - ctime) - 1);
			g_hash_table_insert(times, g_strndup(p, (gsize)(ctime - p)),
					    g_strndup(ctime, (gsize)(path - ctime)));
		}
		p = newline + 1;
	}
	return times;
}

char *tree_stat_renew(const char *stats, gsize len, const char *fresh, gsize fresh_len)
{
	g_autoptr(GHashTable) times = index_stats(fresh, fresh_len);
	g_autoptr(GString) text = g_string_sized_new(len);
	gboolean changed = FALSE;
	const char *end = stats + len;
	for (const char *p = stats; p < end;) {
		const char *newline = memchr(p, '\n', (gsize)(end - p));
		const char *line_end = newline ? newline + 1 : end;
		const char *ctime = newline ? ctime_of(p, newline) : NULL;
		g_autofree char *same = ctime ? g_strndup(p, (gsize)(ctime - p)) : NULL;
		const char *now = same ? g_hash_table_lookup(times, same) : NULL;
		if (now && strncmp(ctime, now, strlen(now)) != 0) {
			const char *path = memchr(ctime + 1, ' ', (gsize)(newline - ctime) - 1);
			g_string_append_printf(text, "%s%s", same, now);
			g_string_append_len(text, path, line_end - path);
			changed = TRUE;
		} else {
			g_string_append_len(text, p, line_end - p);
		}
		p = line_end;
	}
	return changed ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

/* A folder whose numbers changed: is there a name that does not belong? */
static gboolean check_extra(int dirfd, const char *path, const Manifest *manifest, Findings *found,
			    GError **error)
{
	g_autoptr(GPtrArray) names = tree_list(dirfd, path, error);
	if (!names)
		return FALSE;
	for (guint i = 0; i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		g_autofree char *full =
		    strcmp(path, ".") == 0 ? g_strdup(name) : g_strconcat(path, "/", name, NULL);
		if (!manifest_find(manifest, full))
			findings_add(found, full, "extra");
	}
	return TRUE;
}

/* What the threads share that compare numbers. */
typedef struct {
	int dirfd;
	const Manifest *manifest;
	GHashTable *lines; /* only read */
	guint8 *same;      /* of each entry: its numbers are as they were */
	gint next;         /* atomic: of the next block */
} StatPool;

static gboolean is_same(TreeFolder *folder, const char *path, GHashTable *lines)
{
	const char *name = NULL;
	struct stat st;
	char line[STAT_LINE];
	g_autofree char *quoted = manifest_quote(path);
	const char *kept = g_hash_table_lookup(lines, quoted);
	int fd = kept ? tree_folder_of(folder, path, &name, NULL) : -1;
	if (fd < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return FALSE;
	stat_line(&st, line);
	return strcmp(line, kept) == 0;
}

static gpointer compare_blocks(gpointer user_data)
{
	StatPool *pool = user_data;
	TreeFolder folder = TREE_FOLDER(pool->dirfd);
	guint count = manifest_count(pool->manifest);
	for (;;) {
		guint i = (guint)g_atomic_int_add(&pool->next, TREE_BLOCK);
		if (i >= count)
			break;
		for (guint end = MIN(i + TREE_BLOCK, count); i < end; i++)
			pool->same[i] =
			    is_same(&folder, manifest_entry(pool->manifest, i)->path, pool->lines);
	}
	tree_folder_clear(&folder);
	return NULL;
}

/* On all cores where that pays: a large tree is compared before each staging. */
static void compare_stats(StatPool *pool)
{
	g_autoptr(GPtrArray) threads = g_ptr_array_new();
	guint more =
	    manifest_count(pool->manifest) >= TREE_THREADS_FILES ? g_get_num_processors() - 1 : 0;
	for (guint i = 0; i < more; i++) {
		GThread *thread = g_thread_try_new("stat", compare_blocks, pool, NULL);
		if (thread)
			g_ptr_array_add(threads, thread);
	}
	(void)compare_blocks(pool); /* returns nothing, as the threads do */
	for (guint i = 0; i < threads->len; i++)
		(void)g_thread_join(threads->pdata[i]);
}

/* One entry whose numbers are not as they were: everything about it is looked at. */
static gboolean check_stat(TreeFolder *folder, const Manifest *manifest, const ManifestEntry *entry,
			   GArray *jobs, Findings *found, GError **error)
{
	g_autofree char *target = NULL;
	g_autoptr(GError) inner = NULL;
	struct stat st;
	if (!folder_stat(folder, entry->path, &st, &target, &inner)) {
		findings_add(found, entry->path,
			     g_error_matches(inner, TS_ERROR, TS_ERROR_NOT_FOUND) ? "missing"
										  : inner->message);
		return TRUE;
	}
	const char *what = compare_node(entry, &st, target);
	if (what)
		findings_add(found, entry->path, what);
	else if (entry->type == MANIFEST_FILE)
		queue_hash(jobs, entry, NULL);
	else if (entry->type == MANIFEST_DIR)
		return check_extra(folder->dirfd, entry->path, manifest, found, error);
	return TRUE;
}

gboolean tree_stat_check(int dirfd, const char *stats, gsize len, const Manifest *manifest,
			 GError **error)
{
	g_autoptr(GHashTable) lines = parse_stats(stats, len);
	g_autoptr(GArray) jobs = g_array_new(FALSE, TRUE, sizeof(TreeHash));
	TreeFolder folder = TREE_FOLDER(dirfd);
	Findings found;
	g_autofree guint8 *same = g_malloc0((gsize)manifest_count(manifest) + 1);
	StatPool pool = {.dirfd = dirfd, .manifest = manifest, .lines = lines, .same = same};
	compare_stats(&pool);
	findings_init(&found);
	/* the top folder was renamed into place since: always listed */
	gboolean ok = check_extra(dirfd, ".", manifest, &found, error);
	for (guint i = 0; ok && i < manifest_count(manifest); i++)
		ok = same[i] || check_stat(&folder, manifest, manifest_entry(manifest, i), jobs,
					   &found, error);
	tree_folder_clear(&folder);
	ok = ok && check_hashes(dirfd, manifest, jobs, &found, error);
	if (!ok) {
		findings_clear(&found);
		return FALSE;
	}
	return findings_result(&found, NULL, error);
}
