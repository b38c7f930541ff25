/* support/fuzz_replay.c - a main for a fuzzer without libFuzzer: every file of the directories (or
 * each file) on the command line goes through the target once. A corpus that is missing or empty
 * is a failure: a test that tested nothing must not pass. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_BYTES_MAX (1 << 20)

static int
replay_file(const char *path)
{
    uint8_t *whole = malloc(INPUT_BYTES_MAX), *exact;
    FILE *f = fopen(path, "re");
    size_t n;

    if (f == NULL || whole == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        abort();
    }
    n = fread(whole, 1, INPUT_BYTES_MAX, f);
    fclose(f);
    /* Exactly as large as the input, so that a sanitizer sees one byte too many. */
    exact = malloc(n + (n == 0));
    if (exact == NULL) {
        abort();
    }
    memcpy(exact, whole, n);
    free(whole);
    printf("%s\n", path);
    fflush(stdout);
    (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 1;
}

static int
replay(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char full[4096];
    int count = 0;

    if (dir == NULL) {
        return replay_file(path);
    }
    for (entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.') {
            (void)snprintf(full, sizeof(full), "%s/%s", path, entry->d_name);
            count += replay_file(full);
        }
    }
    closedir(dir);
    return count;
}

int
main(int argc, char **argv)
{
    int count = 0;

    for (int i = 1; i < argc; i++) {
        count += replay(argv[i]);
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
