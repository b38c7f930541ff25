#include "cluster/cluster_impl.h"

void
cluster_announce(struct cluster *c, uint64_t epoch)
{
    c->announce(c, epoch);
}

void
cluster_free(struct cluster *c)
{
    if (c != NULL) {
        c->free(c);
    }
}
