/* SPDX-License-Identifier: ISC */
#include "cmd/tagship/tagship.h"

static const CmdProgram program = {
    .name = "tagship",
    .summary = "Push an annotated git tag that says when and where; every site runs that version "
	       "at that minute.",
    .env = "TAGSHIP_STATE",
    .default_dir = "/srv/tagship",
    .dir_name = "state folder",
};

static const CmdEntry commands[] = {
    {"init", "DIR", "make a state folder, print the join line for bases", cmd_init},
    {"app", "add|list|show|remove [NAME] [REPO]", "the web applications", cmd_app},
    {"base", "add|list|show|key|remove [NAME]", "the remote sites", cmd_base},
    {"hook", "install|check|remove REPO", "the hooks of a source repository", cmd_hook},
    {"key", "list|rotate|revoke FILE|recovery FILE", "central's signing key", cmd_key},
    {"plan", "new [FILE] | check [FILE] | list [APP]", "release plans", cmd_plan},
    {"status", "[APP]", "what runs where, what comes, what went wrong", cmd_status},
    {"log", "[JOB | APP [VERSION]]", "jobs, a job's log, an app's releases, one's record", cmd_log},
    {"wait", "JOB", "follow a job; its exit status is the build's", cmd_wait},
    {"retry", "JOB", "run a failed job again", cmd_retry},
    {"cancel", "APP RELEASE", "withdraw a release (tag name or id)", cmd_cancel},
    {"rollback", "APP", "order an earlier version, now", cmd_rollback},
    {"stop", "[APP] REASON", "activate nothing, at any base, until resume", cmd_stop},
    {"resume", "[APP]", "end a stop", cmd_resume},
    {"developer", "install FOLDER | VERB ...", "what developers may ask by ssh", cmd_developer},
    {"bundle", "make|show|apply ...", "bundles by hand", cmd_bundle},
    {"export", "BASE FILE", "orders and bundles as a file, for a base without a line", cmd_export},
    {"import", "FILE", "take in the reports such a base wrote", cmd_import},
    {"board", "[DIR]", "write the board: a static site of all this", cmd_board},
    {"notify", "", "tell `notify` of central.cfg what is new", cmd_notify},
    {"doctor", "", "find what is wrong with this installation", cmd_doctor},
    {"worker", "", "run queued jobs", cmd_worker},
    {"gc", "", "drop what is no longer needed", cmd_gc},
    {"serve", "BASE", "answer one base (sshd's forced command)", cmd_serve},
    {"authorized-keys", "", "print the authorized_keys lines of all bases", cmd_authorized_keys},
    {NULL, NULL, NULL, NULL}};

int main(int argc, char **argv)
{
	return cmd_main(&program, commands, argc, argv);
}
