/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

#define GRACE_DEFAULT_S (30 * 60)
#define TITLE_MAX_BYTES 200

static const char each_m[] =
    "Each -m of git tag makes a paragraph of its own: put all trailers into the last -m, a line "
    "each.";

/* The message is read as it stands, before anything else, for lines that look like a plan. */
static gboolean any_looks(const char *message, gsize len)
{
	const char *end = message + len;
	while (message < end) {
		const char *newline = memchr(message, '\n', (gsize)(end - message));
		gsize size = newline ? (gsize)(newline - message) : (gsize)(end - message);
		if (plan_line_looks(message, size))
			return TRUE;
		message += newline ? size + 1 : size;
	}
	return FALSE;
}

static gboolean check_bytes(const char *message, gsize len, GError **error)
{
	if (len > PLAN_MESSAGE_MAX)
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "tag message: a message with a plan may have %d bytes, this has "
		    "%" G_GSIZE_FORMAT "; shorten it",
		    PLAN_MESSAGE_MAX, len);
	if (memchr(message, '\0', len))
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "tag message: it holds a NUL byte; make the tag again without it");
	return TRUE;
}

/* REFUSED: where the line stands, why that is wrong, and the message as it should be. */
static gboolean refuse_place(GError **error, const PlanLines *lines, guint index, const char *why)
{
	const PlanLine *line = plan_lines_get(lines, index);
	g_autofree char *shown = plan_show(line->text + line->key.start);
	g_autofree char *corrected = plan_lines_corrected(lines);
	return util_error_set(error, TS_ERROR_REFUSED,
			      "%s (line %u of the message): %s\nThe message should read:\n\n%s",
			      shown, index + 1, why, corrected);
}

static gboolean refuse_unknown(GError **error, const PlanLine *line, guint index)
{
	g_autofree char *shown = plan_show(line->text + line->key.start);
	g_autofree char *names = plan_trailer_names();
	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "%s (line %u of the message): a plan has no such trailer.\n"
	    "It may have: %s.\n"
	    "If the line is not meant for the plan, word it so that it does not begin "
	    "with \"Release-\".",
	    shown, index + 1, names);
}

/* The line in the last paragraph that keeps it from being one of trailers. */
static guint find_odd_line(const PlanLines *lines)
{
	for (guint i = lines->first; i < lines->last; i++) {
		const PlanLine *line = plan_lines_get(lines, i);
		if (line->looks ? !line->key.plain : !line->key.plain && !line->indented)
			return i;
	}
	return lines->last;
}

static gboolean refuse_odd_line(GError **error, const PlanLines *lines, guint looks_at)
{
	guint odd = find_odd_line(lines);
	const PlanLine *line = plan_lines_get(lines, odd);
	if (!line->looks && odd == lines->title)
		return refuse_place(error, lines, looks_at,
				    "an empty line must stand between the title and the trailers.");
	if (!line->looks) {
		g_autofree char *shown = plan_show(line->text);
		g_autofree char *why = g_strdup_printf(
		    "the last paragraph must hold nothing but trailers, \"Key: value\"; its line "
		    "\"%s\" is none.",
		    shown);
		return refuse_place(error, lines, looks_at, why);
	}
	if (line->key.start > 0)
		return refuse_place(
		    error, lines, odd,
		    "the line is indented, so that it only continues the line before it; "
		    "trailers start in the first column.");
	return refuse_place(
	    error, lines, odd,
	    "it must read \"Key: value\", with hyphens in the key and a plain colon "
	    "right behind it.");
}

/* Every line that looks like a trailer must be one, in the last paragraph. */
static gboolean check_places(const PlanLines *lines, GError **error)
{
	guint n = lines->lines->len;
	for (guint i = 0; i < n; i++) {
		const PlanLine *line = plan_lines_get(lines, i);
		g_autofree char *key = plan_line_key(line);
		if (line->looks && !plan_trailer_guess(key))
			return refuse_unknown(error, line, i);
	}
	for (guint i = 0; i < n; i++) {
		if (!plan_lines_get(lines, i)->looks)
			continue;
		if (i < lines->first) {
			g_autofree char *why =
			    g_strdup_printf("the trailers of a plan must stand together in the "
					    "last paragraph of the "
					    "message.\n%s",
					    each_m);
			return refuse_place(error, lines, i, why);
		}
		if (!lines->trailers)
			return refuse_odd_line(error, lines, i);
		if (lines->first == lines->title)
			return refuse_place(
			    error, lines, i,
			    "the trailers are the only paragraph; a title and an empty line "
			    "must stand before them.");
	}
	return TRUE;
}

/* The value of the trailer at *index with its continuations; moves *index to its last line. */
static char *take_value(const PlanLines *lines, guint *index)
{
	const PlanLine *line = plan_lines_get(lines, *index);
	GString *value = g_string_new(line->text + line->key.value);
	while (*index < lines->last && plan_lines_get(lines, *index + 1)->indented) {
		(*index)++;
		g_autofree char *more = g_strdup(plan_lines_get(lines, *index)->text);
		if (value->len > 0)
			g_string_append_c(value, ' ');
		g_string_append(value, g_strchug(more));
	}
	return g_strstrip(g_string_free(value, FALSE));
}

static gboolean check_value(const PlanTrailer *trailer, const char *value, GError **error)
{
	const char *example = trailer->example;
	if (*value == '\0')
		return util_error_set(error, TS_ERROR_REFUSED,
				      "%s: it has no value; write for example \"%s: %s\"",
				      trailer->name, trailer->name, example);
	for (const char *p = value; *p; p++)
		if (((guchar)*p < ' ' && *p != '\t') || *p == 0x7f)
			return plan_refuse(error, trailer->name, value,
					   "it holds a control character; type the value anew");
	return TRUE;
}

/* One trailer; `seen` has the line number of those that were there before. */
static gboolean set_trailer(Plan *plan, const char *key, const char *value, guint number,
			    guint *seen, GError **error)
{
	const PlanTrailer *trailer = plan_trailer_find(key);
	if (!trailer) {
		trailer = plan_trailer_guess(key);
		g_assert(trailer != NULL); /* check_places has refused the others */
		return plan_refuse(error, key, value, "misspelt; write \"%s: ...\"", trailer->name);
	}
	guint *before = &seen[plan_trailer_index(trailer)];
	if (*before > 0)
		return plan_refuse(error, key, value,
				   "it stands twice (lines %u and %u of the message); keep one",
				   *before, number);
	*before = number;
	return check_value(trailer, value, error) && trailer->set(plan, value, error);
}

static gboolean require(const char *name, const char *what, const guint *seen, GError **error)
{
	const PlanTrailer *trailer = plan_trailer_find(name);
	if (seen[plan_trailer_index(trailer)] > 0)
		return TRUE;
	return util_error_set(error, TS_ERROR_REFUSED,
			      "%s is missing: a plan must say %s; add for example \"%s: %s\"", name,
			      what, name, trailer->example);
}

static gboolean set_trailers(Plan *plan, const PlanLines *lines, GError **error)
{
	g_autofree guint *seen = g_new0(guint, plan_trailer_count());
	for (guint i = lines->first; i <= lines->last; i++) {
		const PlanLine *line = plan_lines_get(lines, i);
		guint number = i + 1;
		g_autofree char *value = take_value(lines, &i);
		g_autofree char *key = plan_line_key(line);
		if (line->looks && !set_trailer(plan, key, value, number, seen, error))
			return FALSE;
	}
	return require("Release-At", "when", seen, error) &&
	       require("Release-To", "where to", seen, error);
}

static char *make_title(const char *line)
{
	g_autofree char *shown = util_text_printable(line, -1);
	if (strlen(shown) <= TITLE_MAX_BYTES)
		return g_steal_pointer(&shown);
	gsize len = TITLE_MAX_BYTES;
	while (len > 0 && ((guchar)shown[len] & 0xc0) == 0x80)
		len--;
	shown[len] = '\0';
	return g_strconcat(shown, "…", NULL);
}

gboolean plan_parse(const char *message, gsize len, Plan **ret_plan, GError **error)
{
	*ret_plan = NULL;
	if (!any_looks(message, len))
		return TRUE;
	if (!check_bytes(message, len, error))
		return FALSE;
	g_autoptr(PlanLines) lines = plan_lines_new(message, len);
	if (!check_places(lines, error))
		return FALSE;
	g_autoptr(Plan) plan = g_new0(Plan, 1);
	plan->grace_s = GRACE_DEFAULT_S;
	plan->title = make_title(plan_lines_get(lines, lines->title)->text);
	if (!set_trailers(plan, lines, error))
		return FALSE;
	*ret_plan = g_steal_pointer(&plan);
	return TRUE;
}

void plan_free(Plan *plan)
{
	if (!plan)
		return;
	g_free(plan->at_text);
	g_free(plan->zone);
	g_strfreev(plan->to);
	g_free(plan->version);
	g_free(plan->app);
	g_free(plan->root);
	g_free(plan->title);
	g_free(plan->cut_off);
	g_free(plan->override);
	g_clear_pointer(&plan->waves, g_ptr_array_unref);
	g_free(plan);
}
