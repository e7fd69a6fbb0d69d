/* SPDX-License-Identifier: ISC */
/*
 * What the two programs share: subcommand tables, common options, tables and progress on the
 * terminal. A main is a table and one call:
 *
 *   static const CmdEntry commands[] = {{"status", "[APP]", "what runs where", cmd_status}, {0}};
 *   int main(int argc, char **argv) { return cmd_main(&program, commands, argc, argv); }
 *
 * A subcommand calls cmd_options first, prints its result on stdout, and returns an exit status; if
 * it sets *error, the text goes to stderr and the status comes from the error's code.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "util/util.h"

typedef struct CmdEntry CmdEntry;

typedef struct {
	const char *name;        /* "tagship" */
	const char *summary;     /* one line */
	const char *env;         /* TAGSHIP_STATE */
	const char *default_dir; /* where the state is, unless -C or env says */
	const char *dir_name;    /* "state folder" */
} CmdProgram;

typedef struct {
	const CmdProgram *program;
	const CmdEntry *entry;
	char *dir; /* -C, environment or default; absolute */
	gboolean json, quiet, verbose;
	int argc;
	char **argv; /* argv[0] is the subcommand */
} Cmd;

struct CmdEntry {
	const char *name;
	const char *args;
	const char *summary;
	int (*run)(Cmd *cmd, GError **error);
};

int cmd_main(const CmdProgram *program, const CmdEntry *commands, int argc, char **argv);

/* Parses the subcommand's own options (may be NULL) and the common ones; what is left in
 * cmd->argv[1..] must be min to max arguments. */
gboolean cmd_options(Cmd *cmd, const GOptionEntry *own, int min, int max, GError **error);

/* A verb under a command: `tagship app add …`. */
typedef struct {
	const char *name;
	int (*run)(Cmd *cmd, GError **error);
} CmdVerb;
/* Runs the verb in argv[1], with argv moved on by one; USAGE for anything else. */
int cmd_verb(Cmd *cmd, const CmdVerb *verbs, GError **error);

/* The folder of the program that runs now, to find its siblings; caller frees. */
char *cmd_own_dir(void);
/* A sibling program: beside us (build tree), else in `installed_dir`. */
char *cmd_sibling(const char *name, const char *installed_dir);

/* "ssh-ed25519 AAAA…" of an argument that may have a comment behind it; USAGE. */
char *cmd_key_argument(const char *text, GError **error);
/* That of a public key file, or NULL. */
char *cmd_key_of_file(const char *path);
/* Whether the file of a key is over 400 days old: time to rotate it. FALSE if it is not there. */
gboolean cmd_key_is_old(const char *path, gint64 now_utc);
/* What a base or node is enrolled with, one word: URL#central=BASE64[&host=BASE64]
 * [&recovery=BASE64], the keys without their "ssh-ed25519 "; host_key and recovery_key may be NULL.
 */
char *cmd_join_text(const char *url, const char *central_key, const char *host_key,
		    const char *recovery_key);
#define CMD_HOST_KEY "/etc/ssh/ssh_host_ed25519_key.pub"

/* Who runs this: SUDO_USER, LOGNAME or the account's name; caller frees. */
char *cmd_who(void);

/* The error of this subcommand, on stderr; its exit status. */
int cmd_error_print(const Cmd *cmd, const GError *error);

/* Prints unless -q. */
void cmd_say(const Cmd *cmd, const char *format, ...) G_GNUC_PRINTF(2, 3);
void cmd_print_json(JsonBuilder *builder);

/* Opens a regular file to read; -1 with error. */
int cmd_open_file(const char *path, GError **error);

/* ---- a file that is made whole or not at all ---- */

typedef struct {
	int fd; /* to write to; standard output for "-" */
	char *path, *part;
} CmdFile;
/* Begins PATH.part; EXISTS if the path is taken, unless force. Always to be cleared. */
gboolean cmd_file_make(CmdFile *file, const char *path, gboolean force, GError **error);
/* Synced, and in its place. */
gboolean cmd_file_keep(CmdFile *file, GError **error);
/* Removes what was not kept. */
void cmd_file_clear(CmdFile *file);

/* ---- tables ---- */

typedef struct CmdTable CmdTable;
/* `heads` NULL-terminated. */
CmdTable *cmd_table_new(const char *const *heads);
/* What is in a column: it says what is done first where rows do not fit a terminal. */
typedef enum {
	CMD_COLUMN_TEXT = 0, /* cut last, and at its end */
	CMD_COLUMN_NAME =
	    1 << 0, /* cut first, in the middle; with LINES, only its first line is one */
	CMD_COLUMN_AGE = 1 << 1,  /* loses its " ago", later it is left out */
	CMD_COLUMN_LINES = 1 << 2 /* its cells may have one newline, which shows as a space until it
				   * is needed as one */
} CmdColumn;
/* One per head, each some of CmdColumn; before the first row. Without, all are text. */
void cmd_table_kinds(CmdTable *table, const guint *kinds);
/* One cell per head; NULL ends early. Text is made printable. */
void cmd_table_row(CmdTable *table, ...) G_GNUC_NULL_TERMINATED;
/* What a listing ends with: the array as JSON with --json, else the table. */
void cmd_print_list(const Cmd *cmd, JsonBuilder *json, const CmdTable *table);
/* On a terminal, states have colours, and rows are made to fit its width, whatever it is. */
void cmd_table_print(const CmdTable *table);
/* The same as text, a row a line. */
void cmd_table_format(const CmdTable *table, GString *text);
void cmd_table_free(CmdTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CmdTable, cmd_table_free)
/* How many cells of a terminal it takes: wide characters two, marks and colours none. */
gsize cmd_text_width(const char *text);
/* Cut at its end, with an ellipsis, to at most `width` such cells; caller frees. */
char *cmd_text_cut(const char *text, gsize width);
gboolean cmd_colours(void);
/* Of the terminal that standard output is; FALSE if it is none. */
gboolean cmd_terminal_size(guint *ret_rows, guint *ret_columns);

/* ---- doctor ---- */

typedef struct {
	guint bad;
	gboolean quiet;    /* only what is wrong */
	JsonBuilder *json; /* with --json, what was found so far; else NULL */
} CmdDoctor;
/* Always to be ended by cmd_doctor_end. */
CmdDoctor cmd_doctor_begin(const Cmd *cmd);
/* Prints "ok" or "BAD" and the text; a bad one says what to do. */
void cmd_finding(CmdDoctor *doctor, gboolean good, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Prints "note" and the text: worth knowing, and not wrong; nothing with quiet. */
void cmd_note(CmdDoctor *doctor, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Whether something keeps the clock right, as the kernel knows. */
void cmd_check_clock(CmdDoctor *doctor);
/* What the kernel has to confine `what` ("unpacking"), and what it lacks. */
void cmd_check_confinement(CmdDoctor *doctor, const char *what);
/* Exit status for monitoring: 1 with error if anything is bad. Prints what --json gathered. */
int cmd_doctor_end(CmdDoctor *doctor, GError **error);

/* ---- progress ---- */

/* A bar on a terminal, a line every ten seconds elsewhere, nothing with -q; on stderr. */
UtilProgress *cmd_progress_new(const Cmd *cmd);
void cmd_progress_free(UtilProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UtilProgress, cmd_progress_free)
