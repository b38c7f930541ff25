/* cluster/cluster_impl.h - what the two kinds of cluster share; for cluster*.c only. */
#ifndef CLUSTER_CLUSTER_IMPL_H
#define CLUSTER_CLUSTER_IMPL_H

#include "cluster/cluster.h"

struct cluster {
    void (*announce)(struct cluster *c, uint64_t epoch);
    bool (*free)(struct cluster *c);
};

#endif
