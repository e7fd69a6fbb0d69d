/* SPDX-License-Identifier: ISC */
/* Archives: what is in them, how they are packed, how they change from release to release. */
#include <zlib.h>

#include "sweep.h"

#define MEMBERS_MAX 16

static void member_free(gpointer data)
{
	Member *member = data;
	g_free(member->name);
	content_unref(member->content);
	g_free(member);
}

/* Takes a reference. */
Member *member_new(const char *name, Content *content, const Packing *packing)
{
	Member *member = g_new(Member, 1);
	*member = (Member){g_strdup(name), content_ref(content), *packing};
	return member;
}

/* Most archives are what common programs make; all else happens, too. */
static Packing random_packing(GRand *rand)
{
	Packing packing = {.method = METHOD_DEFLATED,
			   .level = 6,
			   .memory_level = 8,
			   .window = 15,
			   .strategy = Z_DEFAULT_STRATEGY,
			   .time = one_in(rand, 3) ? g_rand_int(rand) >> 2 : 0x5a3c4b21};
	if (one_in(rand, 4))
		packing.method = one_in(rand, 5) ? 12 + pick(rand, 90) : METHOD_STORED;
	if (one_in(rand, 2))
		packing.level = (int)pick(rand, 10);
	if (one_in(rand, 3))
		packing.memory_level = 1 + (int)pick(rand, 9);
	if (one_in(rand, 12))
		packing.window = 9 + (int)pick(rand, 6);
	if (one_in(rand, 12))
		packing.strategy = (int)pick(rand, Z_FIXED + 1);
	static const guint odd[] = {PACK_ENCRYPTED, PACK_WRONG_CRC, PACK_ABSENT, PACK_FLUSHED};
	static const guint common[] = {PACK_UTF8,  PACK_DESCRIPTOR | PACK_SIGNATURE,
				       PACK_ZIP64, PACK_EXTRA,
				       PACK_UNIX,  PACK_COMMENT};
	for (guint i = 0; i < G_N_ELEMENTS(odd); i++)
		packing.flags |= one_in(rand, 40) ? odd[i] : 0;
	for (guint i = 0; i < G_N_ELEMENTS(common); i++)
		packing.flags |= one_in(rand, 6) ? common[i] : 0;
	if (one_in(rand, 30))
		packing.flags ^= PACK_SIGNATURE;
	return packing;
}

static char *random_name(GRand *rand, ContentKind kind)
{
	static const char *const folders[] = {"", "META-INF/", "org/example/a/", "WEB-INF/lib/",
					      "BOOT-INF/classes/"};
	static const char *const suffixes[] = {".class", ".js", ".xml", "", "/"};
	static const char *const archives[] = {".txt", ".jar", ".gz", ".tar"};
	const char *folder = folders[pick(rand, G_N_ELEMENTS(folders))];
	const char *suffix =
	    kind == CONTENT_RAW ? suffixes[pick(rand, G_N_ELEMENTS(suffixes))] : archives[kind];
	if (one_in(rand, 30))
		return g_strdup_printf("%s%0*u%s", folder, 90 + (int)pick(rand, 150),
				       pick(rand, 10), suffix);
	return g_strdup_printf("%sname%u%s%s", folder, pick(rand, 40),
			       one_in(rand, 10) ? "\xc3\xa4\xff" : "", suffix);
}

static Content *random_content(GRand *rand, guint depth)
{
	if (depth > 0 && one_in(rand, 3))
		return archive_new(rand, depth - 1);
	/* some reach past the window of deflate */
	return content_new_raw(rand, one_in(rand, 60) ? 20 : one_in(rand, 8) ? 14 : 10);
}

/* Cut, flipped, or with a hole. */
static void damage(GByteArray *bytes, guint32 seed)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	if (bytes->len == 0)
		return;
	switch (pick(rand, 4)) {
	case 0:
		g_byte_array_set_size(bytes, pick(rand, bytes->len));
		break;
	case 1: {
		guint at = pick(rand, bytes->len);
		g_byte_array_remove_range(bytes, at, 1 + pick(rand, MIN(bytes->len - at, 100)));
		break;
	}
	default:
		for (guint i = 1 + pick(rand, 5); i > 0; i--)
			bytes->data[pick(rand, bytes->len)] ^= (guint8)(1U << pick(rand, 8));
	}
}

/* Its bytes, once kind, style and members are settled. */
static Content *archive_format(Content *archive)
{
	archive->bytes = g_byte_array_new();
	switch (archive->kind) {
	case CONTENT_RAW:
		g_assert_not_reached();
	case CONTENT_ZIP:
		zip_format(archive, archive->bytes);
		break;
	case CONTENT_GZIP:
		gzip_format(archive, archive->bytes);
		break;
	case CONTENT_TAR:
		tar_format(archive, archive->bytes);
		break;
	}
	if (archive->damage)
		damage(archive->bytes, archive->damage);
	return archive;
}

static Content *archive_begin(ContentKind kind)
{
	Content *archive = g_rc_box_new0(Content);
	archive->kind = kind;
	archive->members = g_ptr_array_new_with_free_func(member_free);
	return archive;
}

/* A member as the archive's others: programs pack all of them alike. */
static void add_member(Content *archive, GRand *rand, guint depth, const Packing *like)
{
	g_autoptr(Content) content = random_content(rand, depth);
	g_autofree char *name = random_name(rand, content->kind);
	Packing packing = one_in(rand, 4) ? random_packing(rand) : *like;
	g_ptr_array_add(archive->members, member_new(name, content, &packing));
}

static guint random_style(GRand *rand)
{
	guint style = 0;
	for (guint bit = STYLE_PREFIX; bit <= STYLE_WINDOWS_OS; bit <<= 1)
		style |= one_in(rand, 12) ? bit : 0;
	return style;
}

/* A .tgz is a gzip around a tar. */
static Content *tgz_new(GRand *rand, guint depth, const Packing *packing)
{
	Content *archive = archive_begin(CONTENT_GZIP);
	g_autoptr(Content) inner = NULL;
	while (!inner || inner->kind != CONTENT_TAR) {
		g_clear_pointer(&inner, content_unref);
		inner = archive_new(rand, depth - 1);
	}
	g_ptr_array_add(archive->members, member_new("inner.tar", inner, packing));
	return archive;
}

Content *archive_new(GRand *rand, guint depth)
{
	Packing packing = random_packing(rand);
	ContentKind kind = one_in(rand, 2) ? CONTENT_ZIP : (ContentKind)(1 + pick(rand, 3));
	Content *archive = NULL;
	if (kind == CONTENT_GZIP && depth > 0 && one_in(rand, 2)) {
		archive = tgz_new(rand, depth, &packing);
	} else {
		guint count = kind == CONTENT_GZIP ? (one_in(rand, 6) ? 2 : 1) : pick(rand, 9);
		if (kind != CONTENT_GZIP && depth == 0 && one_in(rand, 25))
			count = pick(rand, 200);
		archive = archive_begin(kind);
		for (guint i = 0; i < count; i++)
			add_member(archive, rand, depth, &packing);
	}
	archive->style = random_style(rand);
	archive->noise = g_rand_int(rand);
	archive->damage = one_in(rand, 10) ? g_rand_int(rand) : 0;
	return archive_format(archive);
}

/* What becomes of a member; nothing is added for a deleted one. */
static void evolve_member(Content *archive, const Member *member, GRand *rand)
{
	g_autoptr(Content) content = content_ref(member->content);
	g_autofree char *name = g_strdup(member->name);
	Packing packing = member->packing;
	/* a gzip keeps its members, and one of them always changes */
	switch (pick(rand, archive->kind == CONTENT_GZIP ? 3 : 16)) {
	case 0:
	case 1:
		content_unref(content);
		content = content_edit(member->content, rand);
		break;
	case 2:
		packing = random_packing(rand);
		break;
	case 3:
		return;
	case 4:
		g_free(name);
		name = random_name(rand, content->kind);
		break;
	case 5:
		packing.time++;
		break;
	case 6: /* twice */
		g_ptr_array_add(archive->members, member_new(name, content, &packing));
		break;
	}
	g_ptr_array_add(archive->members, member_new(name, content, &packing));
}

Content *archive_edit(const Content *content, GRand *rand)
{
	Content *archive = archive_begin(content->kind);
	gboolean rebuilt = one_in(rand, 3); /* all times are new */
	Packing like = random_packing(rand);
	archive->style = one_in(rand, 12) ? random_style(rand) : content->style;
	archive->noise = one_in(rand, 4) ? g_rand_int(rand) : content->noise;
	archive->damage = one_in(rand, 12) ? g_rand_int(rand) : content->damage;
	for (guint i = 0; i < content->members->len; i++) {
		const Member *member = g_ptr_array_index(content->members, i);
		evolve_member(archive, member, rand);
	}
	if (content->kind != CONTENT_GZIP && one_in(rand, 3) && archive->members->len < MEMBERS_MAX)
		add_member(archive, rand, 1, &like);
	for (guint i = 0; rebuilt && i < archive->members->len; i++)
		((Member *)g_ptr_array_index(archive->members, i))->packing.time = like.time;
	return archive_format(archive);
}
