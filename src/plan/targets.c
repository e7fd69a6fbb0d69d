/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

#define KEY "Release-To"
#define PROBLEMS_SHOWN 10
#define NAMES_SHOWN 10

typedef struct {
	const char *app;
	const PlanFacts *facts;
	GHashTable *by_name;  /* base name → index + 1 */
	GHashTable *groups;   /* set of names */
	guint8 *in;           /* per base: it is a target */
	const char **named;   /* per base: the item that names it alone */
	const char **left_by; /* per base: the item that leaves it out */
	GString *problems;
	guint n_problems;
} Resolver;

static void add_problem(Resolver *r, const char *item, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void add_problem(Resolver *r, const char *item, const char *format, ...)
{
	if (++r->n_problems > PROBLEMS_SHOWN)
		return;
	g_autofree char *shown = plan_show(item);
	g_string_append_printf(r->problems, "%s" KEY ": %s: ", r->n_problems > 1 ? "\n" : "",
			       shown);
	va_list args;
	va_start(args, format);
	g_string_append_vprintf(r->problems, format, args);
	va_end(args);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "did you mean X?" or what there is. `names` is a set; NULL stands for the bases that run the
 * app. */
static char *name_hint(const Resolver *r, const char *name, GHashTable *names, const char *what)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new();
	GHashTableIter iter;
	gpointer key;
	g_hash_table_iter_init(&iter, names);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		guint index = GPOINTER_TO_UINT(g_hash_table_lookup(names, key));
		if (names != r->by_name || r->facts->bases[index - 1].runs_app)
			g_ptr_array_add(all, key);
	}
	g_ptr_array_sort(all, compare_names);
	g_ptr_array_add(all, NULL);
	const char *const *list = (const char *const *)all->pdata;
	const char *nearest = util_text_nearest(name, list);
	if (nearest)
		return g_strdup_printf("did you mean %s%s?", names == r->groups ? "@" : "",
				       nearest);
	g_autofree char *shown = plan_list(list, NAMES_SHOWN);
	return g_strdup_printf("%s: %s", what, shown);
}

static gboolean in_group(const PlanBase *base, const char *group)
{
	return base->groups && g_strv_contains(base->groups, group);
}

static void take_group(Resolver *r, const char *item, const char *group, gboolean out)
{
	guint n = 0;
	if (!g_hash_table_contains(r->groups, group)) {
		g_autofree char *hint = name_hint(r, group, r->groups, "groups are");
		add_problem(r, item, "no base is in a group of this name; %s", hint);
		return;
	}
	for (guint i = 0; i < r->facts->n_bases; i++) {
		const PlanBase *base = &r->facts->bases[i];
		if (!base->runs_app || !in_group(base, group))
			continue;
		n++;
		if (out)
			r->left_by[i] = item;
		else
			r->in[i] = TRUE;
	}
	if (n == 0 && !out)
		add_problem(r, item, "no base of this group runs the app %s", r->app);
}

static void take_base(Resolver *r, const char *item, const char *name, gboolean out)
{
	guint index = GPOINTER_TO_UINT(g_hash_table_lookup(r->by_name, name));
	if (index == 0 && g_hash_table_contains(r->groups, name)) {
		add_problem(r, item, "this is a group; write %s@%s", out ? "-" : "", name);
		return;
	}
	if (index == 0) {
		g_autofree char *what = g_strdup_printf("bases that run %s", r->app);
		g_autofree char *hint = name_hint(r, name, r->by_name, what);
		add_problem(r, item, "no base has this name; %s", hint);
		return;
	}
	const PlanBase *base = &r->facts->bases[index - 1];
	if (out) {
		r->left_by[index - 1] = item;
	} else if (!base->runs_app) {
		add_problem(
		    r, item,
		    "this base does not run the app %s; leave it out, or have the admin add %s "
		    "to its apps",
		    r->app, r->app);
	} else {
		r->in[index - 1] = TRUE;
		r->named[index - 1] = item;
	}
}

static void take_item(Resolver *r, const char *item)
{
	gboolean out = item[0] == '-';
	const char *name = item + out;
	if (name[0] == '@') {
		take_group(r, item, name + 1, out);
	} else if (strcmp(name, "all") == 0) {
		for (guint i = 0; i < r->facts->n_bases; i++)
			r->in[i] = r->in[i] || r->facts->bases[i].runs_app;
	} else {
		take_base(r, item, name, out);
	}
}

static void resolver_init(Resolver *r, const char *app, const PlanFacts *facts)
{
	*r = (Resolver){.app = app, .facts = facts, .problems = g_string_new(NULL)};
	r->by_name = g_hash_table_new(g_str_hash, g_str_equal);
	r->groups = g_hash_table_new(g_str_hash, g_str_equal);
	r->in = g_new0(guint8, facts->n_bases + 1);
	r->named = g_new0(const char *, facts->n_bases + 1);
	r->left_by = g_new0(const char *, facts->n_bases + 1);
	for (guint i = 0; i < facts->n_bases; i++) {
		const PlanBase *base = &facts->bases[i];
		g_hash_table_insert(r->by_name, PLAN_BORROW(base->name), GUINT_TO_POINTER(i + 1));
		for (guint g = 0; base->groups && base->groups[g]; g++)
			g_hash_table_add(r->groups, PLAN_BORROW(base->groups[g]));
	}
}

static void resolver_clear(Resolver *r)
{
	g_hash_table_unref(r->by_name);
	g_hash_table_unref(r->groups);
	g_string_free(r->problems, TRUE);
	g_free(r->in);
	g_free(r->named);
	g_free(r->left_by);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Resolver, resolver_clear)

/* The bases that are in and not left out. */
static GPtrArray *collect(Resolver *r)
{
	g_autoptr(GPtrArray) targets = g_ptr_array_new();
	for (guint i = 0; i < r->facts->n_bases; i++) {
		if (r->named[i] && r->left_by[i])
			add_problem(
			    r, r->named[i],
			    "the base is named, but \"%s\" leaves it out; drop one of the two",
			    r->left_by[i]);
		if (r->in[i] && !r->left_by[i])
			g_ptr_array_add(targets, PLAN_BORROW(&r->facts->bases[i]));
	}
	return g_steal_pointer(&targets);
}

GPtrArray *plan_targets_resolve(const Plan *plan, const char *app, const PlanFacts *facts,
				GError **error)
{
	g_auto(Resolver) r;
	resolver_init(&r, app, facts);
	for (guint i = 0; plan->to[i]; i++)
		take_item(&r, plan->to[i]);
	g_autoptr(GPtrArray) targets = collect(&r);
	g_autofree char *written = g_strjoinv(", ", plan->to);
	if (r.n_problems > PROBLEMS_SHOWN)
		g_string_append_printf(r.problems, "\n… and %u more",
				       r.n_problems - PROBLEMS_SHOWN);
	if (r.n_problems > 0) {
		util_error_set(error, TS_ERROR_REFUSED, "%s", r.problems->str);
		return NULL;
	}
	if (targets->len == 0) {
		(void)plan_refuse(
		    error, KEY, written, /* it always fails */
		    "no base is left that would get the app %s; \"tagship base list\" "
		    "shows which run it",
		    app);
		return NULL;
	}
	if (targets->len > PLAN_TARGETS_MAX) {
		(void)plan_refuse(
		    error, KEY, written, /* as above */
		    "%u bases are meant, a plan may have %d; split it by groups, a tag "
		    "each with the same Release-Version",
		    targets->len, PLAN_TARGETS_MAX);
		return NULL;
	}
	return g_steal_pointer(&targets);
}
