/* core/id.h - how a message's id is shown wherever people meet it: in the log, in replies, by
 * commands, in names of files. Hexadecimal, lower case, without leading zeros. Pure. */
#ifndef CORE_ID_H
#define CORE_ID_H

#include "core/base.h"

#include <stdio.h>

#define ID_TEXT_CAP 17

/* Always terminated; returns out. */
static inline const char *
id_text(uint64_t id, char out[ID_TEXT_CAP])
{
    (void)snprintf(out, ID_TEXT_CAP, "%llx", (unsigned long long)id);
    return out;
}

#endif
