/* SPDX-License-Identifier: MIT */
/** @file fuzz.h  What the fuzz targets share: properties, scratch files. Test code only. */
#ifndef CG_TESTS_FUZZ_H
#define CG_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <confgen/status.h>

#include "base/utf8.h"

/** A target: runs the tested code on one input; returns 0, or -1 to keep it out of a corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** A property of the tested code. Its failure ends the program, so that the input is kept. */
#define require(truth)                                                                             \
    do {                                                                                           \
        if (!(truth)) {                                                                            \
            fprintf(stderr, "%s:%d: property violated: %s\n", __FILE__, __LINE__, #truth);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/** The same for a status, with the text of the error. */
#define require_ok(call, err)                                                                      \
    do {                                                                                           \
        if ((call) != CG_OK) {                                                                     \
            fprintf(stderr, "%s:%d: %s failed: %s\n", __FILE__, __LINE__, #call, (err)->msg);      \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/** A refusal has its status and a text of valid UTF-8 without control characters. */
static inline void require_refusal(cg_status st, const cg_error *err)
{
    const unsigned char *s = (const unsigned char *)err->msg;

    require(st != CG_OK && err->code == st && *s);
    while (*s) {
        int n = cg_utf8_length(s);

        require(n > 0 && *s >= 0x20 && *s != 0x7f);
        s += n;
    }
}

/* ---- scratch files --------------------------------------------------------------------------- */

static inline void fuzz_remove_dir(void);

/** A folder of this process, in $TMPDIR or memory, removed at exit. */
static inline const char *fuzz_dir(void)
{
    static char dir[512];

    if (!dir[0]) {
        const char *parent = getenv("TMPDIR");

        if (!parent || !*parent)
            parent = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
        snprintf(dir, sizeof dir, "%s/confgen-fuzz-XXXXXX", parent);
        require(mkdtemp(dir) != NULL);
        atexit(fuzz_remove_dir);
    }
    return dir;
}

static inline void fuzz_remove_dir(void)
{
    char command[600];

    snprintf(command, sizeof command, "rm -rf '%s'", fuzz_dir());
    if (system(command))
        fprintf(stderr, "'%s' is left\n", fuzz_dir());
}

/** Writes a file of the scratch folder; returns its path, valid until the next call. */
static inline const char *fuzz_write(const char *name, const void *bytes, size_t size)
{
    static char path[600];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", fuzz_dir(), name);
    f = fopen(path, "wb");
    require(f && (!size || fwrite(bytes, 1, size, f) == size) && !fclose(f));
    return path;
}

#endif
