#include "queue/distrust.h"
#include "core/io.h"
#include "queue/owner_file.h"
#include "queue/queue_int.h"
#include <inttypes.h>
#include <stdio.h>

#define MARK_CAP (OWNER_BOOT_ID_CAP + 32)

static bool
mark_path(const char *run_lock, char *path, size_t cap)
{
    return run_lock != NULL && run_lock[0] != '\0' &&
           snprintf(path, cap, "%s.distrust", run_lock) < (int)cap;
}

/* Boot and mount, as text. */
static int
identity(const char *store, char out[MARK_CAP])
{
    char boot[OWNER_BOOT_ID_CAP];
    uint64_t mount;
    int rc = store_boot_id(boot);

    rc = rc < 0 ? rc : io_mount_id(store, &mount);
    if (rc == 0) {
        (void)snprintf(out, MARK_CAP, "%s %" PRIu64 "\n", boot, mount);
    }
    return rc;
}

void
distrust_mount(const char *run_lock, const char *store)
{
    char path[STORE_PATH_CAP], text[MARK_CAP];

    if (mark_path(run_lock, path, sizeof(path)) && identity(store, text) == 0 &&
        io_write_file(path, slice_of(text), 0644) < 0) {
        return; /* the agent's stop marks the epoch as dead all the same, and the cluster moves on
                 */
    }
}

int
distrust_check(const char *run_lock, const char *store, char *mark, size_t cap)
{
    char path[STORE_PATH_CAP], now[MARK_CAP], then[MARK_CAP];
    size_t n;
    int rc;

    if (!mark_path(run_lock, path, sizeof(path))) {
        return 0;
    }
    rc = io_read_file(path, then, sizeof(then), &n);
    if (rc == -ENOENT) {
        return 0;
    }
    rc = rc < 0 ? rc : identity(store, now);
    if (rc < 0) {
        return rc;
    }
    if (slice_eq((struct slice){ then, n }, slice_of(now))) {
        (void)snprintf(mark, cap, "%s", path);
        return -EIO;
    }
    return io_unlink(path);
}
