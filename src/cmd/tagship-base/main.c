/* SPDX-License-Identifier: ISC */
#include <signal.h>

#include "cmd/tagship-base/base.h"

static const CmdProgram program = {
    .name = "tagship-base",
    .summary = "One site's side of tagship: mirrors its orders, stages releases ahead of time, "
	       "activates them at the preset minute.",
    .env = "TAGSHIP_BASE",
    .default_dir = "/var/lib/tagship",
    .dir_name = "base folder",
};

static const CmdEntry commands[] = {
    {"init", "NAME --join JOIN", "make the base folder and key, print the line for central",
     base_init},
    {"pull", "", "fetch orders and bundles, stage, deliver reports", base_pull},
    {"stage", "[APP]", "stage what is on disk already", base_stage},
    {"activate", "[APP [VERSION]]", "activate what is due; or a version now, by hand",
     base_activate},
    {"watch", "", "pull as soon as central has something new, until stopped", base_watch},
    {"run", "", "pull on schedule and activate on time, until stopped", base_run},
    {"status", "[APP]", "what runs, what comes when, what went wrong", base_status},
    {"log", "[APP]", "what this base did", base_log},
    {"hold", "[APP] REASON", "activate nothing until unhold", base_hold},
    {"unhold", "[APP]", "end a hold", base_unhold},
    {"rollback", "APP", "back to the last good version, now", base_rollback},
    {"pin", "APP VERSION", "keep this version on this disk until unpin", base_pin},
    {"unpin", "APP VERSION", "end that", base_unpin},
    {"maintenance", "APP on [REASON]|off", "set or remove the flag that the web server tests",
     base_maintenance},
    {"import", "FILE", "take in what tagship export wrote, and stage it", base_import},
    {"export", "FILE", "write reports for tagship import", base_export},
    {"clock", "[confirm]", "how the clock stands; confirm: it is right", base_clock},
    {"notify", "", "tell `notify` of base.cfg what is new", base_notify},
    {"doctor", "", "find what is wrong with this base", base_doctor},
    {"gc", "", "drop trees, bundles and logs no longer needed", base_gc},
    {"key", "show|rotate|finish", "this base's key, and another in its place", base_key},
    {"node", "add|list|remove|join [NAME]", "the servers of this site that fetch from here",
     base_node},
    {"serve", "NODE", "answer one node (sshd's forced command)", base_serve},
    {"authorized-keys", "", "print the authorized_keys lines of all nodes", base_authorized_keys},
    {NULL, NULL, NULL, NULL}};

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN); /* a cut line is an error, not a death */
	return cmd_main(&program, commands, argc, argv);
}
