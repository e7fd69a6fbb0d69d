/* SPDX-License-Identifier: ISC */
/*
 * The gate before pre-receive and reference-transaction: every push passes it several times, so it
 * is plain libc and lets what is none of ours pass at once. Anything else, and any doubt, goes to
 * the real hook (NAME-judge, NAME-poke) with the same arguments and the same input.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define INPUT_MAX 65536

/* A branch whose name needs no judgement; pre-receive-judge knows the whole rule. */
static int plain_branch(const char *ref, size_t len)
{
	static const char prefix[] = "refs/heads/";
	size_t skip = sizeof prefix - 1;
	if (len <= skip || len > 150 || memcmp(ref, prefix, skip) != 0)
		return 0;
	for (size_t i = skip; i < len; i++) {
		char before = ref[i - 1];
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/",
			    ref[i]) ||
		    !ref[i])
			return 0;
		/* no part starts with . or -, none is empty, no ".." anywhere */
		if ((before == '/' || before == '.') &&
		    (ref[i] == '.' || ref[i] == '/' || (before == '/' && ref[i] == '-')))
			return 0;
	}
	return ref[len - 1] != '.' && ref[len - 1] != '/' &&
	       (len < 5 || memcmp(ref + len - 5, ".lock", 5) != 0);
}

/* Every line is "OLD NEW REF" with a plain branch. */
static int only_branches(const char *input, size_t len)
{
	const char *end = input + len;
	while (input < end) {
		const char *newline = memchr(input, '\n', (size_t)(end - input));
		const char *ref = newline;
		if (!newline)
			return 0;
		while (ref > input && ref[-1] != ' ')
			ref--;
		if (!plain_branch(ref, (size_t)(newline - ref)))
			return 0;
		input = newline + 1;
	}
	return 1;
}

/* TRUE if there is a hook of others that wants to run. */
static int has_chained(const char *argv0, const char *name)
{
	const char *slash = strrchr(argv0, '/');
	char path[4096];
	int n = snprintf(path, sizeof path, "%.*stagship.d/%s",
			 slash ? (int)(slash - argv0 + 1) : 0, argv0, name);
	return n < 0 || (size_t)n >= sizeof path || access(path, X_OK) == 0;
}

/* Nothing of ours, and nobody else's: git may go on. */
static int passes(const char *name, int argc, char **argv, const char *input, size_t len)
{
	if (has_chained(argv[0], name))
		return 0;
	if (strcmp(name, "pre-receive") == 0)
		return !getenv("GIT_PUSH_OPTION_0") && only_branches(input, len);
	return argc >= 2 && (strcmp(argv[1], "committed") != 0 || only_branches(input, len));
}

/* Standard input as far as INPUT_MAX; *ret_whole: that was all. */
static ssize_t read_input(char *input, int *ret_whole)
{
	ssize_t len = 0, n = 1;
	while (len < INPUT_MAX && n > 0) {
		n = read(STDIN_FILENO, input + len, (size_t)(INPUT_MAX - len));
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += n;
	}
	*ret_whole = n == 0;
	return n < 0 ? -1 : len;
}

/* What was read and what is still to come, as the standard input of the real hook. */
static int rewind_input(const char *input, ssize_t len)
{
	static char more[INPUT_MAX];
	int fd = memfd_create("updates", MFD_CLOEXEC);
	if (fd < 0 || write(fd, input, (size_t)len) != len)
		return -1;
	ssize_t n = 0;
	while ((n = read(STDIN_FILENO, more, sizeof more)) != 0)
		if ((n < 0 && errno != EINTR) || (n > 0 && write(fd, more, (size_t)n) != n))
			return -1;
	return lseek(fd, 0, SEEK_SET) != 0 || dup2(fd, STDIN_FILENO) < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	static char input[INPUT_MAX];
	char program[4096 + 16];
	int whole = 0;
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	ssize_t len = read_input(input, &whole);
	if (len >= 0 && whole && passes(name, argc, argv, input, (size_t)len))
		return 0;
	ssize_t n = readlink("/proc/self/exe", program, 4096);
	if (len < 0 || n <= 0 || n >= 4096 || rewind_input(input, len) != 0) {
		fprintf(stderr, "tagship: %s: %s\n", name, strerror(errno));
		return 1;
	}
	/* the real hook lies beside us: NAME-judge, NAME-poke */
	(void)snprintf(program + n, sizeof program - (size_t)n, "-%s",
		       strcmp(name, "pre-receive") == 0 ? "judge" : "poke"); /* it fits */
	execv(program, argv);
	fprintf(stderr, "tagship: %s: %s\n", program, strerror(errno));
	return 1;
}
