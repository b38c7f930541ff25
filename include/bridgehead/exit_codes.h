/* bridgehead/exit_codes.h - exit codes of bridgeheadd and bridgehead. Stable: the resource agent
 * maps them. */
#ifndef BRIDGEHEAD_EXIT_CODES_H
#define BRIDGEHEAD_EXIT_CODES_H

enum bridgehead_exit {
    BRIDGEHEAD_EXIT_OK = 0,
    BRIDGEHEAD_EXIT_FAILED = 1,
    BRIDGEHEAD_EXIT_USAGE = 2,
    BRIDGEHEAD_EXIT_CONFIG = 3,
    BRIDGEHEAD_EXIT_NO_STORE = 4, /* store missing or not mounted */
    BRIDGEHEAD_EXIT_OWNED = 5,    /* store owned by another */
    BRIDGEHEAD_EXIT_DAMAGED = 6,  /* store damaged or of another format */
    BRIDGEHEAD_EXIT_NOT_RUNNING = 7,
    BRIDGEHEAD_EXIT_ADDRESS = 8,      /* address or port */
    BRIDGEHEAD_EXIT_WRITE_FAILED = 9, /* write or sync failed: fail-stop */
    BRIDGEHEAD_EXIT_OWNERSHIP_LOST = 10,
    BRIDGEHEAD_EXIT_QUORUM_LOST = 11,
    BRIDGEHEAD_EXIT_NO_COROSYNC = 12,
    BRIDGEHEAD_EXIT_NOT_FOUND = 13,
    BRIDGEHEAD_EXIT_TIMEOUT = 14,
    BRIDGEHEAD_EXIT_DEGRADED = 190, /* probe only */
};

#endif
