/* SPDX-License-Identifier: ISC */
/* Real builds in real sandboxes, each from a commit made here. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "build/build-private.h"

typedef struct {
	char *path;
	char *work; /* path/state/work */
	char *state;
	char *repo_path;
	int dirfd;
	Repo *repo;
	ConfApp *app;
	BuildSpec spec;
	char commit[REPO_OID];
} World;

static void world_setup(World *world, gconstpointer data)
{
	(void)data; /* the same for all */
	g_autoptr(GError) error = NULL;

	world->path = g_dir_make_tmp("tagship-build-XXXXXX", NULL);
	world->dirfd = util_fs_open_dir(AT_FDCWD, world->path, NULL);
	world->state = g_build_filename(world->path, "state", NULL);
	world->work = g_build_filename(world->state, "work", NULL);
	world->repo_path = g_build_filename(world->path, "shop.git", NULL);
	g_assert_true(util_fs_mkdir(world->dirfd, "state", 0755, NULL));
	g_assert_true(util_fs_write_file(world->dirfd, "state/secret", "s", 1, 0644, NULL));
	world->repo = repo_create(world->repo_path, &error);
	g_assert_no_error(error);
	world->app = conf_app_new("shop", world->repo_path);
	g_free(world->app->output);
	world->app->output = g_strdup("dist");
	world->spec = (BuildSpec){.app = world->app,
				  .source_repo = world->repo_path,
				  .commit = world->commit,
				  .version = "v1.0.0",
				  .commit_utc = 1700000000,
				  .is_release = TRUE,
				  .state_path = world->state,
				  .work_path = world->work};
	world->spec.log_fd = openat(world->dirfd, "log", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	g_assert_cmpint(world->spec.log_fd, >, 0);
}

static void world_teardown(World *world, gconstpointer data)
{
	(void)data; /* as above */
	close(world->spec.log_fd);
	close(world->dirfd);
	repo_free(world->repo);
	conf_app_free(world->app);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, world->path, NULL));
	g_free(world->path);
	g_free(world->work);
	g_free(world->state);
	g_free(world->repo_path);
}

/* Names and contents, NULL-terminated, become the world's commit; "NAME -> TARGET" is a link. */
static void commit_files(World *world, const char *first, ...) G_GNUC_NULL_TERMINATED;

static void commit_files(World *world, const char *first, ...)
{
	RepoTreeEntry entries[8] = {0};
	RepoCommitSpec commit = {.author = "t", .message = "m", .time_utc = 1700000000};
	char tree[REPO_OID];
	guint n = 0;
	va_list list;

	va_start(list, first);
	for (const char *name = first; name; name = va_arg(list, const char *), n++) {
		const char *content = va_arg(list, const char *);
		gboolean is_link = g_str_has_prefix(content, "-> ");

		g_assert_cmpuint(n, <, G_N_ELEMENTS(entries));
		content += is_link ? 3 : 0;
		entries[n].name = name;
		entries[n].mode = is_link ? 0120000 : 0100644;
		g_assert_true(
		    repo_blob_write(world->repo, content, strlen(content), entries[n].oid, NULL));
	}
	va_end(list);
	g_assert_true(repo_tree_write(world->repo, entries, n, tree, NULL));
	commit.tree = tree;
	g_assert_true(repo_commit_write(world->repo, &commit, world->commit, NULL));
}

static void set_build(World *world, const char *command)
{
	g_free(world->app->build);
	world->app->build = g_strdup(command);
	if (!*world->commit)
		commit_files(world, "src", "one\n", NULL);
}

static char *read_log(World *world)
{
	char *text = NULL;

	g_assert_true(util_fs_read_file(world->dirfd, "log", 1000000, &text, NULL, NULL));
	return text;
}

static BuildResult *build_ok(World *world, const char *command)
{
	g_autoptr(GError) error = NULL;
	BuildResult *result = NULL;

	if (command)
		set_build(world, command);
	if (!build_run(&world->spec, &result, &error)) {
		g_autofree char *log = read_log(world);

		g_error("<%s>: %s\nlog:\n%s", command, error->message, log);
	}
	g_assert_no_error(error);
	return result;
}

static void build_fails(World *world, const char *command, TsErrorCode code, const char *part)
{
	g_autoptr(GError) error = NULL;
	BuildResult *result = NULL;

	if (command)
		set_build(world, command);
	if (build_run(&world->spec, &result, &error))
		g_error("<%s> did not fail", command);
	g_assert_null(result);
	if (error->domain != TS_ERROR || error->code != (int)code ||
	    !strstr(error->message, part)) {
		g_autofree char *log = read_log(world);

		g_error("<%s>: wanted %u \"%s\", got %d \"%s\"\nlog:\n%s", command, code, part,
			error->code, error->message, log);
	}
	g_assert_null(strchr(error->message, '\n'));
}

/* A file of the output, by its manifest and by its folder. */
static char *output_text(const BuildResult *result, const char *path)
{
	char *text = NULL;

	g_assert_nonnull(manifest_find(result->manifest, path));
	g_assert_true(util_fs_read_file(result->output_dirfd, path, 1000000, &text, NULL, NULL));
	return text;
}

/* Processes on this machine with that word in their command line. */
static guint count_processes(const char *word)
{
	g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
	guint n = 0;

	for (const char *name; (name = g_dir_read_name(dir));) {
		g_autofree char *path = g_strdup_printf("/proc/%s/cmdline", name);
		g_autofree char *text = NULL;
		gsize len = 0;

		if (!g_ascii_isdigit(*name) || !g_file_get_contents(path, &text, &len, NULL))
			continue;
		n += g_strstr_len(text, (gssize)len, word) || memmem(text, len, word, strlen(word));
	}
	return n;
}

/* A sleep that can be told from all others. */
static char *unique_sleep(void)
{
	static guint n;

	return g_strdup_printf("5%d.%u", getpid(), ++n);
}

static void test_success(World *world, gconstpointer data)
{
	(void)data;
	commit_files(world, "src", "content\n", "umlaut \xc3\xa4", "x", NULL);
	g_autoptr(BuildResult) result = build_ok(
	    world, "mkdir -p dist/sub; cp src dist/a; printf '#!/bin/sh\\n' >dist/sub/run; "
		   "chmod 700 dist/sub/run; ln -s ../a dist/sub/link; env | sort >dist/env; "
		   "pwd >dist/pwd; uname -n >dist/host; cat >>dist/a; echo said; "
		   "echo complained >&2");
	g_autofree char *a = output_text(result, "a");
	g_autofree char *env = output_text(result, "env");
	g_autofree char *pwd = output_text(result, "pwd");
	g_autofree char *host = output_text(result, "host");
	g_autofree char *log = read_log(world);
	g_autofree char *wanted = g_strdup_printf("HOME=/build/.home\nLANG=C.UTF-8\n");
	g_autofree char *commit_line = g_strdup_printf("TAGSHIP_COMMIT=%s\n", world->commit);
	g_autofree char *expected_path = g_build_filename(world->work, "shop/release/dist", NULL);

	g_assert_cmpstr(a, ==, "content\n");
	g_assert_cmpstr(pwd, ==, "/build\n");
	g_assert_cmpstr(host, ==, "build\n");
	g_assert_nonnull(strstr(env, wanted));
	g_assert_nonnull(strstr(env, commit_line));
	g_assert_nonnull(strstr(env, "SOURCE_DATE_EPOCH=1700000000\n"));
	g_assert_nonnull(strstr(env, "TAGSHIP_APP=shop\n"));
	g_assert_nonnull(strstr(env, "TAGSHIP_VERSION=v1.0.0\n"));
	g_assert_nonnull(strstr(env, "TZ=UTC\n"));
	g_assert_cmpuint(manifest_count(result->manifest), ==, 7);
	g_assert_cmpuint(manifest_find(result->manifest, "sub/run")->mode, ==, 0755);
	g_assert_cmpstr(manifest_find(result->manifest, "sub/link")->target, ==, "../a");
	g_assert_cmpstr(result->output_path, ==, expected_path);
	g_assert_true(g_str_has_prefix(log, "building shop v1.0.0 at "));
	g_assert_nonnull(strstr(log, "\n$ mkdir -p dist/sub;"));
	g_assert_nonnull(strstr(log, "\nsaid\ncomplained\nbuilt: 5 files, "));
	g_assert_true(g_str_has_suffix(log, " s\n"));
	/* only what is ours in the environment */
	g_auto(GStrv) lines = g_strsplit(g_strchomp(env), "\n", -1);
	for (char **line = lines; *line; line++)
		g_assert_true(g_regex_match_simple("^(PATH|HOME|LANG|TZ|SOURCE_DATE_EPOCH|PWD|SHLVL"
						   "|OLDPWD|_|TAGSHIP_[A-Z]+)=",
						   *line, 0, 0));
	/* the build's /tmp does not stay */
	g_autoptr(GPtrArray) left = util_fs_list(world->dirfd, "state/work/shop", NULL);
	for (guint i = 0; i < left->len; i++)
		g_assert_cmpstr(left->pdata[i], !=, "release.tmp");
}

static void test_failing(World *world, gconstpointer data)
{
	(void)data;
	build_fails(world, "echo broken >&2; exit 2", TS_ERROR_FAILED,
		    "the build command failed with exit 2");
	g_autofree char *log = read_log(world);
	g_assert_true(
	    g_str_has_suffix(log, "broken\nfailed: the build command failed with exit 2\n"));
	build_fails(world, "no-such-program", TS_ERROR_FAILED, "failed with exit 127");
	build_fails(world, "if", TS_ERROR_FAILED, "failed with exit 2");
	build_fails(world, "kill -SEGV $$", TS_ERROR_FAILED, "ended by signal 11");
	build_fails(world, "kill -KILL $$", TS_ERROR_FAILED, "was there too little memory?");
	build_fails(world, "mkdir dist", TS_ERROR_FAILED, "the output folder \"dist\" is empty");
	build_fails(world, "mkdir Dist; touch Dist/x", TS_ERROR_FAILED,
		    "there is no output folder \"dist\" after the build");
	build_fails(world, "touch dist", TS_ERROR_REFUSED, "is not a folder of the workspace");
	/* and the next one works */
	g_autoptr(BuildResult) result = build_ok(world, "mkdir dist; cp src dist");
	g_assert_cmpuint(manifest_files(result->manifest), ==, 1);
}

static void wait_gone(const char *word)
{
	gint64 end = g_get_monotonic_time() + 3 * G_USEC_PER_SEC;

	while (count_processes(word) > 0 && g_get_monotonic_time() < end)
		g_usleep(20000);
	g_assert_cmpuint(count_processes(word), ==, 0);
}

static void test_hanging(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *word = unique_sleep();
	g_autofree char *command = g_strdup_printf(
	    "trap '' TERM HUP; setsid sleep %s & sleep %s; sleep %s", word, word, word);
	gint64 start = g_get_monotonic_time();

	world->app->build_time_s = 1;
	build_fails(world, command, TS_ERROR_FAILED,
		    "the build took longer than 1 s (build_time) and was ended");
	g_assert_cmpint(g_get_monotonic_time() - start, <, 4 * G_USEC_PER_SEC);
	wait_gone(word);
	g_autofree char *log = read_log(world);
	g_assert_true(g_str_has_suffix(log, "(build_time) and was ended\n"));
}

static void test_children(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *word = unique_sleep();
	g_autofree char *command = g_strdup_printf(
	    "mkdir dist; echo early >dist/f; sleep %s & setsid sh -c 'trap \"\" TERM HUP; sleep "
	    "%s; "
	    "sleep %s' >/dev/null 2>&1 </dev/null & (setsid sh -c 'while :; do echo late >>dist/f; "
	    "done' &) ; sleep 0.2",
	    word, word, word);

	for (int i = 0; i < 5; i++) {
		g_autoptr(BuildResult) result = build_ok(world, command);

		/* gone already: nothing could still write to the tree */
		g_assert_cmpuint(count_processes(word), ==, 0);
		g_assert_nonnull(manifest_find(result->manifest, "f"));
	}
}

static void test_confined(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *marker = g_strdup_printf("tagship-%d", getpid());
	g_autofree char *on_host = g_build_filename("/tmp", marker, NULL);
	g_autofree char *command = g_strdup_printf(
	    "for d in / /usr /usr/lib /etc /opt /var /var/lib /home /root /srv /run /proc /dev; do "
	    "  if touch $d/%s 2>/dev/null; then echo wrote $d; exit 3; fi; done; "
	    "touch /tmp/%s /var/tmp/%s && : >/dev/null && echo x >/dev/shm/x || exit 4; "
	    "for d in /home /root /srv /run /mnt /media; do "
	    "  [ -z \"$(ls -A $d)\" ] || { ls -A $d; exit 5; }; done; "
	    "[ ! -e %s ] && [ ! -e %s ] || exit 6; "
	    "! grep -q . /etc/shadow 2>/dev/null || exit 7; "
	    "[ -z \"$(ls -A /etc/ssh 2>/dev/null)\" ] || exit 8; "
	    "grep -q '^CapEff:.0*$' /proc/self/status || exit 9; "
	    "grep -q '^CapBnd:.0*$' /proc/self/status || exit 12; "
	    "[ $(id -u) != 0 ] || exit 10; "
	    "[ $(ls -d /proc/[0-9]* | wc -l) -lt 8 ] || exit 11; "
	    "mkdir dist; id >dist/id",
	    marker, marker, marker, world->state, world->repo_path);
	g_autoptr(BuildResult) result = build_ok(world, command);

	g_assert_false(g_file_test(on_host, G_FILE_TEST_EXISTS));
}

/* STATE is usually below a hidden folder anyway; here it is not. */
static void test_hide(World *world, gconstpointer data)
{
	(void)world, (void)data;
	static const char *const hide[] = {"/usr/share/../share/doc", "/usr/share/doc/sub",
					   "/etc/hostname", "/no/such", NULL};
	BuildSandbox sandbox = {.bwrap = "bwrap", .hide = hide};
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) args = build_sandbox_args(&sandbox, &error);
	g_autoptr(GBytes) output = NULL;
	g_autofree char *said = NULL;
	int status = -1;

	g_assert_no_error(error);
	g_assert_true(g_file_test("/usr/share/doc", G_FILE_TEST_IS_DIR));
	g_ptr_array_add(args, g_strdup("/bin/sh"));
	g_ptr_array_add(args, g_strdup("-c"));
	g_ptr_array_add(args, g_strdup("ls -A /usr/share/doc; cat /etc/hostname 2>/dev/null; "
				       "touch /usr/share/doc/x 2>&1; test -d /usr/share/man"));
	g_ptr_array_add(args, NULL);
	g_assert_true(util_child_capture((const char *const *)args->pdata, NULL, NULL, 10, 1000,
					 &output, &said, &status, &error));
	g_assert_cmpstr(said, ==, "");
	g_assert_cmpint(status, ==, 0);
	g_autofree char *text = g_strndup(g_bytes_get_data(output, NULL), g_bytes_get_size(output));
	g_assert_nonnull(strstr(text, "Read-only file system"));
	g_assert_cmpint((int)(strchr(text, '\n') - text), ==, (int)strlen(text) - 1);
}

static void test_network(World *world, gconstpointer data)
{
	(void)data;
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, len), ==, 0);
	g_assert_cmpint(listen(fd, 4), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &len), ==, 0);
	g_autofree char *command = g_strdup_printf(
	    "mkdir dist; grep -c : /proc/net/dev >dist/n; perl -MIO::Socket::INET -e "
	    "'exit(IO::Socket::INET->new(PeerAddr => \"127.0.0.1:%d\") ? 0 : 1)' "
	    "&& echo reached >dist/r || echo not >dist/r",
	    ntohs(address.sin_port));
	g_autoptr(BuildResult) without = build_ok(world, command);
	g_autofree char *n = output_text(without, "n");
	g_autofree char *reached = output_text(without, "r");
	g_assert_cmpstr(n, ==, "1\n");
	g_assert_cmpstr(reached, ==, "not\n");

	world->app->network = TRUE;
	g_autoptr(BuildResult) with = build_ok(world, command);
	g_autofree char *now = output_text(with, "r");
	g_assert_cmpstr(now, ==, "reached\n");
	close(fd);
}

static void test_bad_output(World *world, gconstpointer data)
{
	(void)data;
	build_fails(world, "mkdir dist; echo x >dist/f; mkfifo dist/pipe", TS_ERROR_REFUSED,
		    "the built tree (dist) may not be released: pipe: ");
	build_fails(world, "mkdir dist; ln -s ../../../etc/passwd dist/out", TS_ERROR_REFUSED,
		    "out");
	build_fails(world, "mkdir dist; ln -s /etc/passwd dist/abs", TS_ERROR_REFUSED, "abs");
	build_fails(world, "mkdir dist; echo x >dist/su; chmod 4755 dist/su", TS_ERROR_REFUSED,
		    "su: ");
	build_fails(world, "mkdir dist; echo x >dist/sg; chmod 2755 dist/sg", TS_ERROR_REFUSED,
		    "sg: ");
	build_fails(world,
		    "mkdir dist; perl -MIO::Socket::UNIX -e "
		    "'IO::Socket::UNIX->new(Local => \"dist/sock\", Listen => 1) or exit 1'",
		    TS_ERROR_REFUSED, "sock: ");
	build_fails(world, "ln -s /etc dist", TS_ERROR_REFUSED, "links are not followed");
	build_fails(world, "mkdir real; echo x >real/f; ln -s real dist", TS_ERROR_REFUSED,
		    "links are not followed");
	world->app->build_output_mb = 1;
	build_fails(world, "mkdir dist; head -c 1000001 /dev/zero >dist/big", TS_ERROR_REFUSED,
		    "larger than");
	/* an output behind a link of the source: nothing outside is emptied */
	world->app->build_output_mb = 10;
	g_assert_true(util_fs_mkdir(world->dirfd, "outside", 0755, NULL));
	g_assert_true(util_fs_mkdir(world->dirfd, "outside/dist", 0755, NULL));
	g_autofree char *target = g_strdup_printf("-> %s/outside", world->path);
	commit_files(world, "link", target, NULL);
	g_free(world->app->output);
	world->app->output = g_strdup("link/dist");
	build_fails(world, "true", TS_ERROR_REFUSED, "cannot be emptied");
	g_assert_cmpint(faccessat(world->dirfd, "outside/dist", F_OK, 0), ==, 0);
}

static void test_disk(World *world, gconstpointer data)
{
	(void)data;
	guint64 free_bytes = 0;
	gint64 start = g_get_monotonic_time();

	g_assert_true(util_fs_free_bytes(world->dirfd, &free_bytes, NULL));
	world->spec.min_free_bytes = free_bytes * 2;
	build_fails(world, "mkdir dist; echo x >dist/f", TS_ERROR_NO_SPACE,
		    "the disk is too full to build: ");
	g_autofree char *log = read_log(world);
	g_assert_null(strstr(log, "$ mkdir")); /* not even begun */
	/* it fills while building: in the workspace, and in /tmp, which is on the same disk */
	for (int i = 0; i < 2; i++) {
		const char *file = i == 0 ? "big" : "/tmp/big";
		g_autofree char *command = g_strdup_printf(
		    "fallocate -l 400M %s || head -c 400M /dev/zero >%s; sleep 30", file, file);

		g_assert_true(util_fs_free_bytes(world->dirfd, &free_bytes, NULL));
		world->spec.min_free_bytes = free_bytes - 150 * 1000000;
		build_fails(world, command, TS_ERROR_NO_SPACE,
			    "(min_free_mb); make room, then retry");
		g_assert_true(util_fs_remove_tree(world->dirfd, "state/work/shop", NULL));
	}
	g_assert_cmpint(g_get_monotonic_time() - start, <, 15 * G_USEC_PER_SEC);
}

static void test_memory(World *world, gconstpointer data)
{
	(void)data;
	const char *command = "mkdir dist; perl -e '$x = \"x\" x 200_000_000; print length $x' "
			      ">dist/f";

	world->app->build_memory_mb = 50;
	build_fails(world, command, TS_ERROR_FAILED, "the build command failed with exit");
	world->app->build_memory_mb = 1000;
	g_autoptr(BuildResult) result = build_ok(world, command);
	g_autofree char *text = output_text(result, "f");
	g_assert_cmpstr(text, ==, "200000000");
}

static struct timespec mtime_of(World *world, const char *path)
{
	struct stat st;

	g_assert_cmpint(fstatat(world->dirfd, path, &st, 0), ==, 0);
	return st.st_mtim;
}

static void assert_same_time(struct timespec a, struct timespec b)
{
	g_assert_cmpint(a.tv_sec, ==, b.tv_sec);
	g_assert_cmpint(a.tv_nsec, ==, b.tv_nsec);
}

#define RELEASE "state/work/shop/release/"

static void test_incremental(World *world, gconstpointer data)
{
	(void)data;
	const char *command = "mkdir dist; [ ! -e extra ] || cp extra dist; [ -e obj ] && "
			      "[ ! src -nt obj ] && echo kept >dist/how || "
			      "{ cp src obj; echo made >dist/how; }; cp obj dist";

	world->app->incremental = TRUE;
	commit_files(world, "src", "one\n", "extra", "x", NULL);
	g_autoptr(BuildResult) first = build_ok(world, command);
	g_autofree char *how = output_text(first, "how");
	struct timespec src = mtime_of(world, RELEASE "src");
	struct timespec obj = mtime_of(world, RELEASE "obj");
	g_assert_cmpstr(how, ==, "made\n");
	g_assert_nonnull(manifest_find(first->manifest, "extra"));

	/* the same source: nothing is touched; a file that left the source leaves the workspace,
	 * and what was in the output before does not stay */
	commit_files(world, "src", "one\n", NULL);
	g_autoptr(BuildResult) second = build_ok(world, command);
	g_autofree char *how2 = output_text(second, "how");
	g_assert_cmpstr(how2, ==, "kept\n");
	assert_same_time(src, mtime_of(world, RELEASE "src"));
	assert_same_time(obj, mtime_of(world, RELEASE "obj"));
	g_assert_null(manifest_find(second->manifest, "extra"));
	g_assert_cmpint(faccessat(world->dirfd, RELEASE "extra", F_OK, 0), ==, -1);

	/* changed source */
	commit_files(world, "src", "two\n", NULL);
	g_autoptr(BuildResult) third = build_ok(world, command);
	g_autofree char *how3 = output_text(third, "how");
	g_autofree char *text = output_text(third, "obj");
	g_assert_cmpstr(how3, ==, "made\n");
	g_assert_cmpstr(text, ==, "two\n");

	/* a failed or interrupted build is no obstacle */
	build_fails(world, "rm src; mkdir src; mkdir -p ro/x; chmod 0 ro; exit 1", TS_ERROR_FAILED,
		    "exit 1");
	g_autoptr(BuildResult) fourth = build_ok(world, command);
	g_assert_nonnull(manifest_find(fourth->manifest, "obj"));

	/* not incremental any more: made new */
	world->app->incremental = FALSE;
	g_autoptr(BuildResult) fifth = build_ok(world, command);
	g_autofree char *how5 = output_text(fifth, "how");
	g_assert_cmpstr(how5, ==, "made\n");
	g_assert_cmpint(faccessat(world->dirfd, RELEASE "ro", F_OK, 0), ==, -1);
}

static void test_apart(World *world, gconstpointer data)
{
	(void)data;
	const char *command =
	    "mkdir dist; ls -A >dist/ls; echo $TAGSHIP_VERSION >>dist/ls; touch "
	    "left-$TAGSHIP_VERSION .home/left-$TAGSHIP_VERSION; ls .home >dist/home";

	world->app->incremental = TRUE;
	g_autoptr(BuildResult) release = build_ok(world, command);
	world->spec.is_release = FALSE;
	world->spec.version = "main";
	g_autoptr(BuildResult) branch = build_ok(world, command);
	g_autofree char *ls = output_text(branch, "ls");
	g_autofree char *home = output_text(branch, "home");
	g_assert_cmpstr(ls, ==, ".home\ndist\nsrc\nmain\n");
	g_assert_cmpstr(home, ==, "left-main\n");
	g_assert_cmpstr(release->output_path, !=, branch->output_path);
	/* the first one still stands */
	g_assert_cmpint(faccessat(release->output_dirfd, "ls", F_OK, 0), ==, 0);
}

static void test_leftovers(World *world, gconstpointer data)
{
	(void)data;
	set_build(world, "mkdir dist; ls -A >dist/ls; ls -A /tmp >>dist/ls");
	/* what a crash in the middle may leave */
	g_assert_true(util_fs_mkdir_parents(world->dirfd, RELEASE "dist/ro/x", 0755, NULL));
	g_assert_true(
	    util_fs_mkdir_parents(world->dirfd, "state/work/shop/release.tmp/x", 0755, NULL));
	g_assert_cmpint(fchmodat(world->dirfd, RELEASE "dist/ro", 0, 0), ==, 0);
	g_assert_true(util_fs_write_file(world->dirfd, "state/work/shop/.tagship-checkout-release",
					 "damaged", 7, 0600, NULL));
	g_autoptr(BuildResult) result = build_ok(world, NULL);
	g_autofree char *ls = output_text(result, "ls");
	g_assert_cmpstr(ls, ==, ".home\ndist\nsrc\n");

	/* incremental: what cannot be used again is made new, and that is said */
	world->app->incremental = TRUE;
	g_autoptr(BuildResult) second = build_ok(world, "mkdir dist; touch dist/f left");
	g_assert_true(util_fs_write_file(world->dirfd, "state/work/shop/.tagship-checkout-release",
					 "damaged", 7, 0600, NULL));
	g_autoptr(BuildResult) third = build_ok(world, "mkdir dist; ls -A >dist/ls");
	g_autofree char *ls3 = output_text(third, "ls");
	g_autofree char *log = read_log(world);
	g_assert_cmpstr(ls3, ==, ".home\ndist\nsrc\n");
	g_assert_nonnull(strstr(log, "\nthe workspace could not be used again ("));
	/* a commit that is refused does not cost the workspace */
	g_autoptr(BuildResult) fourth = build_ok(world, "mkdir dist; touch dist/f left");
	commit_files(world, ".home", "x", NULL);
	build_fails(world, NULL, TS_ERROR_REFUSED, ".home");
	g_assert_cmpint(faccessat(world->dirfd, RELEASE "left", F_OK, 0), ==, 0);
}

static void test_no_bwrap(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *fake = g_build_filename(world->path, "bwrap", NULL);
	const char *script = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\n"
			     "exit 1\n";

	world->spec.bwrap_path = "/no/such/bwrap";
	build_fails(world, "mkdir dist; touch dist/f", TS_ERROR_REFUSED,
		    "bubblewrap cannot be run (");
	build_fails(world, NULL, TS_ERROR_REFUSED,
		    "install it (apt-get install bubblewrap), or write sandbox = \"none\"");
	g_assert_true(
	    util_fs_write_file(world->dirfd, "bwrap", script, strlen(script), 0755, NULL));
	world->spec.bwrap_path = fake;
	build_fails(
	    world, NULL, TS_ERROR_REFUSED,
	    "bubblewrap does not work here (bwrap: No permissions to create new namespace)");
	build_fails(world, NULL, TS_ERROR_REFUSED, "kernel.unprivileged_userns_clone=1");
	/* unconfined is only what the app says */
	g_free(world->app->sandbox);
	world->app->sandbox = g_strdup("none");
	g_autoptr(BuildResult) result = build_ok(world, NULL);
	g_assert_cmpuint(manifest_files(result->manifest), ==, 1);
	g_autoptr(GError) error = NULL;
	g_assert_true(build_sandbox_works(&error));
	g_assert_no_error(error);
}

static void test_unconfined(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *word = unique_sleep();
	g_autofree char *command = g_strdup_printf(
	    "mkdir dist; pwd >dist/pwd; env >dist/env; (trap '' TERM HUP; sleep %s; sleep %s) & "
	    "sleep 0.1",
	    word, word);
	g_autofree char *hang = g_strdup_printf("%s; sleep %s", command, word);
	g_autofree char *deaf = g_strdup_printf("trap '' TERM; sleep %s; sleep %s", word, word);
	g_autofree char *workspace = g_strdup_printf("%s/shop/release\n", world->work);
	g_autofree char *home = g_strdup_printf("HOME=%s/shop/release/.home\n", world->work);

	g_free(world->app->sandbox);
	world->app->sandbox = g_strdup("none");
	g_autoptr(BuildResult) result = build_ok(world, command);
	wait_gone(word); /* SIGKILL was sent, to all of the group at once */
	g_autofree char *pwd = output_text(result, "pwd");
	g_autofree char *env = output_text(result, "env");
	g_assert_cmpstr(pwd, ==, workspace);
	g_assert_nonnull(strstr(env, home));
	g_assert_null(strstr(env, "G_TEST_SRCDIR"));
	build_fails(world, "exit 7", TS_ERROR_FAILED, "failed with exit 7");
	build_fails(world, "kill -SEGV $$", TS_ERROR_FAILED, "ended by signal 11");
	/* what a crash left says nothing about this build */
	g_assert_true(util_fs_write_file(world->dirfd, "state/work/shop/release.status", "0\n", 2,
					 0600, NULL));
	build_fails(world, "kill -KILL 0", TS_ERROR_FAILED, "ended by signal 9");
	world->app->build_time_s = 1;
	build_fails(world, hang, TS_ERROR_FAILED, "took longer than 1 s");
	wait_gone(word);
	build_fails(world, deaf, TS_ERROR_FAILED, "took longer than 1 s");
	wait_gone(word);
}

static void test_tree_file(World *world, gconstpointer data)
{
	(void)data;
	g_autofree char *big = g_strnfill(70000, '\n');

	g_free(world->app->output);
	world->app->output = g_strdup(".");
	world->app->incremental = TRUE;
	commit_files(world, "tagship.cfg",
		     "build = \"mkdir out; echo tree >out/f\";output = \"out\";", NULL);
	g_autoptr(BuildResult) by_tree = build_ok(world, "");
	g_autofree char *text = output_text(by_tree, "f");
	g_assert_cmpstr(text, ==, "tree\n");
	/* the app's file goes first, each key for itself */
	g_autoptr(BuildResult) by_app = build_ok(world, "mkdir out; echo app >out/f");
	g_autofree char *text2 = output_text(by_app, "f");
	g_assert_cmpstr(text2, ==, "app\n");
	set_build(world, "");

	commit_files(world, "tagship.cfg", "@include \"/etc/passwd\"\n", NULL);
	build_fails(world, NULL, TS_ERROR_REFUSED,
		    "the source tree's tagship.cfg: tagship.cfg:1: @include is not allowed");
	commit_files(world, "tagship.cfg", "sandbox = \"none\";", NULL);
	build_fails(world, NULL, TS_ERROR_REFUSED, "sandbox: unknown key");
	commit_files(world, "tagship.cfg", "output = \"../../..\";", NULL);
	build_fails(world, NULL, TS_ERROR_REFUSED, "is not a plain path");
	commit_files(world, "tagship.cfg", "-> /etc/passwd", NULL);
	build_fails(world, NULL, TS_ERROR_REFUSED, "it must be a regular file of at most 64 KiB");
	commit_files(world, "tagship.cfg", big, NULL);
	build_fails(world, NULL, TS_ERROR_REFUSED, "it must be a regular file of at most 64 KiB");
	/* one that a build made says nothing about the next */
	commit_files(world, "page", "p", NULL);
	g_autoptr(BuildResult) made =
	    build_ok(world, "echo 'build = \"exit 9\";' >tagship.cfg; touch junk");
	g_autoptr(BuildResult) after = build_ok(world, "");
	g_assert_nonnull(manifest_find(after->manifest, "page"));
}

static void test_no_command(World *world, gconstpointer data)
{
	(void)data;
	g_free(world->app->output);
	world->app->output = g_strdup(".");
	commit_files(world, "index.html", "<p>", "app.js", ";", NULL);
	g_autoptr(BuildResult) result = build_ok(world, "");
	g_assert_cmpuint(manifest_count(result->manifest), ==, 2); /* no .home */
	g_assert_cmpint(result->wall_ms, ==, 0);
	g_autofree char *log = read_log(world);
	g_assert_nonnull(strstr(log, "no build command: the source tree is the web app"));
	/* a bwrap that is missing does not matter then */
	world->spec.bwrap_path = "/no/such";
	g_autoptr(BuildResult) again = build_ok(world, "");
	/* nothing is emptied when nothing is built */
	commit_files(world, ".home", "x", NULL);
	build_fails(world, NULL, TS_ERROR_REFUSED, "the source tree has .home at its top");
	commit_files(world, "a", "x", NULL);
	world->commit[0] = world->commit[0] == '0' ? '1' : '0';
	build_fails(world, NULL, TS_ERROR_NOT_FOUND, "");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(path, f) g_test_add("/build/" path, World, NULL, world_setup, f, world_teardown)
	ADD("success", test_success);
	ADD("failing", test_failing);
	ADD("hanging", test_hanging);
	ADD("children", test_children);
	ADD("confined", test_confined);
	ADD("hide", test_hide);
	ADD("network", test_network);
	ADD("bad-output", test_bad_output);
	ADD("disk", test_disk);
	ADD("memory", test_memory);
	ADD("incremental", test_incremental);
	ADD("apart", test_apart);
	ADD("leftovers", test_leftovers);
	ADD("no-bwrap", test_no_bwrap);
	ADD("unconfined", test_unconfined);
	ADD("tree-file", test_tree_file);
	ADD("no-command", test_no_command);
	return g_test_run();
}
