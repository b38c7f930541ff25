/* app_fenced.c - the cluster's word that the last owner is dead, where it comes by standard input
 * (--fenced -): asking the cluster takes as long as we take to start, so both are done at once. The
 * store is opened when the word, or its absence, is there. */
#include "app/app_state.h"
#include "core/io.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define WORD_WAIT_MS 20000 /* then as if nothing were confirmed: the lease is waited for */

int
app_fenced_parse(char *value, const char **node, uint64_t *epoch)
{
    struct slice s = slice_of(value);
    size_t colon = slice_rfind(s, ':');

    if (colon == 0 || colon >= s.n || slice_u64(slice_skip(s, colon + 1), UINT64_MAX, epoch) < 0) {
        return BH_ECONFIG;
    }
    value[colon] = '\0';
    *node = value;
    return 0;
}

static void
word_is_there(struct app *a)
{
    struct app_fenced *f = &a->fenced;
    int null;

    loop_timer_stop(&f->timer);
    if (f->poll != NULL) {
        loop_poll_free(f->poll);
        f->poll = NULL;
    }
    null = io_open("/dev/null", O_RDONLY, 0);
    (void)dup2(null, STDIN_FILENO); /* closed, but the number does not become another's */
    io_close(&null);
    f->text[f->n] = '\0';
    f->text[strcspn(f->text, "\n")] = '\0';
    if (f->text[0] != '\0' && app_fenced_parse(f->text, &f->node, &f->epoch) < 0) {
        app_fail(a, BH_ECONFIG, "--fenced -: standard input is not NODE:EPOCH");
        return;
    }
    f->awaited = false;
    app_open_queue(a);
}

static void
on_timeout(void *ctx)
{
    struct app *a = ctx;

    a->fenced.n = 0;
    word_is_there(a);
}

static void
on_stdin(void *ctx, int status, unsigned events)
{
    struct app *a = ctx;
    struct app_fenced *f = &a->fenced;
    ssize_t n;

    (void)events;
    do {
        n = read(STDIN_FILENO, f->text + f->n, sizeof(f->text) - 1 - f->n);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        f->n += (size_t)n;
        if (f->n < sizeof(f->text) - 1) {
            return;
        }
    } else if (n < 0 && errno == EAGAIN && status == 0) {
        return;
    }
    word_is_there(a);
}

int
app_fenced_start(struct app *a)
{
    struct app_fenced *f = &a->fenced;
    int rc;

    f->node = a->args->fenced_node;
    f->epoch = a->args->fenced_epoch;
    if (!a->args->fenced_stdin) {
        return 0;
    }
    f->awaited = true;
    loop_timer_init(a->loop, &f->timer, on_timeout, a);
    loop_timer_start(&f->timer, WORD_WAIT_MS);
    rc = fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
    rc = rc < 0 ? rc : loop_poll_new(a->loop, &f->poll, STDIN_FILENO, on_stdin, a);
    if (rc == -EPERM) { /* a file or /dev/null: cannot be polled, and never blocks */
        while (f->awaited) {
            on_stdin(a, 0, LOOP_READABLE);
        }
        return 0;
    }
    return rc < 0 ? rc : loop_poll_set(f->poll, LOOP_READABLE);
}
