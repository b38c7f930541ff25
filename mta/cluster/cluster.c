#include "cluster/cluster_impl.h"

void
cluster_announce(struct cluster *c, uint64_t epoch)
{
    c->announce(c, epoch);
}

bool
cluster_free(struct cluster *c)
{
    return c == NULL || c->free(c);
}
