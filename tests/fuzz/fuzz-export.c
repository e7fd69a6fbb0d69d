/* SPDX-License-Identifier: ISC */
/*
 * Bytes as an export file. The first byte picks: the head's text alone (even), or a whole file
 * (odd). What is taken as a head must come back the same; what is read of a file must be as its
 * head says.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "export/export.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void check_head(const ExportHead *head)
{
	g_autofree char *text = export_head_format(head);
	g_autoptr(ExportHead) again = export_head_parse(text, strlen(text), NULL);
	g_assert_nonnull(again);
	g_autofree char *text_again = export_head_format(again);
	g_assert_cmpstr(text, ==, text_again);
	for (guint i = 0; i < head->members->len; i++) {
		const ExportMember *member = head->members->pdata[i];
		g_assert_null(strstr(member->name, ".."));
		g_assert_true(member->name[0] != '/');
	}
}

static void fuzz_head(const guint8 *data, gsize size)
{
	g_autoptr(ExportHead) head = export_head_parse((const char *)data, size, NULL);
	if (head)
		check_head(head);
}

#define MEMBER_MAX ((guint64)1024 * 1024)

/* Each member has the bytes and the hash that its head names, or there is an error. */
static void fuzz_file(const guint8 *data, gsize size)
{
	g_autoptr(GError) error = NULL;
	util_autofd int fd = memfd_create("export", MFD_CLOEXEC);
	g_assert_true(util_fs_write_all(fd, data, size, NULL));
	g_autoptr(ExportReader) reader = export_reader_new(fd, &error);
	g_assert_true((reader != NULL) == (error == NULL));
	const ExportMember *member = NULL;
	if (reader)
		check_head(export_reader_head(reader));
	while (reader && export_reader_next(reader, &member, NULL) && member) {
		if (member->bytes > MEMBER_MAX)
			continue; /* skipped by the reader */
		g_autofree char *content = export_reader_bytes(reader, NULL);
		if (!content)
			return;
		g_autofree char *hash = g_compute_checksum_for_data(
		    G_CHECKSUM_SHA256, (const guchar *)content, (gsize)member->bytes);
		g_assert_cmpstr(hash, ==, member->sha256);
	}
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		fuzz_head(data + 1, size - 1);
	else
		fuzz_file(data + 1, size - 1);
	return 0;
}
