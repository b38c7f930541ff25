#include "queue/store_ahead.h"
#include "queue/segment.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#define PIECE_BYTES (1 * MIB)
#define AHEAD_BYTES (256 * MIB) /* of the walker: little beside the memory of a server */

struct store_ahead {
    char dir[STORE_PATH_CAP];
    char (*names)[SEGMENT_NAME_CAP];
    size_t count;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    uint64_t done;
    bool stop, started;
};

struct list_names {
    char (*names)[SEGMENT_NAME_CAP];
    size_t count, capacity;
};

static int
each_name(void *ctx, const char *name)
{
    struct list_names *l = ctx;
    uint64_t seq;
    uint32_t epoch;

    if (!segment_name_parse(name, &seq, &epoch)) {
        return 0;
    }
    if (l->count == l->capacity) {
        size_t capacity = MAX(l->capacity * 2, (size_t)64);
        char(*grown)[SEGMENT_NAME_CAP] = realloc(l->names, capacity * sizeof(*grown));

        if (grown == NULL) {
            return -ENOMEM;
        }
        l->names = grown;
        l->capacity = capacity;
    }
    segment_name(l->names[l->count++], seq, epoch);
    return 0;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

int
store_segments(const char *store, char (**out)[SEGMENT_NAME_CAP], size_t *count)
{
    struct list_names l = { 0 };
    char dir[STORE_PATH_CAP];
    int rc = store_path(dir, store, "journal");

    rc = rc < 0 ? rc : io_list(dir, each_name, &l);
    if (rc < 0) {
        free(l.names);
        return rc;
    }
    if (l.count > 0) {
        qsort(l.names, l.count, sizeof(*l.names), by_name);
    }
    *out = l.names;
    *count = l.count;
    return 0;
}

/* False: stop. */
static bool
wait_for_walker(struct store_ahead *a, uint64_t at)
{
    bool stop;

    (void)pthread_mutex_lock(&a->lock);
    while (!a->stop && at > a->done + AHEAD_BYTES) {
        (void)pthread_cond_wait(&a->cond, &a->lock);
    }
    stop = a->stop;
    (void)pthread_mutex_unlock(&a->lock);
    return !stop;
}

/* One segment; its bytes, or 0 to stop. */
static uint64_t
read_one(struct store_ahead *a, const char *name, uint64_t before, char *buffer)
{
    char path[STORE_PATH_CAP];
    uint64_t at = 0;
    int fd = store_path(path, a->dir, name);

    fd = fd < 0 ? fd : io_open(path, O_RDONLY, 0);
    while (fd >= 0) {
        ssize_t n;

        if (!wait_for_walker(a, before + at)) {
            at = 0;
            break;
        }
        n = io_pread_nowait(fd, buffer, 1, at);
        if (n < 0) {
            n = io_pread(fd, buffer, PIECE_BYTES, at);
        }
        if (n <= 0) {
            break;
        }
        at += PIECE_BYTES;
    }
    io_close(&fd);
    return at;
}

static void *
ahead_main(void *arg)
{
    struct store_ahead *a = arg;
    char *buffer = malloc(PIECE_BYTES);
    uint64_t before = 0;

    for (size_t i = 0; buffer != NULL && i < a->count; i++) {
        uint64_t n = read_one(a, a->names[i], before, buffer);

        if (n == 0 && !wait_for_walker(a, 0)) {
            break;
        }
        before += n;
    }
    free(buffer);
    return NULL;
}

int
store_ahead_start(struct store_ahead **out, const char *store, uint64_t *total)
{
    struct store_ahead *a = calloc(1, sizeof(*a));
    uint64_t bytes = 0;
    int rc = a != NULL ? store_path(a->dir, store, "journal") : -ENOMEM;

    rc = rc < 0 ? rc : store_segments(store, &a->names, &a->count);
    if (rc < 0) {
        free(a);
        return rc;
    }
    for (size_t i = 0; i < a->count; i++) {
        char path[STORE_PATH_CAP];
        struct io_stat st;

        bytes += store_path(path, a->dir, a->names[i]) == 0 && io_stat(path, &st) == 0
                     ? st.size_bytes
                     : 0;
    }
    (void)pthread_mutex_init(&a->lock, NULL);
    (void)pthread_cond_init(&a->cond, NULL);
    a->started = pthread_create(&a->thread, NULL, ahead_main, a) == 0; /* else it is slower */
    *total = bytes;
    *out = a;
    return 0;
}

void
store_ahead_done(struct store_ahead *a, uint64_t bytes)
{
    (void)pthread_mutex_lock(&a->lock);
    a->done = bytes;
    (void)pthread_cond_signal(&a->cond);
    (void)pthread_mutex_unlock(&a->lock);
}

void
store_ahead_stop(struct store_ahead *a)
{
    (void)pthread_mutex_lock(&a->lock);
    a->stop = true;
    (void)pthread_cond_signal(&a->cond);
    (void)pthread_mutex_unlock(&a->lock);
    if (a->started) {
        (void)pthread_join(a->thread, NULL);
    }
    (void)pthread_cond_destroy(&a->cond);
    (void)pthread_mutex_destroy(&a->lock);
    free(a->names);
    free(a);
}
