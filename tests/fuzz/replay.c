/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over the files given, so that every build can replay a corpus. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    size_t n = 0, cap = 1 << 16, got;
    uint8_t *data = malloc(cap);
    FILE *f = fopen(path, "rb");

    if (!f || !data) {
        perror(path);
        free(data);
        if (f)
            fclose(f);
        return 1;
    }
    while ((got = fread(data + n, 1, cap - n, f)) > 0) {
        n += got;
        if (n == cap) {
            uint8_t *more = realloc(data, cap *= 2);

            if (!more)
                break;
            data = more;
        }
    }
    if (!feof(f)) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(data);
        fclose(f);
        return 1;
    }
    fclose(f);
    data = realloc(data, n ? n : 1); /* exact size: a read beyond the end is seen */
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;

    if (failed)
        fprintf(stderr, "usage: %s FILE...\n", argv[0]);
    for (int i = 1; i < argc; i++)
        failed |= run_file(argv[i]);
    return failed;
}
