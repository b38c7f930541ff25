#include "core/conf.h"
#include <libconfig.h>
