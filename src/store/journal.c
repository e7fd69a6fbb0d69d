/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <unistd.h>

#include "store/store.h"

#define STEP_BYTES ((guint64)64 * 1024)
#define JOURNAL_MAX_BYTES ((gsize)64 * 1024 * 1024)
#define CHECK_DIGITS 8

struct StoreJournal {
	int dirfd; /* our own */
	int fd;
	char *name;
	guint64 end;       /* of the last record */
	guint64 allocated; /* size of the file */
	guint64 dirty;     /* a failed append may have left bytes up to here */
	GPtrArray *records;
};

static GPtrArray *records_new(void)
{
	return g_ptr_array_new_with_free_func((GDestroyNotify)util_trailers_free);
}

static void check_digits(const char *text, gsize len, char ret_check[CHECK_DIGITS + 1])
{
	guint8 digest[UTIL_SHA256_BYTES];
	util_sha256_data(text, len, digest);
	util_hex_encode(digest, CHECK_DIGITS / 2, ret_check);
}

static void append_escaped(GString *line, const char *text)
{
	for (const char *p = text; *p; p++) {
		switch (*p) {
		case '\n':
			g_string_append(line, "\\n");
			break;
		case '\t':
			g_string_append(line, "\\t");
			break;
		case '\\':
			g_string_append(line, "\\\\");
			break;
		default: /* a byte, not an enum */
			g_string_append_c(line, *p);
		}
	}
}

/* NULL for an escape that append_escaped does not write. */
static char *unescape(const char *text, gsize len)
{
	g_autoptr(GString) out = g_string_sized_new(len);
	for (gsize i = 0; i < len; i++) {
		char c = text[i];
		if (c == '\\') {
			if (++i >= len)
				return NULL;
			char next = text[i];
			if (next != 'n' && next != 't' && next != '\\')
				return NULL;
			c = next;
			if (next == 'n')
				c = '\n';
			else if (next == 't')
				c = '\t';
		}
		g_string_append_c(out, c);
	}
	return g_string_free(g_steal_pointer(&out), FALSE);
}

static GString *format_line(const UtilTrailers *record)
{
	char check[CHECK_DIGITS + 1];
	g_autofree char *text = util_trailers_format(record);
	GString *line = g_string_new("00000000 ");
	append_escaped(line, text);
	check_digits(line->str + CHECK_DIGITS + 1, line->len - CHECK_DIGITS - 1, check);
	memcpy(line->str, check, CHECK_DIGITS);
	g_string_append_c(line, '\n');
	return line;
}

/* A line without its newline; NULL if it is not one that was written whole. */
static UtilTrailers *parse_line(const char *line, gsize len)
{
	char check[CHECK_DIGITS + 1];
	if (len <= CHECK_DIGITS + 1 || line[CHECK_DIGITS] != ' ')
		return NULL;
	const char *text = line + CHECK_DIGITS + 1;
	gsize text_len = len - CHECK_DIGITS - 1;
	check_digits(text, text_len, check);
	if (memcmp(check, line, CHECK_DIGITS) != 0)
		return NULL;
	g_autofree char *trailers = unescape(text, text_len);
	g_autoptr(UtilTrailers) record =
	    trailers ? util_trailers_parse(trailers, strlen(trailers), NULL) : NULL;
	return record && util_trailers_get(record, "Event") ? g_steal_pointer(&record) : NULL;
}

/* TRUE if a whole line starts anywhere after a newline or a NUL in data. */
static gboolean has_good_line(const char *data, gsize len)
{
	gsize start = 0;
	while (start < len) {
		const char *newline = memchr(data + start, '\n', len - start);
		if (!newline)
			return FALSE;
		gsize line_end = (gsize)(newline - data);
		const char *nul = memrchr(data + start, '\0', line_end - start);
		gsize from = nul ? (gsize)(nul - data) + 1 : start;
		g_autoptr(UtilTrailers) record = parse_line(data + from, line_end - from);
		if (record)
			return TRUE;
		start = line_end + 1;
	}
	return FALSE;
}

/* *ret_end: end of the last good record; *ret_torn: end of what a torn append left after it. */
static GPtrArray *parse_journal(const char *data, gsize len, guint64 *ret_end, guint64 *ret_torn,
				GError **error)
{
	g_autoptr(GPtrArray) records = records_new();
	gsize end = 0;
	while (len > 0 && data[len - 1] == '\0')
		len--;
	while (end < len) {
		const char *newline = memchr(data + end, '\n', len - end);
		gsize line_len = newline ? (gsize)(newline - data) - end : len - end;
		UtilTrailers *record = newline ? parse_line(data + end, line_len) : NULL;
		/* blocks that a torn append did not write read as NUL */
		if (!record && newline &&
		    (!memchr(data + end, '\0', line_len) ||
		     has_good_line(newline + 1, len - end - line_len - 1))) {
			util_error_set(error, TS_ERROR_CORRUPT,
				       "record %u at byte %" G_GSIZE_FORMAT
				       " is damaged; restore the file, or cut it there, knowing "
				       "that what it said from there on is lost",
				       records->len + 1, end);
			return NULL;
		}
		if (!record)
			break;
		g_ptr_array_add(records, record);
		end += line_len + 1;
	}
	*ret_end = end;
	*ret_torn = len;
	return g_steal_pointer(&records);
}

static gboolean write_nul(StoreJournal *journal, guint64 from, guint64 to, GError **error)
{
	if (to <= from)
		return TRUE;
	g_autofree char *nul = g_malloc0((gsize)(to - from));
	return util_fs_pwrite_all(journal->fd, nul, (gsize)(to - from), from, error) &&
	       util_fs_fsync(journal->fd, error);
}

/* Makes sure that STORE_JOURNAL_RESERVE bytes follow the last record, if the disk has them. */
static gboolean preallocate(StoreJournal *journal, guint64 need, GError **error)
{
	guint64 want = (journal->end + need + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
	if (journal->end + need <= journal->allocated)
		return TRUE;
	int err = util_fault_point("fallocate");
	if (!err)
		err = posix_fallocate(journal->fd, 0, (off_t)want);
	if (err)
		return util_error_errno(error, err, "keeping room in journal %s", journal->name);
	/* Really written: an append then only overwrites, and to sync it needs nothing of the file
	 * system's own journal, which may be busy with what others write. */
	if (!write_nul(journal, MAX(journal->allocated, journal->end), want, error))
		return FALSE;
	journal->allocated = want;
	return TRUE;
}

static gboolean load(StoreJournal *journal, GError **error)
{
	g_autofree char *data = NULL;
	gsize len = 0;
	guint64 torn = 0;
	if (!util_fs_read_file(journal->dirfd, journal->name, JOURNAL_MAX_BYTES, &data, &len,
			       error))
		return FALSE;
	GPtrArray *records = parse_journal(data, len, &journal->end, &torn, error);
	if (!records)
		return FALSE;
	g_clear_pointer(&journal->records, g_ptr_array_unref);
	journal->records = records;
	journal->allocated = len;
	if (journal->fd >= 0)
		(void)close(journal->fd); /* each append was synced */
	journal->fd = util_fs_open_beneath(journal->dirfd, journal->name, O_RDWR, 0, error);
	return journal->fd >= 0 && write_nul(journal, journal->end, torn, error);
}

StoreJournal *store_journal_open(int dirfd, const char *name, GError **error)
{
	g_autoptr(StoreJournal) journal = g_new0(StoreJournal, 1);
	struct stat st;
	journal->fd = -1;
	journal->name = g_strdup(name);
	journal->dirfd = util_fs_open_dir(dirfd, ".", error);
	if (journal->dirfd < 0)
		return NULL;
	gboolean is_new = fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
	if (is_new && !util_fs_create_file(dirfd, name, "", 0, 0644, error))
		return NULL;
	if (!load(journal, error)) {
		g_prefix_error(error, "journal %s: ", name);
		return NULL;
	}
	gboolean empty = journal->end == 0;
	if (!preallocate(journal, STORE_JOURNAL_RESERVE, empty ? error : NULL) && empty)
		return NULL;
	return g_steal_pointer(&journal);
}

void store_journal_close(StoreJournal *journal)
{
	if (!journal)
		return;
	if (journal->fd >= 0)
		(void)close(journal->fd); /* each append was synced */
	if (journal->dirfd >= 0)
		(void)close(journal->dirfd); /* read only */
	g_clear_pointer(&journal->records, g_ptr_array_unref);
	g_free(journal->name);
	g_free(journal);
}

const GPtrArray *store_journal_records(const StoreJournal *journal)
{
	return journal->records;
}

guint64 store_journal_room(const StoreJournal *journal)
{
	return journal->allocated - journal->end;
}

/* The journal keeps its own copy of a record. */
static UtilTrailers *record_copy(const UtilTrailers *record)
{
	UtilTrailers *copy = util_trailers_new();
	for (guint i = 0; i < util_trailers_count(record); i++)
		util_trailers_add(copy, util_trailers_key(record, i),
				  util_trailers_value(record, i));
	return copy;
}

gboolean store_journal_append(StoreJournal *journal, const UtilTrailers *record, GError **error)
{
	g_assert(util_trailers_get(record, "Event"));
	g_autoptr(GString) line = format_line(record);
	if (!preallocate(journal, line->len, error) ||
	    !write_nul(journal, journal->end, journal->dirty, error))
		return FALSE;
	journal->dirty = journal->end + line->len;
	if (!util_fs_pwrite_all(journal->fd, line->str, line->len, journal->end, error) ||
	    !util_fs_fdatasync(journal->fd, error)) {
		g_prefix_error(error, "journal %s: ", journal->name);
		/* it may be there or not: take it back, now or before the next append */
		if (write_nul(journal, journal->end, journal->dirty, NULL))
			journal->dirty = 0;
		return FALSE;
	}
	journal->dirty = 0;
	journal->end += line->len;
	g_ptr_array_add(journal->records, record_copy(record));
	(void)preallocate(journal, STORE_JOURNAL_RESERVE,
			  NULL); /* the reserve is for a full disk */
	return TRUE;
}

GPtrArray *store_journal_read(int dirfd, const char *name, GError **error)
{
	g_autoptr(GError) failed = NULL;
	g_autofree char *data = NULL;
	gsize len = 0;
	guint64 end = 0, torn = 0;
	if (!util_fs_read_file(dirfd, name, JOURNAL_MAX_BYTES, &data, &len, &failed)) {
		if (g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND))
			return records_new();
		g_propagate_error(error, g_steal_pointer(&failed));
		return NULL;
	}
	GPtrArray *records = parse_journal(data, len, &end, &torn, error);
	if (!records)
		g_prefix_error(error, "journal %s: ", name);
	return records;
}
