/* SPDX-License-Identifier: ISC */
/*
 * What was begun is ended first: an activation must not die with the terminal it was started from.
 *
 *   cmd_outlive_signals();
 *
 * A handler, unlike "ignored", does not reach the commands and servers that are started then.
 */
#pragma once

#include <glib.h>
#include <signal.h>

static inline void cmd_ignore_signal(int signal_number)
{
	(void)signal_number; /* see above */
}

static inline void cmd_outlive_signals(void)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	struct sigaction action = {.sa_handler = cmd_ignore_signal, .sa_flags = SA_RESTART};
	for (guint i = 0; i < G_N_ELEMENTS(signals); i++)
		(void)sigaction(signals[i], &action, NULL); /* valid signals: cannot fail */
}
