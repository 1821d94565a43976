/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over files without libFuzzer:  replay [-m N] PATH...
 *
 * A folder means all files in it. Runs every file unchanged and then N times (default 100) with
 * small mutations from a fixed random sequence, so that runs are reproducible.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FILE = 1 << 24 };

static long n_runs, n_mutants = 100;

static void die(const char *path, const char *why)
{
    fprintf(stderr, "replay: %s: %s\n", path, why);
    exit(2);
}

/* splitmix64 (Steele et al. 2014) */
static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Uses a heap block of exactly n bytes per run, so that an overrun of one byte is detected. */
static void run_copy(const uint8_t *data, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);

    if (!copy)
        die("memory", strerror(ENOMEM));
    memcpy(copy, data, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    n_runs++;
}

/* Makes one to four changes: replaces a byte, flips a bit, truncates, or moves a range. */
static size_t mutate(uint8_t *data, size_t n, uint64_t *state)
{
    for (uint64_t left = next_random(state) % 4 + 1; left && n; left--) {
        size_t at = next_random(state) % n, from = next_random(state) % n,
               most = n - (at > from ? at : from);

        switch (next_random(state) % 5) {
        case 0:
            data[at] = (uint8_t)next_random(state);
            break;
        case 1:
            data[at] ^= (uint8_t)(1u << (next_random(state) % 8));
            break;
        case 2:
            data[at] = (uint8_t) "{}[]\",:0-9\n\r\t \\<>"[next_random(state) % 18];
            break;
        case 3:
            n = at;
            break;
        default:
            memmove(data + at, data + from, next_random(state) % most + 1);
        }
    }
    return n;
}

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(MAX_FILE), *mutant;
    uint64_t state = 1;
    size_t n;

    if (!f || !data)
        die(path, strerror(errno));
    n = fread(data, 1, MAX_FILE, f);
    if (ferror(f) || n == MAX_FILE)
        die(path, "cannot be read, or is too large");
    fclose(f);
    run_copy(data, n);
    mutant = malloc(n ? n : 1);
    if (!mutant)
        die(path, strerror(errno));
    for (long i = 0; i < n_mutants && n; i++) {
        memcpy(mutant, data, n);
        run_copy(mutant, mutate(mutant, n, &state));
    }
    free(mutant);
    free(data);
}

static void run_path(const char *path)
{
    struct stat sb;
    struct dirent *e;
    char name[PATH_MAX];
    DIR *dir;

    if (stat(path, &sb))
        die(path, strerror(errno));
    if (!S_ISDIR(sb.st_mode)) {
        run_file(path);
        return;
    }
    dir = opendir(path);
    if (!dir)
        die(path, strerror(errno));
    while ((e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        run_file(name);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    int i = 1;

    if (argc > 2 && !strcmp(argv[1], "-m")) {
        n_mutants = atol(argv[2]);
        i = 3;
    }
    if (i >= argc)
        die("usage", "replay [-m N] PATH...");
    for (; i < argc; i++)
        run_path(argv[i]);
    if (!n_runs)
        die(argv[argc - 1], "no seeds");
    printf("%ld inputs\n", n_runs);
    return 0;
}
