/* SPDX-License-Identifier: ISC */
/* What a contact with central begins with, by the line or by a file. */
#pragma once

#include "cmd/tagship-base/base.h"
#include "mirror/mirror.h"
#include "stage/stage.h"

/* A mirror's spec, and what it points to. */
typedef struct {
	MirrorSpec spec;
	GPtrArray *live, *held; /* char *, NULL-terminated */
	char *zlib, *features;
} BaseContact;
/* The base must outlive it. */
void base_contact_init(const Base *base, BaseContact *contact);
/* What is live and held here, now. */
gboolean base_contact_gather(const Base *base, BaseContact *contact, GError **error);
void base_contact_clear(BaseContact *contact);

/* What to tell people if the accepted head is older than it may be; NULL: it is not. */
char *base_head_alarm(const Base *base);

/* An order that is to be staged. */
typedef struct {
	const ConfBaseApp *app;
	Order *order;
} BaseTodo;
/* All of them, soonest go-live first. */
GPtrArray *base_todos(const Base *base, GError **error);
/* When central's word on a gated order may be had, or silence begins to mean cut off: the soonest
 * such time that is to come; 0: none. */
gint64 base_next_gate_utc(const Base *base);
StageSpec base_stage_spec(const Base *base, const BaseTodo *todo);
