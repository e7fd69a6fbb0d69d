/* SPDX-License-Identifier: ISC */
/*
 * libconfig, only here: text to a struct by a table of keys. libconfig keeps unknown keys silent
 * and wraps numbers, hence the walk over all keys and conf_scan_text before.
 */
#include <libconfig.h>
#include <string.h>

#include "conf/conf-private.h"

typedef struct {
	const char *file;
	const config_setting_t *setting;
	const ConfKey *key;
} Place;

#define FIELD(type, object, key) G_STRUCT_MEMBER(type, object, (key)->offset)

static gboolean wrong(const Place *place, GError **error, const char *what)
{
	return util_error_set(error, TS_ERROR_USAGE, "%s:%u: %s: %s", place->file,
			      config_setting_source_line(place->setting), place->key->name, what);
}

/* Puts the place before a check's error. */
static gboolean prefix(const Place *place, GError **error)
{
	g_prefix_error(error, "%s:%u: %s: ", place->file,
		       config_setting_source_line(place->setting), place->key->name);
	return FALSE;
}

static gboolean check_text(const Place *place, const char *value, GError **error)
{
	const ConfKey *key = place->key;

	if (strlen(value) > CONF_TEXT_MAX)
		return wrong(place, error, "the text is too long (16 KiB is the most)");
	if (key->choices && !g_strv_contains(key->choices, value)) {
		g_autofree char *all = g_strjoinv("\" or \"", (char **)(guintptr)key->choices);
		g_autofree char *shown = util_text_printable(value, -1);
		g_autofree char *what =
		    g_strdup_printf("\"%s\" is not known; write \"%s\"", shown, all);

		return wrong(place, error, what);
	}
	return !key->check || key->check(value, error) || prefix(place, error);
}

static gboolean load_int(const Place *place, gpointer object, GError **error)
{
	const ConfKey *key = place->key;
	int type = config_setting_type(place->setting);
	gint64 value = config_setting_get_int64(place->setting);
	g_autofree char *what = NULL;

	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
		what = g_strdup_printf("a number is needed, without quotes (%" G_GINT64_FORMAT
				       " to %" G_GINT64_FORMAT ")",
				       key->min, key->max);
	else if (value < key->min || value > key->max)
		what = g_strdup_printf("%" G_GINT64_FORMAT
				       " is out of range; write a number from %" G_GINT64_FORMAT
				       " to %" G_GINT64_FORMAT,
				       value, key->min, key->max);
	if (what)
		return wrong(place, error, what);
	FIELD(gint64, object, key) = value;
	return TRUE;
}

static gboolean load_bool(const Place *place, gpointer object, GError **error)
{
	if (config_setting_type(place->setting) != CONFIG_TYPE_BOOL)
		return wrong(place, error, "true or false is needed, without quotes");
	FIELD(gboolean, object, place->key) = config_setting_get_bool(place->setting) != 0;
	return TRUE;
}

static gboolean load_text(const Place *place, gpointer object, GError **error)
{
	const char *value = config_setting_get_string(place->setting);
	char **field = &FIELD(char *, object, place->key);

	if (config_setting_type(place->setting) != CONFIG_TYPE_STRING || !value)
		return wrong(place, error, "a text in quotes is needed: \"...\"");
	if (!check_text(place, value, error))
		return FALSE;
	g_free(*field);
	*field = g_strdup(value);
	return TRUE;
}

static const char *list_wanted(const Place *place)
{
	if (place->key->kind == CONF_COMMAND)
		return "a command is written as a list of its arguments, without a shell: "
		       "[ \"systemctl\", \"stop\", \"shop\" ]";
	return "a list of texts is needed: [ \"one\", \"two\" ], or [ ] for none";
}

static gboolean load_list(const Place *place, gpointer object, GError **error)
{
	const ConfKey *key = place->key;
	int type = config_setting_type(place->setting);
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	g_auto(GStrv) list = NULL;
	int length;

	if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST)
		return wrong(place, error, list_wanted(place));
	length = config_setting_length(place->setting);
	if (length > CONF_LIST_MAX)
		return wrong(place, error, "the list is too long (1,000 elements are the most)");
	for (int i = 0; i < length; i++) {
		const char *value = config_setting_get_string_elem(place->setting, i);

		if (!value)
			return wrong(place, error, list_wanted(place));
		if (!check_text(place, value, error))
			return FALSE;
		if (key->unique && !g_hash_table_add(seen, (gpointer)(guintptr)value)) {
			g_autofree char *what =
			    g_strdup_printf("\"%s\" is there twice; remove one", value);

			return wrong(place, error, what);
		}
		g_strv_builder_add(builder, value);
	}
	list = g_strv_builder_end(builder);
	if (key->check_list && !key->check_list((const char *const *)list, error))
		return prefix(place, error);
	g_strfreev(FIELD(char **, object, key));
	FIELD(char **, object, key) = g_steal_pointer(&list);
	return TRUE;
}

static gboolean load_group(const ConfTable *table, const char *file, config_setting_t *group,
			   gpointer object, GError **error);

static gboolean load_groups(const Place *place, gpointer object, GError **error)
{
	const ConfTable *sub = place->key->sub;
	GPtrArray *array = FIELD(GPtrArray *, object, place->key);
	int length = config_setting_length(place->setting);

	if (config_setting_type(place->setting) != CONFIG_TYPE_LIST || length > CONF_LIST_MAX)
		return wrong(place, error,
			     "a list of groups is needed: ( { name = \"...\"; ... }, { ... } )");
	for (int i = 0; i < length; i++) {
		config_setting_t *one = config_setting_get_elem(place->setting, (unsigned int)i);
		gpointer part;

		if (config_setting_type(one) != CONFIG_TYPE_GROUP)
			return wrong(place, error,
				     "each element is a group in braces: { name = \"...\"; ... }");
		part = g_malloc0(sub->size);
		conf_table_defaults(sub, part);
		g_ptr_array_add(array, part);
		if (!load_group(sub, place->file, one, part, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean load_key(const Place *place, gpointer object, GError **error)
{
	switch (place->key->kind) {
	case CONF_INT:
		return load_int(place, object, error);
	case CONF_BOOL:
		return load_bool(place, object, error);
	case CONF_TEXT:
		return load_text(place, object, error);
	case CONF_LIST:
	case CONF_COMMAND:
		return load_list(place, object, error);
	case CONF_GROUPS:
		return load_groups(place, object, error);
	}
	g_assert_not_reached();
}

static gboolean unknown(const ConfTable *table, const char *file, const config_setting_t *setting,
			GError **error)
{
	g_autofree const char **names = g_new0(const char *, table->n_keys + 1);
	const char *name = config_setting_name(setting);
	const char *nearest;
	g_autofree char *all = NULL;

	for (guint i = 0; i < table->n_keys; i++)
		names[i] = table->keys[i].name;
	nearest = util_text_nearest(name, names);
	if (nearest)
		return util_error_set(error, TS_ERROR_USAGE,
				      "%s:%u: %s: unknown key; did you mean \"%s\"?", file,
				      config_setting_source_line(setting), name, nearest);
	all = g_strjoinv(" ", (char **)(guintptr)names);
	return util_error_set(error, TS_ERROR_USAGE,
			      "%s:%u: %s: unknown key; remove it (known here: %s)", file,
			      config_setting_source_line(setting), name, all);
}

static const ConfKey *find_key(const ConfTable *table, const char *name)
{
	for (guint i = 0; i < table->n_keys; i++)
		if (g_str_equal(table->keys[i].name, name))
			return &table->keys[i];
	return NULL;
}

static gboolean load_group(const ConfTable *table, const char *file, config_setting_t *group,
			   gpointer object, GError **error)
{
	int length = config_setting_length(group);

	for (int i = 0; i < length; i++) {
		const config_setting_t *setting = config_setting_get_elem(group, (unsigned int)i);
		const ConfKey *key = find_key(table, config_setting_name(setting));
		Place place = {.file = file, .setting = setting, .key = key};

		if (!key)
			return unknown(table, file, setting, error);
		if (!load_key(&place, object, error))
			return FALSE;
	}
	for (guint i = 0; i < table->n_keys; i++)
		if (table->keys[i].required &&
		    !config_setting_get_member(group, table->keys[i].name))
			return util_error_set(error, TS_ERROR_USAGE,
					      "%s:%u: %s: this key is missing; add it (%s)", file,
					      MAX(config_setting_source_line(group), 1),
					      table->keys[i].name, table->keys[i].help);
	return TRUE;
}

gboolean conf_table_parse(const ConfTable *table, const char *file, const char *text, gsize len,
			  gpointer object, GError **error)
{
	g_autofree char *whole = NULL;
	config_t config;
	gboolean ok;

	if (len == 0)
		text = ""; /* may have been NULL */
	if (len > CONF_FILE_MAX)
		return util_error_set(error, TS_ERROR_USAGE, "%s:1: the file is over 256 KiB",
				      file);
	if (!conf_scan_text(file, text, len, error))
		return FALSE;
	/* libconfig knows a comment on the last line only by its newline */
	whole = g_malloc(len + 2);
	memcpy(whole, text, len);
	memcpy(whole + len, "\n", 2);
	config_init(&config);
	if (config_read_string(&config, whole) == CONFIG_TRUE)
		ok = load_group(table, file, config_root_setting(&config), object, error);
	else
		ok = util_error_set(
		    error, TS_ERROR_USAGE, "%s:%d: %s; write one KEY = VALUE; after the other",
		    file, config_error_line(&config),
		    config_error_text(&config) ? config_error_text(&config) : "not readable");
	config_destroy(&config);
	return ok;
}

gboolean conf_table_load(const ConfTable *table, int dirfd, const char *file, gpointer object,
			 GError **error)
{
	g_autofree char *text = NULL;
	gsize len = 0;

	if (!util_fs_read_file(dirfd, file, CONF_FILE_MAX, &text, &len, error))
		return FALSE; /* says the file's name */
	return conf_table_parse(table, file, text, len, object, error);
}
