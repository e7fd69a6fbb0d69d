/* SPDX-License-Identifier: ISC */
/* The subcommands of tagship-base and what they share. */
#pragma once

#include "activate/activate.h"
#include "cmd/cmd.h"
#include "conf/conf.h"

int base_init(Cmd *cmd, GError **error);
int base_pull(Cmd *cmd, GError **error);
int base_stage(Cmd *cmd, GError **error);
int base_activate(Cmd *cmd, GError **error);
int base_watch(Cmd *cmd, GError **error);
int base_run(Cmd *cmd, GError **error);
int base_status(Cmd *cmd, GError **error);
int base_log(Cmd *cmd, GError **error);
int base_hold(Cmd *cmd, GError **error);
int base_unhold(Cmd *cmd, GError **error);
int base_rollback(Cmd *cmd, GError **error);
int base_pin(Cmd *cmd, GError **error);
int base_unpin(Cmd *cmd, GError **error);
int base_maintenance(Cmd *cmd, GError **error);
int base_import(Cmd *cmd, GError **error);
int base_export(Cmd *cmd, GError **error);
int base_key(Cmd *cmd, GError **error);
int base_node(Cmd *cmd, GError **error);
int base_serve(Cmd *cmd, GError **error);
int base_authorized_keys(Cmd *cmd, GError **error);
int base_clock(Cmd *cmd, GError **error);
int base_doctor(Cmd *cmd, GError **error);
int base_gc(Cmd *cmd, GError **error);
int base_notify(Cmd *cmd, GError **error);

/* `activate APP [VERSION]` */
int base_activate_by_hand(Cmd *cmd, GError **error);

/* An opened ROOT. */
typedef struct {
	char *root;
	int dirfd;
	ConfBase *conf;
	UtilClock *clock;
	gint64 incarnation;
} Base;

Base *base_open(const Cmd *cmd, GError **error);
void base_close(Base *base);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Base, base_close)
ActivateSpec base_activate_spec(const Base *base, const ConfBaseApp *app);
/* The app by name; USAGE with the nearest one. */
const ConfBaseApp *base_find_app(const Base *base, const char *name, GError **error);

/* What kernel and disk have of what staging uses, for hello: "landlock=7 openat2 reflink". */
char *base_features(const Base *base);

/* What mirror noted of the last contact with central; NULL: there was none, or it is damaged. */
UtilTrailers *base_last_contact(const Base *base);
/* Runs a helper program of ours ("tagship-stage") on ROOT with our own output; its exit status, or
 * -1 with error. */
int base_run_helper(const Base *base, const char *program, const char *const *args, GError **error);

/* Drops what is no longer needed, unless staging or an activation is at work or near. */
void base_gc_quietly(const Cmd *cmd, const Base *base);
#define BASE_NOTICES_EVERY_S 15 /* how often run and watch look */
/* Starts `notify` if somebody is to be told; does not wait for it. */
void base_notify_quietly(const Base *base);
/* Sends pending reports if the line is there; what fails is said with -v only: they are kept. */
void base_deliver_quietly(const Cmd *cmd, const Base *base);
