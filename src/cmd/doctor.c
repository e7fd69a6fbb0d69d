/* SPDX-License-Identifier: ISC */
#include <sys/timex.h>

#include "cmd/cmd.h"
#include "confine/confine.h"

CmdDoctor cmd_doctor_begin(const Cmd *cmd)
{
	CmdDoctor doctor = {.quiet = cmd->quiet};
	if (!cmd->json)
		return doctor;
	doctor.json = json_builder_new();
	json_builder_begin_object(doctor.json);
	json_builder_set_member_name(doctor.json, "findings");
	json_builder_begin_array(doctor.json);
	return doctor;
}

static void say(const CmdDoctor *doctor, const char *level, const char *text)
{
	if (!doctor->json) {
		g_print("%-4s %s\n", level, text);
		return;
	}
	g_autofree char *lower = g_ascii_strdown(level, -1);
	json_builder_begin_object(doctor->json);
	json_builder_set_member_name(doctor->json, "level");
	json_builder_add_string_value(doctor->json, lower);
	json_builder_set_member_name(doctor->json, "text");
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	json_builder_add_string_value(doctor->json, valid);
	json_builder_end_object(doctor->json);
}

void cmd_finding(CmdDoctor *doctor, gboolean good, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	doctor->bad += !good;
	if (!good || !doctor->quiet)
		say(doctor, good ? "ok" : "BAD", text);
}

void cmd_note(CmdDoctor *doctor, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	if (!doctor->quiet)
		say(doctor, "note", text);
}

void cmd_check_clock(CmdDoctor *doctor)
{
	struct timex state = {0};
	if (adjtimex(&state) != TIME_ERROR)
		cmd_finding(doctor, TRUE,
			    "this machine's clock: synchronised, as the kernel has it");
	else
		cmd_note(doctor,
			 "this machine's clock: the kernel does not know that anything keeps it "
			 "right (chrony, systemd-timesyncd); releases go by it");
}

int cmd_doctor_end(CmdDoctor *doctor, GError **error)
{
	if (doctor->json) {
		json_builder_end_array(doctor->json);
		json_builder_set_member_name(doctor->json, "bad");
		json_builder_add_int_value(doctor->json, doctor->bad);
		json_builder_end_object(doctor->json);
		cmd_print_json(doctor->json);
		g_clear_object(&doctor->json);
	}
	if (doctor->bad)
		util_error_set(error, TS_ERROR_FAILED, "%u finding%s", doctor->bad,
			       doctor->bad == 1 ? "" : "s");
	return doctor->bad ? 1 : 0;
}

void cmd_check_confinement(CmdDoctor *doctor, const char *what)
{
	ConfineKernel kernel = {0};
	confine_probe(&kernel);
	g_autofree char *lack = confine_lack(&kernel);
	if (lack)
		/* nobody is paged for what only another kernel mends */
		cmd_finding(doctor, TRUE, "%s: less confined than it could be: this kernel has %s",
			    what, lack);
	else
		cmd_finding(doctor, TRUE, "%s: confined by Landlock (ABI %u) and seccomp", what,
			    kernel.landlock_abi);
}
