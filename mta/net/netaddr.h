#include "core/netaddr.h" /* on its way there: the .c follows */
