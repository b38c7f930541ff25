/* core/conf_scan.h - a second look at a text that libconfig refused as having a duplicate:
 * libconfig gives the line only, the operator needs the key and where it was first. Pure. For
 * conf.c only. */
#ifndef CORE_CONF_SCAN_H
#define CORE_CONF_SCAN_H

#include "core/slice.h"

/* Call found for each setting that repeats a name of its group. Returns how many there were; 0 too
 * where memory ends or the first of the two is in another file. */
typedef void conf_scan_fn(void *ctx, struct slice key, int line, int first_line);
size_t conf_scan_duplicates(struct slice text, conf_scan_fn *found, void *ctx);

/* The operand of each @include line, for checks that libconfig does not make. */
typedef void conf_scan_include_fn(void *ctx, struct slice path, int line);
void conf_scan_includes(struct slice text, conf_scan_include_fn *found, void *ctx);

#endif
