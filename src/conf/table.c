/* SPDX-License-Identifier: ISC */
/* A struct by its table: defaults, freeing, and the text of a file. */
#include <string.h>

#include "conf/conf-private.h"

#define FIELD(type, object, key) G_STRUCT_MEMBER(type, object, (key)->offset)
#define LOOK(type, object, key) (*(type const *)((const guint8 *)(object) + (key)->offset))

void conf_table_defaults(const ConfTable *table, gpointer object)
{
	for (guint i = 0; i < table->n_keys; i++) {
		const ConfKey *key = &table->keys[i];

		switch (key->kind) {
		case CONF_INT:
			FIELD(gint64, object, key) = key->fallback;
			break;
		case CONF_BOOL:
			FIELD(gboolean, object, key) = (gboolean)key->fallback;
			break;
		case CONF_TEXT:
			FIELD(char *, object, key) = g_strdup(key->fallback_text);
			break;
		case CONF_LIST:
		case CONF_COMMAND:
			FIELD(char **, object, key) = g_new0(char *, 1);
			break;
		case CONF_GROUPS:
			FIELD(GPtrArray *, object, key) =
			    g_ptr_array_new_with_free_func(key->sub->free);
			break;
		}
	}
}

void conf_table_clear(const ConfTable *table, gpointer object)
{
	for (guint i = 0; i < table->n_keys; i++) {
		const ConfKey *key = &table->keys[i];

		switch (key->kind) {
		case CONF_INT:
		case CONF_BOOL:
			break;
		case CONF_TEXT:
			g_clear_pointer(&FIELD(char *, object, key), g_free);
			break;
		case CONF_LIST:
		case CONF_COMMAND:
			g_clear_pointer(&FIELD(char **, object, key), g_strfreev);
			break;
		case CONF_GROUPS:
			g_clear_pointer(&FIELD(GPtrArray *, object, key), g_ptr_array_unref);
			break;
		}
	}
}

static void append_quoted(GString *text, const char *value)
{
	g_string_append_c(text, '"');
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			g_string_append_printf(text, "\\%c", *p);
		else if (*p == '\n')
			g_string_append(text, "\\n");
		else if (*p == '\t')
			g_string_append(text, "\\t");
		else if ((guchar)*p < 0x20 || *p == 0x7f)
			g_string_append_printf(text, "\\x%02X", (guint)(guchar)*p);
		else
			g_string_append_c(text, *p);
	}
	g_string_append_c(text, '"');
}

static void append_list(GString *text, char *const *list)
{
	g_string_append(text, "[ ");
	for (char *const *p = list; p && *p; p++) {
		if (p != list)
			g_string_append(text, ", ");
		append_quoted(text, *p);
	}
	g_string_append(text, list && *list ? " ]" : "]");
}

static void append_value(GString *text, const ConfKey *key, gconstpointer object)
{
	switch (key->kind) {
	case CONF_INT:
		g_string_append_printf(text, "%" G_GINT64_FORMAT "%s", LOOK(gint64, object, key),
				       LOOK(gint64, object, key) > G_MAXINT32 ? "L" : "");
		break;
	case CONF_BOOL:
		g_string_append(text, LOOK(gboolean, object, key) ? "true" : "false");
		break;
	case CONF_TEXT: {
		const char *value = LOOK(char *, object, key);

		append_quoted(text, value ? value : "");
		break;
	}
	case CONF_LIST:
	case CONF_COMMAND:
		append_list(text, LOOK(char **, object, key));
		break;
	case CONF_GROUPS:
		break;
	}
}

static void append_help(GString *text, const ConfKey *key, const char *indent)
{
	g_string_append_printf(text, "%s# %s", indent, key->help);
	if (key->kind == CONF_INT)
		g_string_append_printf(text,
				       " (%" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
				       "; default %" G_GINT64_FORMAT ")",
				       key->min, key->max, key->fallback);
	g_string_append_c(text, '\n');
}

void conf_table_format(const ConfTable *table, gconstpointer object, const char *const *live,
		       const char *indent, GString *text)
{
	for (guint i = 0; i < table->n_keys; i++) {
		const ConfKey *key = &table->keys[i];

		if (key->kind == CONF_GROUPS)
			continue;
		append_help(text, key, indent);
		g_string_append_printf(text, "%s%s%s = ", indent,
				       !live || g_strv_contains(live, key->name) ? "" : "# ",
				       key->name);
		append_value(text, key, object);
		g_string_append(text, ";\n\n");
	}
}
