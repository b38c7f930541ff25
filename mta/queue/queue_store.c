/* Without a daemon: making a store, looking at its owner, marking a dead one, checking. */
#include "core/ticks.h"
#include "queue/queue_int.h"
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define DIR_MODE     0700
#define FILE_MODE    0600

#define ACCOUNT_CAP 40

static void
account_text(uint32_t uid, char out[ACCOUNT_CAP])
{
    const struct passwd *pw = getpwuid(uid);

    if (pw != NULL) {
        (void)snprintf(out, ACCOUNT_CAP, "%s", pw->pw_name);
    } else {
        (void)snprintf(out, ACCOUNT_CAP, "%u", uid);
    }
}

/* The cure for rc about what; for a path outside the store it is the one given. */
static const char *
access_cure(const char *path, int rc, const char *what, const char *cure, char *out, size_t cap)
{
    char owner[ACCOUNT_CAP], mine[ACCOUNT_CAP];
    struct io_stat st;

    if ((rc != -EACCES && rc != -EPERM) ||
        (what[0] == '/' && !slice_starts(slice_of(what), slice_of(path)))) {
        return cure;
    }
    account_text(geteuid(), mine);
    rc = io_stat(path, &st);
    if (rc == 0 && st.uid != geteuid()) {
        account_text(st.uid, owner);
        (void)snprintf(out, cap,
            "The directory is %s's, this runs as %s. If no other runs on it: chown -R %s: %s",
            owner, mine, mine, path);
    } else {
        (void)snprintf(out, cap,
            "This runs as %s, who must own all that is in it and pass all directories above: "
            "chown -R %s: %s",
            mine, mine, path);
    }
    return out;
}

void
store_failure_text(
    char *out, size_t cap, const char *path, int rc, const char *what, const char *cure)
{
    char why[STORE_PATH_CAP];
    bool said = slice_iends(slice_of(what), slice_of(error_text(rc)));

    (void)snprintf(out, cap, "%.200s: %s%s%s. %s", path, what, said ? "" : ": ",
        said ? "" : error_text(rc), access_cure(path, rc, what, cure, why, sizeof(why)));
}

static int
say(char *text, size_t cap, int rc, const char *what, const char *cure)
{
    (void)snprintf(text, cap, "%s: %s. %s", what, error_text(rc), cure);
    return rc;
}

int
store_read(const char *path, struct store_head *head, char *text, size_t cap)
{
    char file[STORE_PATH_CAP], block[STORE_BLOCK_BYTES], why[STORE_PATH_CAP];
    size_t n;
    int rc = store_path(file, path, "STORE");

    rc = rc < 0 ? rc : io_read_file(file, block, sizeof(block), &n);
    if (rc == -ENOENT || rc == -ENOTDIR) {
        return say(text, cap, BH_ENOSTORE, path,
            "Mount its filesystem, or make a store there with bridgehead store init");
    }
    if (rc < 0 && rc != BH_ETOOBIG && !io_is_no_file(rc)) {
        return say(text, cap, rc, file,
            access_cure(path, rc, file, "Check permissions and the disk", why, sizeof(why)));
    }
    rc = rc < 0 ? BH_EDAMAGED : store_head_get((const uint8_t *)block, n, head);
    if (rc == BH_EFORMAT) {
        return say(text, cap, rc, file, "A newer release made it: install that one");
    }
    return rc < 0 ? say(text, cap, rc, file, "Restore the file, or the whole store, from a copy")
                  : 0;
}

int
store_lock(const char *path, int flags, int *fd)
{
    int rc;

    *fd = io_open(path, O_RDWR | flags, FILE_MODE);
    if (*fd < 0) {
        return *fd;
    }
    rc = io_lock(*fd, true);
    if (rc < 0) {
        io_close(fd);
    }
    return rc == -EAGAIN ? BH_EOWNED : rc;
}

int
store_boot_id(char out[OWNER_BOOT_ID_CAP])
{
    char bytes[64];
    size_t n;
    int rc = io_read_file(BOOT_ID_PATH, bytes, sizeof(bytes), &n);
    struct slice id;

    if (rc < 0) {
        return rc;
    }
    id = slice_sub((struct slice){ bytes, n }, 0, slice_find((struct slice){ bytes, n }, '\n'));
    return id.n == 0 ? BH_ESYNTAX : slice_copy(id, out, OWNER_BOOT_ID_CAP);
}

/* ---- making one */

static int
each_is_there(void *ctx, const char *name)
{
    bool *any = ctx;

    *any = *any || strcmp(name, "lost+found") != 0;
    return 0;
}

/* Made by root, used by the server's user. UINT32_MAX leaves an owner as it is. */
static int
give(const char *path, uint32_t uid, uint32_t gid)
{
    if (uid == UINT32_MAX && gid == UINT32_MAX) {
        return 0;
    }
    return chown(path, uid, gid) < 0 ? -errno : 0;
}

static int
make_files(const char *path, const struct store_head *head, uint32_t uid, uint32_t gid)
{
    char file[STORE_PATH_CAP];
    uint8_t block[STORE_BLOCK_BYTES];
    int fd = -1, rc = store_path(file, path, "journal");

    rc = rc < 0 ? rc : io_mkdir(file, DIR_MODE);
    rc = rc < 0 ? rc : give(file, uid, gid);
    rc = rc < 0 ? rc : store_path(file, path, "LOCK");
    if (rc == 0) {
        fd = io_open(file, O_RDWR | O_CREAT | O_EXCL, FILE_MODE);
        rc = fd < 0 ? fd : give(file, uid, gid);
        io_close(&fd);
    }
    rc = rc < 0 ? rc : give(path, uid, gid);
    /* last, and only then is it a store */
    store_head_put(block, head);
    rc = rc < 0 ? rc : store_path(file, path, "STORE");
    rc = rc < 0
             ? rc
             : io_write_file(file, (struct slice){ (const char *)block, sizeof(block) }, FILE_MODE);
    return rc < 0 ? rc : give(file, uid, gid);
}

int
queue_store_init(
    const char *path, uint64_t segment_bytes, uint32_t uid, uint32_t gid, char *text, size_t cap)
{
    struct store_head head = { .segment_bytes =
                                   segment_bytes != 0 ? segment_bytes : SEGMENT_BYTES_DEFAULT,
        .created_wall_ms = ticks_wall_ms() };
    char file[STORE_PATH_CAP];
    struct io_stat st;
    bool any = false;
    int rc = store_path(file, path, "STORE");

    rc = rc < 0 ? rc : io_stat(file, &st);
    if (rc == 0) {
        return say(text, cap, -EEXIST, file, "There is a store already: nothing was changed");
    }
    if (!segment_bytes_valid(head.segment_bytes)) {
        return say(text, cap, -EINVAL, "segment size", "64 KiB to 1 GiB, in steps of 4 KiB");
    }
    rc = io_list(path, each_is_there, &any);
    if (rc < 0) {
        return say(text, cap, rc, path, "Make the directory, and mount its filesystem, first");
    }
    if (any) {
        return say(text, cap, -ENOTEMPTY, path, "A store is made in an empty directory only");
    }
    rc = store_random(head.uuid, sizeof(head.uuid));
    head.uuid[6] = (uint8_t)((head.uuid[6] & 0x0f) | 0x40); /* RFC 4122, version 4 */
    head.uuid[8] = (uint8_t)((head.uuid[8] & 0x3f) | 0x80);
    rc = rc < 0 ? rc : make_files(path, &head, uid, gid);
    return rc < 0 ? say(text, cap, rc, path, "The store could not be made") : 0;
}

static int
each_set_aside(void *ctx, const char *name)
{
    (void)name;
    *(bool *)ctx = true;
    return 0;
}

void
store_set_aside(const char *path, const char *segment)
{
    char dir[STORE_PATH_CAP], from[STORE_PATH_CAP], to[STORE_PATH_CAP];

    if (store_path(dir, path, "quarantine") == 0 && store_path(to, dir, segment) == 0 &&
        store_path(dir, path, "journal") == 0 && store_path(from, dir, segment) == 0 &&
        store_path(dir, path, "quarantine") == 0) {
        if (io_mkdir(dir, DIR_MODE) == 0) {
            (void)!io_sync_dir(path); /* before anything moves there */
        }
        (void)!io_rename(from, to);
    }
}

bool
store_quarantine_holds(const char *path)
{
    char dir[STORE_PATH_CAP];
    bool any = false;

    return store_path(dir, path, "quarantine") == 0 && io_list(dir, each_set_aside, &any) == 0 &&
           any;
}

/* ---- its owner */

void
store_uuid_text(const uint8_t uuid[16], char out[37])
{
    (void)snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
        uuid[0], uuid[1], uuid[2], uuid[3], uuid[4], uuid[5], uuid[6], uuid[7], uuid[8], uuid[9],
        uuid[10], uuid[11], uuid[12], uuid[13], uuid[14], uuid[15]);
}

void
queue_store_uuid(const struct queue *q, char out[37])
{
    store_uuid_text(q->head.uuid, out);
}

static int
read_last(
    const char *path, struct store_head *head, struct owner_record *last, char *text, size_t cap)
{
    uint64_t epoch = 0;
    int rc = store_read(path, head, text, cap);

    *last = (struct owner_record){ .state = OWNER_NONE };
    if (rc < 0) {
        return rc;
    }
    rc = owner_file_highest(path, &epoch);
    if (rc == 0 && epoch > 0) {
        rc = owner_file_read(path, epoch, last);
    }
    return rc < 0 ? say(text, cap, rc, "owner file", "Check permissions and the disk") : 0;
}

int
queue_store_owner(const char *path, struct queue_owner *out, char *text, size_t cap)
{
    struct store_head head;
    struct owner_record last;
    char lock[STORE_PATH_CAP];
    int fd, rc = read_last(path, &head, &last, text, cap);

    if (rc < 0) {
        return rc;
    }
    *out = (struct queue_owner){
        .epoch = last.epoch, .lease_ms = last.lease_ms, .counter = last.counter
    };
    store_uuid_text(head.uuid, out->uuid);
    (void)snprintf(out->node, sizeof(out->node), "%s", last.node);
    (void)snprintf(out->boot_id, sizeof(out->boot_id), "%s", last.boot_id);
    (void)snprintf(out->state, sizeof(out->state), "%s", owner_state_text(last.state));
    rc = store_path(lock, path, "LOCK");
    rc = rc < 0 ? rc : store_lock(lock, 0, &fd);
    out->locked = rc == BH_EOWNED;
    if (rc == 0) {
        io_close(&fd);
    }
    return 0;
}

static int
mark_dead(
    const char *path, const struct owner_record *last, const char *node, char *text, size_t cap)
{
    char boot_id[OWNER_BOOT_ID_CAP];
    struct owner_file f = { .fd = -1 };
    int rc = store_boot_id(boot_id);

    if (rc < 0) {
        return say(text, cap, rc, BOOT_ID_PATH, "Is /proc mounted?");
    }
    if (last->state != OWNER_ACTIVE || strcmp(last->node, node) != 0 ||
        strcmp(last->boot_id, boot_id) != 0) {
        return 0; /* not ours to say anything about */
    }
    rc = owner_file_open(&f, path, last);
    rc = rc < 0 ? rc : owner_file_write(&f, OWNER_DEAD, 0);
    owner_file_close(&f);
    return rc < 0 ? say(text, cap, rc, "owner file", "It could not be written") : 0;
}

int
queue_store_release(
    const char *path, const char *run_lock_path, const char *node, char *text, size_t cap)
{
    struct store_head head;
    struct owner_record last;
    char lock[STORE_PATH_CAP];
    int lock_fd = -1, run_fd = -1;
    int rc = store_read(path, &head, text, cap);

    if (rc < 0) {
        return rc;
    }
    rc = run_lock_path != NULL ? store_lock(run_lock_path, 0, &run_fd) : 0;
    rc = rc == -ENOENT ? 0 : rc; /* no server has run since the boot: nobody holds it */
    rc = rc < 0 ? rc : store_path(lock, path, "LOCK");
    rc = rc < 0 ? rc : store_lock(lock, 0, &lock_fd);
    if (rc < 0) {
        (void)say(text, cap, rc, path,
            rc == BH_EOWNED ? "A process still holds the store: end it first"
                            : "The lock could not be opened: is the store's filesystem mounted?");
    } else {
        /* read under the locks: nobody on this node changes it any more */
        rc = read_last(path, &head, &last, text, cap);
        rc = rc < 0 ? rc : mark_dead(path, &last, node, text, cap);
    }
    io_close(&lock_fd);
    io_close(&run_fd);
    return rc;
}
