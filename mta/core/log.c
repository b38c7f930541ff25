/* Invariants
 *  1 No caller of log_event waits for a disk, syslog or a terminal: it copies a finished line into
 *    `pending` under `lock`, which is never held across a write.
 *  2 qblog is not thread safe (its own thread crashed in a test of 300,000 lines), so it is called
 *    only under `writer`, by the log thread or by a command that logs without one.
 *  3 Where both locks are held, `writer` is taken first.
 *  4 Lines of libqb itself never reach a target: the filters name our one file name.
 */
#include "core/log.h"
#include "core/id.h"
#include "core/io.h"
#include "core/ticks.h"
#include <fcntl.h>
#include <pthread.h>
#include <qb/qblog.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX    1024      /* a longer line is cut: addresses and replies fit */
#define PENDING_BYTES_MAX (1 * MIB) /* some 5,000 lines while a target stalls */
/* Errors and warnings may use this much more before they are dropped too. */
#define PENDING_RESERVE_BYTES (256 * KIB)
#define RECENT_COUNT          1024
#define LOG_FILE_MODE         0640 /* it names senders and recipients */
#define GATHER_MS             4 /* the log thread is woken once in so long, however many lines come */
#define BLACKBOX_BYTES        (256 * 1024)
/* qblog's reader of a dump takes records of 512 bytes and ends at a longer one. */
#define BLACKBOX_LINE_MAX 440
#define DUMP_WAIT_S       1 /* a dump after a failed CHECK waits so long for a stuck writer */
#define QBLOG_TRIES       1000
#define EVENT_FIRST       1000
#define EVENT_END         2200

/* The file name of all our call sites, for the filters. Static, like all texts given to qblog:
 * it keeps the pointers. */
static const char target_site_file[] = "bridgehead-event";
static const char blackbox_site_file[] = "bridgehead-flight";
static const char both_site_files[] = "bridgehead-event,bridgehead-flight";

static const struct event_row {
    const char *name;
    enum log_level level;
} event_rows[EVENT_END - EVENT_FIRST] = {
#define ROW(symbol, number, name, level, what, cure)                                               \
    [(number)-EVENT_FIRST] = { name, LOG_LEVEL_##level },
    BRIDGEHEAD_EVENTS(ROW)
#undef ROW
};

static const uint8_t priorities[] = {
    [LOG_LEVEL_ERROR] = LOG_ERR,
    [LOG_LEVEL_WARN] = LOG_WARNING,
    [LOG_LEVEL_INFO] = LOG_INFO,
    [LOG_LEVEL_DEBUG] = LOG_DEBUG,
};

/* A line on its way; `bytes` of text follow the struct. */
struct line {
    uint64_t wall_ms;
    uint32_t bytes;
    uint32_t level;
};

struct queue {
    char *base;
    size_t used, capacity;
};

struct recent {
    uint64_t wall_ms;
    enum bridgehead_event event;
    uint32_t bytes;
    char text[LINE_BYTES_MAX];
};

static struct log {
    atomic_int level;

    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct queue pending;
    bool sleeping; /* the log thread waits on `filled`: the next line wakes it, once */
    bool stop;
    uint64_t dropped;
    uint64_t seq;          /* of the newest recent event */
    struct recent *recent; /* RECENT_COUNT slots, seq modulo */

    pthread_mutex_t writer;
    struct queue batch;
    struct qb_log_callsite *target_sites[ARRAY_LEN(priorities)];
    struct qb_log_callsite *blackbox_sites[ARRAY_LEN(priorities)];
    int32_t target, witness_target;
    bool witnessed;                  /* by our own target: qblog took the line */
    bool is_open, threaded, stamped; /* stamped: the target wants our time in the line */
    char to[512], ident[128], blackbox_path[512];
    pthread_t thread;
} logger = {
    .level = LOG_LEVEL_INFO,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .filled = PTHREAD_COND_INITIALIZER,
    .writer = PTHREAD_MUTEX_INITIALIZER,
    .target = -1,
    .witness_target = -1,
};

/* ---- formatting: into a fixed line, cut at its end ---- */

struct text {
    char *base;
    size_t used, cap;
};

static void
put_bytes(struct text *t, const char *p, size_t n)
{
    n = MIN(n, t->cap - t->used);
    if (n > 0) {
        memcpy(t->base + t->used, p, n);
        t->used += n;
    }
}

static void PRINTF(2, 3) put_format(struct text *t, const char *fmt, ...)
{
    char small[64];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    put_bytes(t, small, n > 0 ? MIN((size_t)n, sizeof(small) - 1) : 0);
}

/* What a peer sent must neither end the line, nor the quotes, nor play with a terminal. */
static void
put_quoted(struct text *t, struct slice s)
{
    static const char hex[] = "0123456789abcdef";

    put_bytes(t, "\"", 1);
    for (size_t i = 0; i < s.n && t->used < t->cap; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\') {
            put_bytes(t, (char[]){ '\\', (char)c }, 2);
        } else if (c < ' ' || c > '~') {
            put_bytes(t, (char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4);
        } else {
            put_bytes(t, (char[]){ (char)c }, 1);
        }
    }
    put_bytes(t, "\"", 1);
}

static void
put_field(struct text *t, const struct log_field *f)
{
    char id[ID_TEXT_CAP];

    put_bytes(t, " ", 1);
    put_bytes(t, f->key, strlen(f->key));
    put_bytes(t, "=", 1);
    switch (f->kind) {
    case LF_KIND_INT:
        put_format(t, "%lld", (long long)f->v.i);
        break;
    case LF_KIND_UINT:
        put_format(t, "%llu", (unsigned long long)f->v.u);
        break;
    case LF_KIND_ID:
        id_text(f->v.u, id);
        put_bytes(t, id, strlen(id));
        break;
    case LF_KIND_SLICE:
        put_quoted(t, f->v.s);
        break;
    case LF_KIND_ERR:
        put_quoted(t, slice_of(error_text((int)f->v.i)));
        break;
    case LF_KIND_MS:
        put_format(t, "%llu.%03u", (unsigned long long)(f->v.u / 1000), (unsigned)(f->v.u % 1000));
        break;
    }
}

static const struct event_row *
row_of(enum bridgehead_event event)
{
    unsigned at = (unsigned)event - EVENT_FIRST;

    CHECK(at < ARRAY_LEN(event_rows) && event_rows[at].name != NULL);
    return &event_rows[at];
}

static size_t
format_line(char out[LINE_BYTES_MAX], enum bridgehead_event event, const struct log_field *fields)
{
    struct text t = { out, 0, LINE_BYTES_MAX - 4 }; /* room to show that it was cut */

    put_format(&t, "%d ", (int)event);
    put_bytes(&t, row_of(event)->name, strlen(row_of(event)->name));
    for (; fields->key != NULL; fields++) {
        put_field(&t, fields);
    }
    if (t.used == t.cap) {
        t.cap = LINE_BYTES_MAX - 1;
        put_bytes(&t, "...", 3);
    }
    out[t.used] = '\0';
    return t.used;
}

struct slice
log_text(char out[LOG_TEXT_CAP], const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(out, LOG_TEXT_CAP, fmt, ap);
    va_end(ap);
    return (struct slice){ out, n > 0 ? MIN((size_t)n, (size_t)LOG_TEXT_CAP - 1) : 0 };
}

/* ---- writing, under `writer` ---- */

/* qblog drops a call that meets one of another thread (libqb logs its own doings from whatever
 * thread uses it): our witness target tells, and the line is given again. */
static void
give(struct qb_log_callsite *site, const char *text)
{
    logger.witnessed = false;
    for (int tries = 0; !logger.witnessed && tries < QBLOG_TRIES; tries++) {
        qb_log_real_(site, text);
    }
}

static void
witness(int32_t target, struct qb_log_callsite *site, struct timespec *when, const char *text)
{
    (void)target;
    (void)site;
    (void)when;
    (void)text;
    logger.witnessed = true;
}

static void
write_line(const struct line *line, const char *text)
{
    char stamped[TICKS_RFC3339_CAP + 8 + LINE_BYTES_MAX];
    char when[TICKS_RFC3339_CAP];

    if (logger.blackbox_path[0] != '\0') {
        (void)snprintf(stamped, BLACKBOX_LINE_MAX, "%s", text);
        give(logger.blackbox_sites[line->level], stamped);
    }
    if (logger.stamped) {
        static const char names[][6] = { "error", "warn", "info", "debug" };

        /* qblog would take the time of writing; ours is the time of the event */
        ticks_rfc3339(line->wall_ms, when);
        (void)snprintf(stamped, sizeof(stamped), "%s %s %s", when, names[line->level], text);
        text = stamped;
    }
    give(logger.target_sites[line->level], text);
}

static void
write_dropped(uint64_t count)
{
    char text[LINE_BYTES_MAX];
    struct log_field fields[] = { LF_UINT("lines", count), { NULL, LF_KIND_INT, { 0 } } };
    struct line line = { ticks_wall_ms(), 0, LOG_LEVEL_WARN };

    line.bytes = (uint32_t)format_line(text, EV_LOG_DROPPED, fields);
    write_line(&line, text);
}

static void
write_batch(struct queue *q)
{
    size_t at = 0;

    while (at < q->used) {
        struct line line;

        memcpy(&line, q->base + at, sizeof(line));
        write_line(&line, q->base + at + sizeof(line));
        at += sizeof(line) + line.bytes + 1;
    }
    q->used = 0;
}

/* Swap the two queues and write what was pending. Caller holds `writer`. */
static void
drain(void)
{
    struct queue swap;
    uint64_t dropped;

    pthread_mutex_lock(&logger.lock);
    swap = logger.pending;
    logger.pending = logger.batch;
    logger.batch = swap;
    dropped = logger.dropped;
    logger.dropped = 0;
    pthread_mutex_unlock(&logger.lock);
    write_batch(&logger.batch);
    if (dropped > 0) {
        write_dropped(dropped);
    }
}

/* With the lock. One wake-up for many lines: while we are here only the end is signalled, which
 * must not wait, as a failover waits for it. */
static void
gather(void)
{
    const struct timespec until = ticks_until(GATHER_MS * UINT64_C(1000000));
    int rc = 0;

    while (!logger.stop && rc == 0) {
        rc = pthread_cond_clockwait(&logger.filled, &logger.lock, CLOCK_MONOTONIC, &until);
    }
}

static void *
log_thread(void *unused)
{
    bool stop = false;

    (void)unused;
    while (!stop) {
        pthread_mutex_lock(&logger.lock);
        while (logger.pending.used == 0 && !logger.stop) {
            logger.sleeping = true;
            pthread_cond_wait(&logger.filled, &logger.lock);
        }
        logger.sleeping = false;
        gather();
        stop = logger.stop;
        pthread_mutex_unlock(&logger.lock);
        pthread_mutex_lock(&logger.writer);
        drain();
        pthread_mutex_unlock(&logger.writer);
    }
    return NULL;
}

/* ---- the way in ---- */

static bool
queue_append(struct queue *q, const struct line *line, const char *text, size_t limit)
{
    size_t need = sizeof(*line) + line->bytes + 1;

    if (q->used + need > limit) {
        return false;
    }
    if (q->used + need > q->capacity) {
        size_t capacity = MAX(q->capacity * 2, (size_t)(64 * KIB));
        char *base = realloc(q->base, capacity);

        if (base == NULL) {
            return false;
        }
        q->base = base;
        q->capacity = capacity;
    }
    memcpy(q->base + q->used, line, sizeof(*line));
    memcpy(q->base + q->used + sizeof(*line), text, line->bytes + 1);
    q->used += need;
    return true;
}

static void
remember(enum bridgehead_event event, const struct line *line, const char *text)
{
    struct recent *slot;

    if (logger.recent == NULL) {
        /* Pages are touched as events come: an idle command pays for one. */
        logger.recent = calloc(RECENT_COUNT, sizeof(*logger.recent));
        if (logger.recent == NULL) {
            return;
        }
    }
    slot = &logger.recent[++logger.seq % RECENT_COUNT];
    slot->wall_ms = line->wall_ms;
    slot->event = event;
    slot->bytes = line->bytes;
    memcpy(slot->text, text, line->bytes + 1);
}

void
log_event_fields(enum bridgehead_event event, const struct log_field *fields)
{
    enum log_level level = row_of(event)->level;
    char text[LINE_BYTES_MAX];
    struct line line;
    size_t limit = PENDING_BYTES_MAX;
    bool wake = false, at_once;

    if ((int)level > atomic_load_explicit(&logger.level, memory_order_relaxed)) {
        return;
    }
    line = (struct line){ ticks_wall_ms(), (uint32_t)format_line(text, event, fields), level };
    limit += level <= LOG_LEVEL_WARN ? PENDING_RESERVE_BYTES : 0;
    pthread_mutex_lock(&logger.lock);
    remember(event, &line, text);
    at_once = logger.is_open && !logger.threaded;
    if (logger.is_open) {
        if (!queue_append(&logger.pending, &line, text, limit)) {
            logger.dropped++;
        }
        wake = logger.sleeping;
        logger.sleeping = false;
    }
    pthread_mutex_unlock(&logger.lock);
    if (wake) {
        pthread_cond_signal(&logger.filled);
    }
    if (at_once) {
        pthread_mutex_lock(&logger.writer);
        drain();
        pthread_mutex_unlock(&logger.writer);
    }
}

/* ---- opening and closing, under `writer` ---- */

/* Root opens it, in a directory that may be the server's account's: a link there must not lead root
 * to another file. */
static int
open_file(const char *path, int32_t *target)
{
    char by_fd[64];
    int fd = io_open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, LOG_FILE_MODE);

    if (fd < 0) {
        return fd;
    }
    (void)snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
    *target = qb_log_file_open(by_fd);
    io_close(&fd);
    return *target < 0 ? *target : 0;
}

static int
open_target(const char *to, int32_t *target, bool *stamped)
{
    struct slice path = slice_of(to);

    *stamped = true;
    if (strcmp(to, "syslog") == 0) {
        *target = QB_LOG_SYSLOG;
        *stamped = false; /* syslogd has a clock */
    } else if (strcmp(to, "stderr") == 0) {
        *target = QB_LOG_STDERR;
    } else if (slice_starts(path, SLICE_LIT("file:"))) {
        return open_file(slice_skip(path, 5).p, target);
    } else {
        return -EINVAL;
    }
    return 0;
}

static void
enable_target(int32_t target, const char *site_file)
{
    (void)qb_log_filter_ctl(target, QB_LOG_FILTER_CLEAR_ALL, QB_LOG_FILTER_FILE, "*", LOG_TRACE);
    (void)qb_log_filter_ctl(target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, site_file, LOG_DEBUG);
    if (target != QB_LOG_BLACKBOX) {
        qb_log_format_set(target, "%b");
        (void)qb_log_ctl(target, QB_LOG_CONF_MAX_LINE_LEN, 2 * LINE_BYTES_MAX);
    }
    (void)qb_log_ctl(target, QB_LOG_CONF_ENABLED, QB_TRUE);
}

static void
close_target(int32_t target)
{
    if (target < 0) {
        return;
    }
    /* qb_log_fini forgets the filters of targets made at run time */
    (void)qb_log_filter_ctl(target, QB_LOG_FILTER_CLEAR_ALL, QB_LOG_FILTER_FILE, "*", LOG_TRACE);
    if (target == logger.witness_target) {
        qb_log_custom_close(target);
    } else if (target >= QB_LOG_TARGET_DYNAMIC_START) {
        qb_log_file_close(target);
    } else {
        (void)qb_log_ctl(target, QB_LOG_CONF_ENABLED, QB_FALSE);
    }
}

static int
switch_target(const char *to)
{
    int32_t target = -1, old = logger.target;
    bool stamped;
    int rc;

    if (old >= 0 && old < QB_LOG_TARGET_DYNAMIC_START && strcmp(to, logger.to) == 0) {
        return 0; /* but a file of the same name may be another by now: it was rotated */
    }
    rc = strlen(to) < sizeof(logger.to) ? open_target(to, &target, &stamped) : -ENAMETOOLONG;
    if (rc < 0) {
        return rc;
    }
    (void)snprintf(logger.to, sizeof(logger.to), "%s", to);
    enable_target(target, target_site_file);
    logger.target = target;
    logger.stamped = stamped;
    if (old != target) {
        close_target(old);
    }
    return 0;
}

/* The ring stays mapped; without its names in /dev/shm a SIGKILL leaves nothing behind there. */
static void
hide_blackbox(const char *name)
{
    static const char *const parts[] = { "header", "data" };
    char path[256];

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        (void)snprintf(
            path, sizeof(path), "/dev/shm/qb-%s-%d-blackbox-%s", name, (int)getpid(), parts[i]);
        (void)!io_unlink(path);
    }
}

static void
start_qblog(const struct log_options *o)
{
    /* The name becomes part of the blackbox's file in /dev/shm: no slash. */
    static char name[sizeof(logger.ident)];

    (void)snprintf(logger.ident, sizeof(logger.ident), "%s", o->ident);
    (void)snprintf(name, sizeof(name), "%s", o->ident);
    for (char *p = name; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '-';
        }
    }
    qb_log_init(name, LOG_MAIL, LOG_DEBUG);
    (void)qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);
    (void)qb_log_ctl2(QB_LOG_SYSLOG, QB_LOG_CONF_IDENT, QB_LOG_CTL2_S(logger.ident));
    for (uint32_t level = 0; level < ARRAY_LEN(priorities); level++) {
        logger.target_sites[level] =
            qb_log_callsite_get("event", target_site_file, "%s", priorities[level], level + 1, 0);
        logger.blackbox_sites[level] = qb_log_callsite_get(
            "event", blackbox_site_file, "%s", priorities[level], level + 11, 0);
    }
    logger.witness_target = qb_log_custom_open(witness, NULL, NULL, NULL);
    enable_target(logger.witness_target, both_site_files);
    logger.blackbox_path[0] = '\0';
    if (o->blackbox_path != NULL && slice_copy(slice_of(o->blackbox_path), logger.blackbox_path,
                                        sizeof(logger.blackbox_path)) == 0) {
        (void)qb_log_ctl(QB_LOG_BLACKBOX, QB_LOG_CONF_SIZE, BLACKBOX_BYTES);
        enable_target(QB_LOG_BLACKBOX, blackbox_site_file);
        hide_blackbox(name);
    }
}

static void
stop_qblog(void)
{
    close_target(logger.target);
    close_target(logger.witness_target);
    logger.target = -1;
    logger.witness_target = -1;
    qb_log_fini();
}

static int
start_thread(void)
{
    sigset_t all, before;
    int rc;

    /* Signals are the loop's; this thread must not swallow one. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    logger.stop = false;
    rc = -pthread_create(&logger.thread, NULL, log_thread, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static void
set_open(bool is_open, bool threaded)
{
    pthread_mutex_lock(&logger.lock);
    logger.is_open = is_open;
    logger.threaded = threaded;
    pthread_mutex_unlock(&logger.lock);
}

int
log_open(const struct log_options *o)
{
    int rc;

    CHECK(!logger.is_open);
    pthread_mutex_lock(&logger.writer);
    start_qblog(o);
    rc = switch_target(o->to);
    if (rc == 0 && o->threaded) {
        rc = start_thread();
    }
    if (rc < 0) {
        stop_qblog();
    }
    pthread_mutex_unlock(&logger.writer);
    if (rc == 0) {
        atomic_store(&logger.level, (int)o->level);
        set_open(true, o->threaded);
    }
    return rc;
}

int
log_reopen(const struct log_options *o)
{
    int rc;

    CHECK(logger.is_open);
    atomic_store(&logger.level, (int)o->level);
    pthread_mutex_lock(&logger.writer);
    drain(); /* what came before the reload belongs in the old target */
    rc = switch_target(o->to);
    pthread_mutex_unlock(&logger.writer);
    return rc;
}

void
log_close(void)
{
    bool threaded = logger.threaded;

    if (!logger.is_open) {
        return;
    }
    set_open(false, false);
    if (threaded) {
        pthread_mutex_lock(&logger.lock);
        logger.stop = true;
        pthread_mutex_unlock(&logger.lock);
        pthread_cond_signal(&logger.filled);
        pthread_join(logger.thread, NULL);
    }
    pthread_mutex_lock(&logger.writer);
    drain();
    stop_qblog();
    free(logger.batch.base);
    logger.batch = (struct queue){ 0 };
    pthread_mutex_unlock(&logger.writer);
    pthread_mutex_lock(&logger.lock);
    free(logger.pending.base);
    logger.pending = (struct queue){ 0 };
    pthread_mutex_unlock(&logger.lock);
}

/* ---- looking back ---- */

static bool
copy_recent(uint64_t *seq, struct recent *out)
{
    bool found = false;
    uint64_t oldest;

    pthread_mutex_lock(&logger.lock);
    oldest = logger.seq > RECENT_COUNT ? logger.seq - RECENT_COUNT + 1 : 1;
    *seq = MAX(*seq, oldest);
    if (logger.recent != NULL && *seq <= logger.seq) {
        *out = logger.recent[*seq % RECENT_COUNT];
        found = true;
    }
    pthread_mutex_unlock(&logger.lock);
    return found;
}

void
log_recent(uint64_t since_seq, log_each_fn *each, void *ctx)
{
    struct recent one;

    /* One copy at a time, so that `each` may log, and no thread waits for it. */
    for (uint64_t seq = since_seq + 1; copy_recent(&seq, &one); seq++) {
        if (!each(ctx, seq, one.wall_ms, one.event, (struct slice){ one.text, one.bytes })) {
            return;
        }
    }
}

int
log_dump_blackbox(void)
{
    struct timespec until;
    ssize_t n;
    bool locked;

    if (logger.blackbox_path[0] == '\0' || !logger.is_open) {
        return -ENOENT;
    }
    /* A writer that is stuck in another target, or that failed a CHECK itself, keeps the lock for
     * ever: then the dump goes without the lines still pending. */
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DUMP_WAIT_S;
    locked = pthread_mutex_timedlock(&logger.writer, &until) == 0;
    if (locked) {
        drain();
    }
    (void)!io_unlink(logger.blackbox_path); /* qblog does not truncate */
    n = qb_log_blackbox_write_to_file(logger.blackbox_path);
    if (locked) {
        pthread_mutex_unlock(&logger.writer);
    }
    return n < 0 ? (int)n : 0;
}

/* qblog's reader ends every dump, whole or not, with -EIO and an error on stderr about a time-out.
 * Both are its way to say "no more records", and would only alarm. */
int
log_print_blackbox(const char *path)
{
    int null = io_open("/dev/null", O_WRONLY, 0), saved = dup(STDERR_FILENO), rc;

    if (null >= 0 && saved >= 0) {
        (void)dup2(null, STDERR_FILENO);
    }
    if (!logger.is_open) {
        qb_log_init("bridgehead", LOG_MAIL, LOG_EMERG);
        (void)qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);
    }
    rc = qb_log_blackbox_print_from_file(path);
    if (!logger.is_open) {
        qb_log_fini();
    }
    if (saved >= 0) {
        (void)dup2(saved, STDERR_FILENO);
        io_close(&saved);
    }
    io_close(&null);
    return rc == -EIO ? 0 : rc;
}
