/* bridgehead/ctl_wire.h - the control protocol between `bridgehead` and the server, over libqb IPC
 * (qbipcs/qbipcc).
 *
 * Socket name: "bridgehead-INSTANCE" (QB_IPC_SOCKET). Clients: root, or members of the group of the
 * daemon's user. A request is one message: struct bridgehead_ctl_request followed by a JSON object
 * {"command": "queue list", "args": {…}}. An answer is one message: struct bridgehead_ctl_response
 * followed by one JSON object. status is an exit code (exit_codes.h); status != 0: {"error":
 * {"code", "event", "message", "cure"}}. Lists are paged: {"items": […], "cursor": "…"}; ask again
 * with args.cursor until there is no cursor. Byte layout and fields: docs/formats/ctl_wire.md,
 * docs/formats/json.md.
 */
#ifndef BRIDGEHEAD_CTL_WIRE_H
#define BRIDGEHEAD_CTL_WIRE_H

#include <stdint.h>

#define BRIDGEHEAD_CTL_VERSION     1
#define BRIDGEHEAD_CTL_BYTES_MAX   (256 * 1024) /* one message, header included */
#define BRIDGEHEAD_CTL_NAME_PREFIX "bridgehead-"
#define BRIDGEHEAD_CTL_MSG_REQUEST 1 /* qb_ipc_request_header.id */

/* Both begin with libqb's header of the same layout: int32 id, int32 size, (response: int32 error)
 * padded to 8. */
struct bridgehead_ctl_request {
    int32_t id __attribute__((aligned(8)));
    int32_t size __attribute__((aligned(8)));
    uint32_t version;
    uint32_t json_bytes;
};
struct bridgehead_ctl_response {
    int32_t id __attribute__((aligned(8)));
    int32_t size __attribute__((aligned(8)));
    int32_t error __attribute__((aligned(8)));
    uint32_t version;
    int32_t status; /* exit code */
    uint32_t json_bytes;
    uint32_t reserved;
};

#endif
