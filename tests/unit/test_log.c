#include "core/io.h"
#include "core/log.h"
#include "test_main.h"
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], file_path[128], target[160], blackbox_path[128];
static char contents[4 * 1024 * 1024];

static struct log_options
options(void)
{
    return (struct log_options){ .ident = "bridgehead-test/unit",
        .to = target,
        .level = LOG_LEVEL_DEBUG,
        .blackbox_path = blackbox_path };
}

static void
open_log(const struct log_options *o)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/test_log.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(file_path, sizeof(file_path), "%s/log", dir);
    (void)snprintf(target, sizeof(target), "file:%s", file_path);
    (void)snprintf(blackbox_path, sizeof(blackbox_path), "%s/blackbox", dir);
    CU_ASSERT_EQUAL_FATAL(log_open(o), 0);
}

static void
read_log(const char *path)
{
    size_t n = 0;

    CU_ASSERT_EQUAL_FATAL(io_read_file(path, contents, sizeof(contents) - 1, &n), 0);
    contents[n] = '\0';
}

static void
close_log(void)
{
    log_close();
    (void)!io_unlink(blackbox_path);
    (void)!io_unlink(file_path);
    rmdir(dir);
}

static size_t
count_of(const char *word)
{
    size_t count = 0;

    for (const char *at = strstr(contents, word); at != NULL; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

static void
a_line_has_number_name_and_typed_fields(void)
{
    struct log_options o = options();

    open_log(&o);
    log_event(EV_APP_STARTED);
    log_event(EV_APP_STARTED, LF_ID("id", 0x30000000001), LF_INT("code", -550),
        LF_UINT("n", UINT64_MAX), LF_MS("wait", 61005), LF_ERR("error", -EIO),
        LF_ERR("why", BH_EFENCED));
    read_log(file_path);
    CU_ASSERT_PTR_NOT_NULL(strstr(contents, "Z info 1000 app.started\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(contents,
        " 1000 app.started id=30000000001 code=-550 n=18446744073709551615 wait=61.005 "
        "error=\"Input/output error\" why=\"ownership of the store was lost\"\n"));
    close_log();
}

static void
text_of_a_peer_cannot_end_line_or_quotes(void)
{
    struct log_options o = options();

    open_log(&o);
    log_event(EV_APP_STARTED,
        LF_SLICE("rcpt", SLICE_LIT("a\"b\\c\r\n1000 app.started\t\0\x7f\xc3\xa4 %s")),
        LF_SLICE("none", SLICE_NONE), LF_STR("null", NULL));
    read_log(file_path);
    CU_ASSERT_PTR_NOT_NULL(strstr(contents,
        " rcpt=\"a\\\"b\\\\c\\x0d\\x0a1000 app.started\\x09\\x00\\x7f\\xc3\\xa4 %s\" "
        "none=\"\" null=\"\"\n"));
    CU_ASSERT_EQUAL(count_of("\n"), 1);
    close_log();
}

static void
a_line_too_long_is_cut_and_says_so(void)
{
    static char much[5000];
    struct log_options o = options();

    memset(much, 'x', sizeof(much));
    open_log(&o);
    log_event(EV_APP_STARTED, LF_SLICE("much", ((struct slice){ much, sizeof(much) })));
    log_event(EV_APP_STOPPED);
    read_log(file_path);
    CU_ASSERT_PTR_NOT_NULL(strstr(contents, "xxx...\n"));
    CU_ASSERT_TRUE(strcspn(contents, "\n") > 1000 && strcspn(contents, "\n") < 1100);
    CU_ASSERT_PTR_NOT_NULL(strstr(contents, " 1001 app.stopped\n"));
    close_log();
}

static void
a_level_that_is_off_leaves_no_trace(void)
{
    struct log_options o = options();

    o.level = LOG_LEVEL_INFO;
    open_log(&o);
    log_event(EV_SMTP_CONNECTED);
    log_event(EV_APP_STARTED);
    read_log(file_path);
    CU_ASSERT_EQUAL(count_of("\n"), 1);
    o.level = LOG_LEVEL_DEBUG;
    CU_ASSERT_EQUAL(log_reopen(&o), 0);
    log_event(EV_SMTP_CONNECTED);
    read_log(file_path);
    CU_ASSERT_PTR_NOT_NULL(strstr(contents, "Z debug 1200 smtp.in.connected\n"));
    close_log();
}

static void
a_reload_can_move_the_log_and_a_bad_target_changes_nothing(void)
{
    char second[160], to[200];
    struct log_options o = options();

    open_log(&o);
    log_event(EV_APP_STARTED);
    o.to = "file:/nonexistent/dir/log";
    CU_ASSERT_TRUE(log_reopen(&o) < 0);
    o.to = "smoke-signals";
    CU_ASSERT_EQUAL(log_reopen(&o), -EINVAL);
    CU_ASSERT_EQUAL(log_reopen(&o), -EINVAL); /* still bad the second time */
    log_event(EV_APP_STARTED);
    (void)snprintf(second, sizeof(second), "%s/second", dir);
    (void)snprintf(to, sizeof(to), "file:%s", second);
    o.to = to;
    CU_ASSERT_EQUAL(log_reopen(&o), 0);
    log_event(EV_APP_STOPPED);
    read_log(file_path);
    CU_ASSERT_EQUAL(count_of("app.started"), 2);
    CU_ASSERT_EQUAL(count_of("app.stopped"), 0);
    read_log(second);
    CU_ASSERT_EQUAL(count_of("app.stopped"), 1);
    CU_ASSERT_EQUAL(io_unlink(second), 0);
    close_log();
}

/* Rotated: renamed, and a reload. */
static void
a_reload_opens_a_rotated_file_anew(void)
{
    char old[160];
    struct log_options o = options();
    struct stat st;

    open_log(&o);
    log_event(EV_APP_STARTED);
    (void)snprintf(old, sizeof(old), "%s.1", file_path);
    CU_ASSERT_EQUAL(rename(file_path, old), 0);
    CU_ASSERT_EQUAL(log_reopen(&o), 0);
    log_event(EV_APP_STOPPED);
    read_log(old);
    CU_ASSERT_EQUAL(count_of("app.stopped"), 0);
    read_log(file_path);
    CU_ASSERT_EQUAL(count_of("app.stopped"), 1);
    CU_ASSERT_EQUAL(stat(file_path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0007, 0); /* addresses are nobody else's business */
    CU_ASSERT_EQUAL(io_unlink(old), 0);
    close_log();
}

static void
a_link_does_not_lead_the_log_elsewhere(void)
{
    char other[160];
    struct log_options o = options();

    open_log(&o);
    (void)snprintf(other, sizeof(other), "%s/other", dir);
    CU_ASSERT_EQUAL(io_unlink(file_path), 0);
    CU_ASSERT_EQUAL(symlink(other, file_path), 0);
    CU_ASSERT_EQUAL(log_reopen(&o), -ELOOP);
    CU_ASSERT_TRUE(access(other, F_OK) < 0);
    close_log();
}

#define LINES_EACH   20000
#define THREAD_COUNT 3

static void *
chatter(void *arg)
{
    for (int i = 0; i < LINES_EACH; i++) {
        log_event(EV_APP_STARTED, LF_INT("thread", *(int *)arg), LF_INT("i", i));
    }
    return NULL;
}

/* Each line is in the file once and whole, or was counted as dropped. */
static void
many_threads_lose_nothing_that_is_not_counted(void)
{
    static char text[16 * 1024 * 1024];
    struct log_options o = options();
    pthread_t threads[THREAD_COUNT];
    int numbers[THREAD_COUNT];
    size_t n, written = 0, dropped = 0;

    o.threaded = true;
    open_log(&o);
    for (int i = 0; i < THREAD_COUNT; i++) {
        numbers[i] = i;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, chatter, &numbers[i]), 0);
    }
    for (int i = 0; i < THREAD_COUNT; i++) {
        pthread_join(threads[i], NULL);
    }
    log_close();
    CU_ASSERT_EQUAL_FATAL(io_read_file(file_path, text, sizeof(text) - 1, &n), 0);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        const char *lines = strstr(line, "log.dropped lines=");

        if (lines != NULL) {
            dropped += (size_t)strtoul(strchr(lines, '=') + 1, NULL, 10);
        } else {
            CU_ASSERT_PTR_NOT_NULL(strstr(line, " 1000 app.started thread="));
            written++;
        }
    }
    CU_ASSERT_EQUAL(written + dropped, (size_t)THREAD_COUNT * LINES_EACH);
    close_log();
}

struct seen {
    size_t count, stop_after;
    uint64_t first, last;
    bool in_order;
};

static bool
see(void *ctx, uint64_t seq, uint64_t wall_ms, enum bridgehead_event event, struct slice text)
{
    struct seen *seen = ctx;

    CU_ASSERT_TRUE(wall_ms > 0 && event == EV_APP_STOPPED);
    CU_ASSERT_TRUE(slice_starts(text, SLICE_LIT("1001 app.stopped i=")));
    seen->in_order = seen->count == 0 ? true : seen->in_order && seq == seen->last + 1;
    seen->first = seen->count == 0 ? seq : seen->first;
    seen->last = seq;
    seen->count++;
    log_event(EV_SMTP_CONNECTED); /* allowed, and off */
    return seen->count != seen->stop_after;
}

static void
the_newest_events_can_be_read_again(void)
{
    struct log_options o = options();
    struct seen all = { 0 }, later = { 0 }, two = { .stop_after = 2 };

    o.level = LOG_LEVEL_INFO;
    open_log(&o);
    for (int i = 0; i < 3000; i++) {
        log_event(EV_APP_STOPPED, LF_INT("i", i));
    }
    log_recent(0, see, &all);
    CU_ASSERT_TRUE(all.count >= 1000 && all.in_order);
    log_recent(all.last - 10, see, &later);
    CU_ASSERT_EQUAL(later.count, 10);
    CU_ASSERT_EQUAL(later.last, all.last);
    log_recent(0, see, &two);
    CU_ASSERT_EQUAL(two.count, 2);
    log_recent(all.last, see, &later);
    CU_ASSERT_EQUAL(later.count, 10);
    close_log();
}

static void
print_to(const char *path, const char *blackbox)
{
    int saved = dup(STDOUT_FILENO);

    fflush(stdout);
    CU_ASSERT_PTR_NOT_NULL_FATAL(freopen(path, "w", stdout));
    CU_ASSERT_EQUAL(log_print_blackbox(blackbox), 0);
    fflush(stdout);
    (void)!dup2(saved, STDOUT_FILENO);
    close(saved);
}

static size_t
blackboxes_in_memory(void)
{
    DIR *shm = opendir("/dev/shm");
    struct dirent *entry;
    char mine[64];
    size_t count = 0;

    (void)snprintf(mine, sizeof(mine), "-%d-", (int)getpid());
    for (entry = shm ? readdir(shm) : NULL; entry != NULL; entry = readdir(shm)) {
        count += strstr(entry->d_name, mine) != NULL;
    }
    if (shm != NULL) {
        closedir(shm);
    }
    return count;
}

static void
the_flight_recorder_is_dumped_and_printed(void)
{
    static char much[900];
    char printed[160];
    struct log_options o = options();

    memset(much, 'y', sizeof(much));
    open_log(&o);
    CU_ASSERT_EQUAL(blackboxes_in_memory(), 0); /* nothing there that a SIGKILL would leave */
    CU_ASSERT_EQUAL(log_dump_blackbox(), 0);    /* empty, and overwritten below */
    log_event(EV_APP_STARTED, LF_STR("percent", "%s%n"));
    log_event(EV_APP_STARTED, LF_SLICE("much", ((struct slice){ much, sizeof(much) })));
    log_event(EV_APP_STOPPED);
    CU_ASSERT_EQUAL(log_dump_blackbox(), 0);
    log_close();
    (void)snprintf(printed, sizeof(printed), "%s/printed", dir);
    print_to(printed, blackbox_path);
    read_log(printed);
    CU_ASSERT_PTR_NOT_NULL(strstr(contents, "1000 app.started percent=\"%s%n\"\n"));
    CU_ASSERT_EQUAL(count_of("yyy\n"), 1); /* cut: see log.c */
    CU_ASSERT_PTR_NOT_NULL(strstr(contents, "1001 app.stopped\n"));
    CU_ASSERT_EQUAL(io_unlink(printed), 0);
    CU_ASSERT_TRUE(log_print_blackbox("/nonexistent") < 0);
    close_log();
}

static void
a_failed_check_leaves_a_dump_with_the_last_line(void)
{
    char printed[160];
    pid_t pid;

    open_log(&(struct log_options){ .ident = "x", .to = "stderr" }); /* for the directory */
    log_close();
    fflush(stdout); /* or the child writes it again */
    pid = fork();
    CU_ASSERT_TRUE_FATAL(pid >= 0);
    if (pid == 0) {
        struct log_options o = options();

        o.threaded = true;
        (void)!freopen("/dev/null", "w", stderr);
        (void)!freopen("/dev/null", "w", stdout);
        if (log_open(&o) == 0) {
            log_event(EV_APP_STARTED, LF_STR("last", "words"));
            CHECK(pid != 0);
        }
        _exit(0);
    }
    CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
    (void)snprintf(printed, sizeof(printed), "%s/printed", dir);
    print_to(printed, blackbox_path);
    read_log(printed);
    CU_ASSERT_PTR_NOT_NULL(strstr(contents, "1000 app.started last=\"words\"\n"));
    CU_ASSERT_EQUAL(io_unlink(printed), 0);
    close_log();
}

static void
text_for_a_field_is_bounded(void)
{
    char out[LOG_TEXT_CAP];

    CU_ASSERT_TRUE(slice_eq(log_text(out, "%d-%s", 5, "x"), SLICE_LIT("5-x")));
    CU_ASSERT_EQUAL(log_text(out, "%0500d", 1).n, LOG_TEXT_CAP - 1);
}

TEST_MAIN("log", TEST(a_line_has_number_name_and_typed_fields),
    TEST(text_of_a_peer_cannot_end_line_or_quotes), TEST(a_line_too_long_is_cut_and_says_so),
    TEST(a_level_that_is_off_leaves_no_trace),
    TEST(a_reload_can_move_the_log_and_a_bad_target_changes_nothing),
    TEST(a_reload_opens_a_rotated_file_anew), TEST(a_link_does_not_lead_the_log_elsewhere),
    TEST(many_threads_lose_nothing_that_is_not_counted), TEST(the_newest_events_can_be_read_again),
    TEST(the_flight_recorder_is_dumped_and_printed),
    TEST(a_failed_check_leaves_a_dump_with_the_last_line), TEST(text_for_a_field_is_bounded))
