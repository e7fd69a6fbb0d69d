/* SPDX-License-Identifier: ISC */
#include "board/board-private.h"

static void app_free(gpointer data)
{
	BoardApp *app = data;
	g_clear_pointer(&app->sizes, g_hash_table_unref);
	g_free(app);
}

static void base_free(gpointer data)
{
	BoardBase *base = data;
	g_clear_pointer(&base->peer, conf_peer_free);
	g_clear_pointer(&base->cells, g_ptr_array_unref);
	g_clear_pointer(&base->visits, g_array_unref);
	g_free(base);
}

void board_data_free(BoardData *data)
{
	if (!data)
		return;
	g_clear_pointer(&data->apps, g_ptr_array_unref);
	g_clear_pointer(&data->bases, g_ptr_array_unref);
	g_clear_pointer(&data->status, status_free);
	g_free(data);
}

guint board_releases(const BoardApp *app)
{
	return MIN(app->app->releases->len, BOARD_RELEASES_MAX);
}

guint64 board_full_bytes(const BoardApp *app, const char *version)
{
	const LibraryVersion *known = version ? g_hash_table_lookup(app->sizes, version) : NULL;
	return known ? known->bytes : 0;
}

/* A version that was dropped from the library has no size any more. */
static void learn_size(Central *central, BoardApp *app, const char *version)
{
	if (!version || g_hash_table_contains(app->sizes, version))
		return;
	LibraryVersion *known = library_version(central->library, app->app->name, version, NULL);
	if (known)
		g_hash_table_insert(app->sizes, g_strdup(version), known);
}

static BoardApp *load_app(Central *central, const StatusApp *from)
{
	BoardApp *app = g_new0(BoardApp, 1);
	app->app = from;
	app->sizes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
					   (GDestroyNotify)library_version_free);
	for (guint i = 0; i < board_releases(app); i++)
		learn_size(central, app,
			   ((const PublishRelease *)from->releases->pdata[i])->version);
	return app;
}

/* by_name: borrowed name -> BoardBase */
static gboolean load_bases(BoardData *data, GHashTable *by_name, GError **error)
{
	g_auto(GStrv) names = conf_peer_names(data->central->dirfd, error);
	for (guint i = 0; names && names[i]; i++) {
		BoardBase *base = g_new0(BoardBase, 1);
		g_ptr_array_add(data->bases, base);
		base->cells = g_ptr_array_new();
		base->visits = g_array_new(FALSE, FALSE, sizeof(BoardVisit));
		base->peer = conf_peer_load(data->central->dirfd, names[i], error);
		if (!base->peer)
			return FALSE;
		base->contact = g_hash_table_lookup(data->status->contacts, names[i]);
		g_hash_table_insert(by_name, base->peer->name, base);
	}
	for (guint i = 0; names && i < data->status->cells->len; i++) {
		StatusCell *cell = data->status->cells->pdata[i];
		BoardBase *base = g_hash_table_lookup(by_name, cell->base);
		if (base) /* one that was added just now is in the next board */
			g_ptr_array_add(base->cells, cell);
	}
	return names != NULL;
}

static const StatusCell *cell_of(const BoardBase *base, const char *app)
{
	for (guint i = 0; i < base->cells->len; i++) {
		const StatusCell *cell = base->cells->pdata[i];
		if (strcmp(cell->app, app) == 0)
			return cell;
	}
	return NULL;
}

static void load_visits(const BoardApp *app, GHashTable *bases)
{
	for (guint r = 0; r < board_releases(app); r++) {
		const PublishRelease *release = app->app->releases->pdata[r];
		for (guint t = 0; t < release->targets->len; t++) {
			BoardVisit visit = {.release = release,
					    .target = release->targets->pdata[t],
					    .full_bytes = board_full_bytes(app, release->version)};
			BoardBase *base = g_hash_table_lookup(bases, visit.target->base);
			if (!base)
				continue;
			visit.cell = cell_of(base, release->app);
			g_array_append_val(base->visits, visit);
		}
	}
}

BoardData *board_data_load(Central *central, GError **error)
{
	g_autoptr(BoardData) data = g_new0(BoardData, 1);
	g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
	data->central = central;
	data->now_utc = util_clock_now_utc(central->clock);
	data->apps = g_ptr_array_new_with_free_func(app_free);
	data->bases = g_ptr_array_new_with_free_func(base_free);
	data->status = status_load(central, NULL, error);
	if (!data->status || !load_bases(data, by_name, error))
		return NULL;
	for (guint i = 0; i < data->status->apps->len; i++) {
		BoardApp *app = load_app(central, data->status->apps->pdata[i]);
		g_ptr_array_add(data->apps, app);
		load_visits(app, by_name);
	}
	return g_steal_pointer(&data);
}

const char *board_release_name(const PublishRelease *release)
{
	return release->version ? release->version : release->tag ? release->tag : release->release;
}

/* Names of apps and bases are plain (util_name_check), ids are hex. */
char *board_app_file(const char *app)
{
	return g_strdup_printf("app/%s.html", app);
}

char *board_release_file(const PublishRelease *release)
{
	return g_strdup_printf("release/%s/%s.html", release->app, release->release);
}

char *board_base_file(const char *base)
{
	return g_strdup_printf("base/%s.html", base);
}
