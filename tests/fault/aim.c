/* SPDX-License-Identifier: ISC */
/*
 * aim [OPTION...] -- COMMAND [ARG...]: runs a command and everything it starts with fault points
 * (points.c), lets one of them fail, and ends when the last of its processes has ended.
 *
 *   --points FILE    the library to preload
 *   --map FILE       the map to use (points.h)
 *   --root DIR       only this file system counts
 *   --at L:I:N       the point, and
 *   --fault FAULT    what happens there: kill, enospc, eio, cut
 *   --image FILE     cut: the device below DIR; it is copied at the point, unsynced data is lost
 *   --copy FILE      cut: where to
 *   --commit         cut: DIR's journal is committed first, so that names outlive their contents
 *   --list FILE      writes every point passed
 *   --result FILE    writes "STATUS REACHED HUNG"
 *   --deadline S     kills what still runs then
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "points.h"

#define PROCESSES_MAX 4096

typedef struct {
	const char *points, *map, *root, *at, *fault, *image, *copy, *list, *result;
	int commit, deadline_s;
} Options;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "aim: %s: %s\n", what, strerror(errno));
	exit(125);
}

static int parse(int argc, char **argv, Options *o)
{
	static const struct option longs[] = {
	    {"points", 1, NULL, 'p'}, {"map", 1, NULL, 'm'},      {"root", 1, NULL, 'r'},
	    {"at", 1, NULL, 'a'},     {"fault", 1, NULL, 'f'},    {"image", 1, NULL, 'i'},
	    {"copy", 1, NULL, 'c'},   {"commit", 0, NULL, 'o'},   {"list", 1, NULL, 'l'},
	    {"result", 1, NULL, 'e'}, {"deadline", 1, NULL, 'd'}, {NULL, 0, NULL, 0}};
	int c = 0;
	while ((c = getopt_long(argc, argv, "+", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			o->points = optarg;
			break;
		case 'm':
			o->map = optarg;
			break;
		case 'r':
			o->root = optarg;
			break;
		case 'a':
			o->at = optarg;
			break;
		case 'f':
			o->fault = optarg;
			break;
		case 'i':
			o->image = optarg;
			break;
		case 'c':
			o->copy = optarg;
			break;
		case 'o':
			o->commit = 1;
			break;
		case 'l':
			o->list = optarg;
			break;
		case 'e':
			o->result = optarg;
			break;
		case 'd':
			o->deadline_s = (int)strtol(optarg, NULL, 10);
			break;
		default:
			exit(2);
		}
	}
	return optind;
}

static PointsFault fault_of(const char *name)
{
	static const char *const names[] = {"none", "kill", "enospc", "eio", "cut"};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return (PointsFault)i;
	errno = EINVAL;
	die(name);
}

/* LABEL:INSTANCE:NUMBER */
static void parse_point(const char *at, PointsMap *map)
{
	const char *colon = strchr(at, ':');
	char *end = NULL;
	size_t len = colon ? (size_t)(colon - at) : sizeof map->aim_label;
	if (len < sizeof map->aim_label) {
		memcpy(map->aim_label, at, len);
		map->aim_instance = (uint32_t)strtoul(colon + 1, &end, 10);
		map->aim_number = end && *end == ':' ? (uint32_t)strtoul(end + 1, &end, 10) : 0;
	}
	if (map->aim_number > 0 && end && *end == '\0')
		return;
	errno = EINVAL;
	die(at);
}

static PointsMap *map_new(const Options *o)
{
	struct stat st;
	int fd = open(o->map, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || ftruncate(fd, sizeof(PointsMap)) != 0 || stat(o->root, &st) != 0)
		die(o->map);
	PointsMap *map = mmap(NULL, sizeof *map, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	(void)close(fd);
	map->dev = st.st_dev;
	(void)snprintf(map->root, sizeof map->root, "%s", o->root);
	if (o->at) {
		parse_point(o->at, map);
		map->fault = fault_of(o->fault);
	}
	map->magic = POINTS_MAGIC;
	return map;
}

static void sleep_ms(long ms)
{
	const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
	(void)nanosleep(&pause, NULL); /* woken early: the caller looks again */
}

/* "PID (NAME) STATE PARENT …"; 0 for a zombie, and for what is no process. */
static pid_t parent_of(const char *pid)
{
	char path[300], text[512] = "";
	(void)snprintf(path, sizeof path, "/proc/%s/stat", pid);
	int fd = pid[0] > '9' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	const char *end = read(fd, text, sizeof text - 1) > 0 ? strrchr(text, ')') : NULL;
	(void)close(fd);
	return end && strlen(end) > 4 && end[2] != 'Z' ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

/* Sends every process below us a signal; returns how many there are. Orphans are ours: we are their
 * reaper. */
static int signal_all(int sig)
{
	static struct {
		pid_t pid, parent;
	} seen[PROCESSES_MAX];
	static pid_t below[PROCESSES_MAX];
	int n = 0, all = 1;
	DIR *proc = opendir("/proc");
	struct dirent *entry = NULL;
	below[0] = getpid();
	while (proc && n < PROCESSES_MAX && (entry = readdir(proc))) {
		seen[n].parent = parent_of(entry->d_name);
		seen[n].pid = (pid_t)strtol(entry->d_name, NULL, 10);
		n += seen[n].parent > 0;
	}
	if (proc)
		(void)closedir(proc);
	for (int at = 0; at < all; at++)
		for (int i = 0; i < n && all < PROCESSES_MAX; i++)
			if (seen[i].parent == below[at])
				below[all++] = seen[i].pid;
	for (int i = 1; i < all; i++)
		(void)kill(below[i], sig);
	return all - 1;
}

/* Copies what has content; holes stay holes. */
static void copy_image(const char *from_path, const char *to_path)
{
	struct stat st;
	if (!from_path || !to_path) {
		errno = EINVAL;
		die("cut wants --image and --copy");
	}
	int from = open(from_path, O_RDONLY | O_CLOEXEC);
	int to = open(to_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (from < 0 || to < 0 || fstat(from, &st) != 0 || ftruncate(to, st.st_size) != 0)
		die(to_path);
	off_t at = 0;
	while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
		off_t end = lseek(from, at, SEEK_HOLE);
		if (lseek(from, at, SEEK_SET) < 0 || lseek(to, at, SEEK_SET) < 0)
			die(from_path);
		static char block[1 << 18];
		while (at < end) {
			size_t want =
			    (size_t)(end - at) < sizeof block ? (size_t)(end - at) : sizeof block;
			ssize_t n = read(from, block, want);
			if (n <= 0 || write(to, block, (size_t)n) != n)
				die(to_path);
			at += n;
		}
	}
	(void)close(from);
	if (close(to) != 0)
		die(to_path);
}

/* The power goes: what reached the device is what there is. */
static void cut(const Options *o)
{
	(void)signal_all(SIGSTOP); /* nobody writes on while it is copied */
	if (o->commit) {
		char path[4096];
		(void)snprintf(path, sizeof path, "%s/.aim-commit", o->root);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || fsync(fd) != 0)
			die(path);
		(void)close(fd);
	}
	copy_image(o->image, o->copy);
	while (signal_all(SIGKILL) > 0) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sleep_ms(1);
	}
}

/* Until nothing is left below us. Returns TRUE if time ran out. */
static int wait_all(const Options *o, PointsMap *map, pid_t child, int *ret_status)
{
	time_t until = time(NULL) + o->deadline_s;
	int hung = 0;
	for (;;) {
		int status = 0;
		pid_t ended = waitpid(-1, &status, WNOHANG);
		if (ended < 0)
			return hung;
		if (ended == child)
			*ret_status =
			    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (ended != 0)
			continue;
		if (atomic_load(&map->cut_asked) == 1) {
			cut(o);
			atomic_store(&map->cut_asked, 2);
		}
		if (time(NULL) > until) {
			hung = 1;
			(void)signal_all(SIGKILL);
		}
		sleep_ms(1);
	}
}

static void write_list(const Options *o, PointsMap *map)
{
	FILE *list = fopen(o->list, "we");
	unsigned n = atomic_load(&map->records);
	if (!list)
		die(o->list);
	if (n > POINTS_RECORDS)
		fprintf(stderr, "aim: %u points, %d fit\n", n, POINTS_RECORDS);
	for (unsigned i = 0; i < n && i < POINTS_RECORDS; i++)
		fprintf(list, "%s\n", map->texts[i]);
	if (fclose(list) != 0)
		die(o->list);
}

int main(int argc, char **argv)
{
	Options o = {.fault = "none", .deadline_s = 60};
	int first = parse(argc, argv, &o);
	if (!argv[first] || !o.points || !o.map || !o.root) {
		fprintf(stderr, "aim: needs --points, --map, --root and a command\n");
		return 2;
	}
	PointsMap *map = map_new(&o);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t child = fork();
	if (child == 0) {
		(void)setenv("LD_PRELOAD", o.points, 1);
		(void)setenv(POINTS_MAP_ENV, o.map, 1);
		(void)execvp(argv[first], argv + first);
		die(argv[first]);
	}
	int status = 125;
	int hung = wait_all(&o, map, child, &status);
	if (o.list)
		write_list(&o, map);
	FILE *result = o.result ? fopen(o.result, "we") : NULL;
	if (!result)
		return status; /* nobody asks for more */
	fprintf(result, "%d %u %d\n", status, atomic_load(&map->reached), hung);
	return fclose(result) == 0 ? 0 : 125;
}
