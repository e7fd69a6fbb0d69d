/* SPDX-License-Identifier: ISC */
#include <locale.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd/cmd.h"

/* ---- what is printed ---- */

/* As GLib's own, but what people wrote elsewhere neither turns a line round nor hides in it. */
static void print_safely(FILE *stream, const char *text)
{
	const char *charset = NULL;
	g_autoptr(GString) safe = g_string_new(NULL);
	while (*text) {
		gsize ascii = 0, len;
		while (text[ascii] && !(text[ascii] & 0x80))
			ascii++;
		for (len = ascii; text[len] & 0x80;)
			len++;
		g_string_append_len(safe, text, (gssize)ascii);
		g_autofree char *others = util_text_printable(text + ascii, (gssize)(len - ascii));
		g_string_append(safe, others);
		text += len;
	}
	g_autofree char *local =
	    g_get_charset(&charset)
		? NULL
		: g_convert_with_fallback(safe->str, -1, charset, "UTF-8", "?", NULL, NULL, NULL);
	(void)fputs(local ? local : safe->str, stream);
	(void)fflush(stream); /* so that both streams keep their order */
}

/* JSON is UTF-8, whatever the terminal's own is, and has escapes of its own. */
static void print_json(const char *text)
{
	(void)fputs(text, stdout);
	(void)fflush(stdout);
}

static void print_out(const char *text)
{
	print_safely(stdout, text);
}

static void print_err(const char *text)
{
	print_safely(stderr, text);
}

/* ---- the command line ---- */

static void print_help(const CmdProgram *program, const CmdEntry *commands)
{
	g_print("Usage: %s [-C DIR] COMMAND [ARGUMENT...]\n\n%s\n\nCommands:\n", program->name,
		program->summary);
	for (const CmdEntry *entry = commands; entry->name; entry++) {
		g_autofree char *left = g_strdup_printf("%s %s", entry->name, entry->args);
		g_print("  %-44s %s\n", left, entry->summary);
	}
	g_print("\nOptions for all:\n"
		"  -C DIR        the %s (else $%s, else %s)\n"
		"  --json        for machines, where something is listed\n"
		"  -q, -v        say less, say more\n"
		"  --help        of a command: its own options\n"
		"  --version\n\n"
		"Exit status: 0 done, 1 failed, 2 usage, 3 refused by policy, 4 corrupt or not\n"
		"authentic, 5 try again later. See %s(1).\n",
		program->dir_name, program->env, program->default_dir, program->name);
}

static const CmdEntry *find_command(const CmdEntry *commands, const char *name)
{
	for (const CmdEntry *entry = commands; entry->name; entry++)
		if (strcmp(entry->name, name) == 0)
			return entry;
	return NULL;
}

static int unknown_command(const CmdProgram *program, const CmdEntry *commands, const char *name)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	for (const CmdEntry *entry = commands; entry->name; entry++)
		g_ptr_array_add(names, (gpointer)(gsize)entry->name);
	g_ptr_array_add(names, NULL);
	const char *near = util_text_nearest(name, (const char *const *)names->pdata);
	g_printerr("%s: unknown command \"%s\"%s%s%s; see %s --help\n", program->name, name,
		   near ? "; did you mean \"" : "", near ? near : "", near ? "\"" : "",
		   program->name);
	return 2;
}

static char *state_dir(const CmdProgram *program, const char *given)
{
	const char *env = g_getenv(program->env);
	const char *dir = given ? given : env && *env ? env : program->default_dir;
	return g_canonicalize_filename(dir, NULL);
}

int cmd_error_print(const Cmd *cmd, const GError *error)
{
	const char *prefix = g_str_has_prefix(error->message, "usage:") ? "" : ": ";
	g_printerr("%s %s%s%s\n", cmd->program->name, cmd->entry->name, *prefix ? prefix : "\n",
		   error->message);
	return util_error_exit_status(error);
}

static int run_command(Cmd *cmd)
{
	g_autoptr(GError) error = NULL;
	int status = cmd->entry->run(cmd, &error);
	return error ? cmd_error_print(cmd, error) : status;
}

/* Options before the subcommand. Returns the index of the subcommand, or -1 - status. */
static int leading_options(const CmdProgram *program, const CmdEntry *commands, Cmd *cmd, int argc,
			   char **argv, const char **ret_dir)
{
	int i = 1;
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "-C") == 0 && i + 1 < argc) {
			*ret_dir = argv[++i];
		} else if (strcmp(argv[i], "-q") == 0) {
			cmd->quiet = TRUE;
		} else if (strcmp(argv[i], "-v") == 0) {
			cmd->verbose = TRUE;
		} else if (strcmp(argv[i], "--json") == 0) {
			cmd->json = TRUE;
		} else if (strcmp(argv[i], "--version") == 0) {
			g_print("%s %s\n", program->name, TAGSHIP_VERSION);
			return -1;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_help(program, commands);
			return -1;
		} else {
			g_printerr("%s: unknown option %s; see %s --help\n", program->name, argv[i],
				   program->name);
			return -3;
		}
	}
	return i;
}

int cmd_main(const CmdProgram *program, const CmdEntry *commands, int argc, char **argv)
{
	Cmd cmd = {.program = program};
	const char *dir = NULL;
	/* else all that is not ASCII is printed as "?"; figures stay as they are */
	(void)setlocale(LC_CTYPE, "");
	g_set_print_handler(print_out);
	g_set_printerr_handler(print_err);
	g_set_prgname(program->name);
	int at = leading_options(program, commands, &cmd, argc, argv, &dir);
	if (at < 0)
		return -1 - at;
	if (at >= argc) {
		print_help(program, commands);
		return 2;
	}
	cmd.entry = find_command(commands, argv[at]);
	if (!cmd.entry)
		return unknown_command(program, commands, argv[at]);
	cmd.dir = state_dir(program, dir);
	cmd.argc = argc - at;
	g_auto(GStrv) copy = g_strdupv(argv + at);
	g_autofree char **rest = g_memdup2(copy, sizeof(char *) * ((gsize)cmd.argc + 1));
	cmd.argv = rest;
	int status = run_command(&cmd);
	g_free(cmd.dir);
	return status;
}

gboolean cmd_options(Cmd *cmd, const GOptionEntry *own, int min, int max, GError **error)
{
	g_autofree char *dir = NULL;
	gboolean version = FALSE;
	const GOptionEntry common[] = {
	    {"json", 0, 0, G_OPTION_ARG_NONE, &cmd->json, "For machines", NULL},
	    {"quiet", 'q', 0, G_OPTION_ARG_NONE, &cmd->quiet, "Say less", NULL},
	    {"verbose", 'v', 0, G_OPTION_ARG_NONE, &cmd->verbose, "Say more", NULL},
	    {"directory", 'C', 0, G_OPTION_ARG_FILENAME, &dir, "Where the state is", "DIR"},
	    {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
	    G_OPTION_ENTRY_NULL};
	g_autoptr(GOptionContext) context = g_option_context_new(cmd->entry->args);
	g_option_context_set_summary(context, cmd->entry->summary);
	if (own)
		g_option_context_add_main_entries(context, own, NULL);
	g_option_context_add_main_entries(context, common, NULL);
	g_autofree char *prgname = g_strdup_printf("%s %s", cmd->program->name, cmd->entry->name);
	g_set_prgname(prgname);
	gboolean ok = g_option_context_parse(context, &cmd->argc, &cmd->argv, error);
	g_set_prgname(cmd->program->name);
	if (!ok)
		return FALSE;
	if (cmd->json)
		g_set_print_handler(print_json);
	if (version) {
		g_print("%s %s\n", cmd->program->name, TAGSHIP_VERSION);
		exit(0);
	}
	if (dir) {
		g_free(cmd->dir);
		cmd->dir = g_canonicalize_filename(dir, NULL);
	}
	if (cmd->argc - 1 < min || cmd->argc - 1 > max)
		return util_error_set(error, TS_ERROR_USAGE, "usage: %s %s %s", cmd->program->name,
				      cmd->entry->name, cmd->entry->args);
	return TRUE;
}

int cmd_verb(Cmd *cmd, const CmdVerb *verbs, GError **error)
{
	if (cmd->argc >= 2 && strcmp(cmd->argv[1], "--help") == 0)
		return cmd_options(cmd, NULL, 0, 0, error) ? 0 : 2;
	for (const CmdVerb *verb = verbs; cmd->argc >= 2 && verb->name; verb++) {
		if (strcmp(cmd->argv[1], verb->name) != 0)
			continue;
		cmd->argv++;
		cmd->argc--;
		return verb->run(cmd, error);
	}
	util_error_set(error, TS_ERROR_USAGE, "usage: %s %s %s", cmd->program->name,
		       cmd->entry->name, cmd->entry->args);
	return 2;
}

char *cmd_own_dir(void)
{
	g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);
	return exe ? g_path_get_dirname(exe) : g_strdup("/usr/local/bin");
}

char *cmd_sibling(const char *name, const char *installed_dir)
{
	g_autofree char *own = cmd_own_dir();
	char *beside = g_build_filename(own, name, NULL);
	if (g_file_test(beside, G_FILE_TEST_IS_EXECUTABLE))
		return beside;
	g_free(beside);
	return g_build_filename(installed_dir, name, NULL);
}

char *cmd_who(void)
{
	static const char *const names[] = {"SUDO_USER", "LOGNAME", "USER"};
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *value = g_getenv(names[i]);
		if (value && *value)
			return util_text_printable(value, -1);
	}
	const struct passwd *pw = getpwuid(getuid());
	return g_strdup(pw ? pw->pw_name : "unknown");
}

void cmd_say(const Cmd *cmd, const char *format, ...)
{
	if (cmd->quiet)
		return;
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_print("%s\n", text);
}

void cmd_print_json(JsonBuilder *builder)
{
	g_autoptr(JsonGenerator) generator = json_generator_new();
	g_autoptr(JsonNode) root = json_builder_get_root(builder);
	json_generator_set_root(generator, root);
	json_generator_set_pretty(generator, TRUE);
	g_autofree char *text = json_generator_to_data(generator, NULL);
	g_print("%s\n", text);
}
