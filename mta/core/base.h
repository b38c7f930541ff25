/* core/base.h - what every file may use: CHECK, MUST_USE, our error codes.
 *
 * Three kinds of failure: the peer's fault is a reply, the surroundings' fault
 * an error code (0 or negative: -errno or one of enum bh_error), our own fault
 * is CHECK, which aborts in release builds too. No CHECK may be reachable from
 * bytes of a peer or of the disk: one message must not kill both nodes.
 */
#ifndef CORE_BASE_H
#define CORE_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE                        __attribute__((warn_unused_result))
#define PRINTF(f, a)                    __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                       ((a) < (b) ? (a) : (b))
#define MAX(a, b)                       ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Our own codes; system and libuv codes are -errno and pass through unchanged. */
enum bh_error {
    BH_EFENCED = -20001,  /* a higher epoch exists, or the lease lapsed: exit, flush nothing */
    BH_EOWNED = -20002,   /* the store belongs to another owner that may be alive */
    BH_EFORMAT = -20003,  /* a format or version this release does not read */
    BH_EDAMAGED = -20004, /* a checksum failed where no torn tail can be */
    BH_ENOSTORE = -20005, /* no store here, or its filesystem is not mounted */
    BH_ESYNTAX = -20006,  /* text that does not follow its grammar */
    BH_ETOOBIG = -20007,  /* beyond a stated limit */
    BH_ECONFIG = -20008,  /* configuration refused; the message names file, line, key, cure */
    BH_ENOVIP = -20009,   /* the source address is not (or no longer) on this host */
    BH_ENOTFOUND = -20010,
    BH_EQUORUM = -20011,   /* quorum lost */
    BH_ECLUSTER = -20012,  /* corosync unreachable */
    BH_EBUSY = -20013,     /* not now: call again when told */
    BH_ESTATE = -20014,    /* not in this state (e.g. the daemon is draining) */
    BH_EDNS_NONE = -20015, /* DNS: the name or record does not exist */
    BH_EDNS_TEMP = -20016, /* DNS: SERVFAIL, timeout, bogus: try again later */
};

/* A short English sentence for any code: ours, or strerror for -errno. Never NULL; static storage.
 */
const char *error_text(int code);

/* Abort with file, line and condition, in every build; core dump kept. */
#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))
void check_failed(const char *cond, const char *file, int line) __attribute__((noreturn, cold));

#endif
