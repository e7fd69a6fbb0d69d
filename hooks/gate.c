/* SPDX-License-Identifier: ISC */
/*
 * The gate before the hooks: every push passes it several times, so it is plain libc, linked
 * statically, and lets what is none of ours pass at once. Anything else, and any doubt, goes to the
 * real hook with the same arguments and the same input.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX 65536
#define PATH_SIZE 4096

static int ends_in_lock(const char *text, size_t len)
{
	return len >= 5 && memcmp(text + len - 5, ".lock", 5) == 0;
}

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
		if (ref[i] == '/' && ends_in_lock(ref, i))
			return 0;
	}
	return ref[len - 1] != '.' && ref[len - 1] != '/' && !ends_in_lock(ref, len);
}

/* The next line's ref; *ref is NULL where there is none. FALSE if the line is not whole, or has no
 * three words: the ref is all after the second blank, as for the real hooks. */
static int next_ref(const char **input, const char *end, const char **ref, size_t *len)
{
	const char *newline = memchr(*input, '\n', (size_t)(end - *input));
	*ref = NULL;
	if (!newline)
		return *input == end;
	*ref = *input;
	for (int word = 0; word < 2; word++) {
		*ref = memchr(*ref, ' ', (size_t)(newline - *ref));
		if (!*ref)
			return 0;
		(*ref)++;
	}
	*len = (size_t)(newline - *ref);
	*input = newline + 1;
	return 1;
}

/* Every line is "OLD NEW REF" with a plain branch. */
static int only_branches(const char *input, size_t input_len)
{
	const char *end = input + input_len, *ref = NULL;
	size_t len = 0;
	while (next_ref(&input, end, &ref, &len)) {
		if (!ref)
			return 1;
		if (!plain_branch(ref, len))
			return 0;
	}
	return 0;
}

/* Every line is "OLD NEW REF", and no ref begins so. */
static int none_begins(const char *input, size_t input_len, const char *prefix)
{
	const char *end = input + input_len, *ref = NULL;
	size_t len = 0, prefix_len = strlen(prefix);
	while (next_ref(&input, end, &ref, &len)) {
		if (!ref)
			return 1;
		if (len >= prefix_len && memcmp(ref, prefix, prefix_len) == 0)
			return 0;
	}
	return 0;
}

/* tagship.d/NAME beside the hook that git started. */
static int beside(char path[PATH_SIZE], const char *argv0, const char *name)
{
	const char *slash = strrchr(argv0, '/');
	int n = snprintf(path, PATH_SIZE, "%.*stagship.d/%s", slash ? (int)(slash - argv0 + 1) : 0,
			 argv0, name);
	return n > 0 && n < PATH_SIZE;
}

/* TRUE if there is a hook of others that wants to run. */
static int has_chained(const char *argv0, const char *name)
{
	char path[PATH_SIZE];
	return !beside(path, argv0, name) || access(path, X_OK) == 0;
}

/* "SIZE MTIME PATH": the app's file is what it was when the note was written. */
static int config_is_same(const char *noted)
{
	char now[PATH_SIZE + 64];
	struct stat st;
	const char *path = strchr(noted, '/');
	if (!path || stat(path, &st) != 0)
		return 0;
	int n = snprintf(now, sizeof now, "%lld %lld.%09ld %s", (long long)st.st_size,
			 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, path);
	return n > 0 && (size_t)n < sizeof now && strcmp(now, noted) == 0;
}

/* FALSE if this line of the note says, or may say, that the push is ours (conf/note.c writes it).
 */
static int line_lets_pass(const char *line, const char *repo, const char *input, size_t len)
{
	if (strncmp(line, "Repo: ", 6) == 0)
		return strcmp(line + 6, repo) == 0;
	if (strncmp(line, "Config: ", 8) == 0)
		return config_is_same(line + 8);
	if (strncmp(line, "Branches: ", 10) == 0)
		return none_begins(input, len, line + 10);
	return strncmp(line, "State: ", 7) == 0 || strncmp(line, "App: ", 5) == 0;
}

/* By the note beside the hooks, no app of this repository checks any of these branches. */
static int none_is_checked(const char *argv0, const char *input, size_t len)
{
	static char note[INPUT_MAX];
	char path[PATH_SIZE], repo[PATH_SIZE];
	const char *git_dir = getenv("GIT_DIR");
	int configs = 0;
	if ((git_dir && strcmp(git_dir, ".") != 0) || !getcwd(repo, sizeof repo) ||
	    !beside(path, argv0, "settings"))
		return 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, note, sizeof note - 1);
	if (n <= 0 || (size_t)n == sizeof note - 1)
		return 0;
	for (char *line = note, *end; line < note + n; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			return 0;
		*end = '\0';
		if (!line_lets_pass(line, repo, input, len))
			return 0;
		configs += strncmp(line, "Config: ", 8) == 0;
	}
	return configs > 0 && only_branches(input, len);
}

/* Nothing of ours, and nobody else's: git may go on. */
static int passes(const char *name, int argc, char **argv, const char *input, size_t len)
{
	if (has_chained(argv[0], name))
		return 0;
	if (strcmp(name, "pre-receive") == 0)
		return !getenv("GIT_PUSH_OPTION_0") && only_branches(input, len);
	if (strcmp(name, "post-receive") == 0)
		return none_is_checked(argv[0], input, len);
	/* reference-transaction acts on tags and, in a base's mirror, on what it fetched */
	return argc >= 2 &&
	       (strcmp(argv[1], "committed") != 0 || (none_begins(input, len, "refs/tags/") &&
						      none_begins(input, len, "refs/tagship/")));
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

/* The real hook lies beside the gate: NAME-judge, NAME-follow, NAME-poke. */
static const char *suffix_of(const char *name)
{
	if (strcmp(name, "pre-receive") == 0)
		return "judge";
	return strcmp(name, "post-receive") == 0 ? "follow" : "poke";
}

int main(int argc, char **argv)
{
	static char input[INPUT_MAX];
	char program[PATH_SIZE + 16];
	int whole = 0;
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	ssize_t len = read_input(input, &whole);
	if (len >= 0 && whole && passes(name, argc, argv, input, (size_t)len))
		return 0;
	ssize_t n = readlink("/proc/self/exe", program, PATH_SIZE);
	if (len < 0 || n <= 0 || n >= PATH_SIZE || rewind_input(input, len) != 0) {
		fprintf(stderr, "tagship: %s: %s\n", name, strerror(errno));
		return 1;
	}
	(void)snprintf(program + n, sizeof program - (size_t)n, "-%s", suffix_of(name)); /* fits */
	execv(program, argv);
	fprintf(stderr, "tagship: %s: %s\n", program, strerror(errno));
	return 1;
}
