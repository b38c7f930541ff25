/* osi/layer.h - the layers by name: who says no, and who met nonsense. Pure. */
#ifndef OSI_LAYER_H
#define OSI_LAYER_H

#include "core/base.h"

enum osi_layer {
    OSI_TCP,
    OSI_TRANSPORT,
    OSI_SESSION,
    OSI_PRESENTATION,
    OSI_ASSOCIATION,
    OSI_RTSE,
    OSI_USER /* the application: the bind */
};
#define OSI_LAYER_COUNT (OSI_USER + 1)

static inline const char *
osi_layer_name(enum osi_layer layer)
{
    static const char *const names[OSI_LAYER_COUNT] = { "tcp", "transport", "session",
        "presentation", "association", "rtse", "bind" };

    return names[layer];
}

#endif
