/* slowsync.so - preloaded: what was synced is told of 20 ms later. So at any moment of a load some
 * messages are durable and their sender does not know it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

int
fdatasync(int fd)
{
    static int (*real)(int);
    const struct timespec wait = { 0, 20 * 1000 * 1000 };
    int rc;

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    }
    rc = real(fd);
    (void)nanosleep(&wait, NULL);
    return rc;
}
