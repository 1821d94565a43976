/* SPDX-License-Identifier: MIT */
#include "gpu_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A guard of the size of the alignment keeps the memory after it aligned. */
enum { GPU_GUARD = 256, GUARD_BYTE = 0xc3, FILL_BYTE = 0xff };

int gpu_ok(test_recorder *rec, cg_status st, const cg_error *err, const char *what)
{
    if (st == CG_OK)
        return 1;
    rec->gpu_lost = 1;
    return expect(rec, 0, "%s failed (%d), no further checks on this GPU: %s", what, st, err->msg);
}

int gpu_wait(test_recorder *rec, cg_gpu *gpu, const char *what)
{
    cg_error err = CG_ERROR_INIT;

    return gpu_ok(rec, cg_gpu_synchronize(gpu, &err), &err, what);
}

int gpu_block_create(test_recorder *rec, cg_gpu *gpu, size_t bytes, gpu_block *ret_block)
{
    gpu_block b = { .rec = rec, .gpu = gpu, .bytes = bytes };
    cg_error err = CG_ERROR_INIT;
    void *base = NULL;
    char what[64];

    snprintf(what, sizeof what, "allocating %zu bytes of GPU memory", bytes + 2 * GPU_GUARD);
    if (!gpu_ok(rec, cg_gpu_alloc(gpu, bytes + 2 * GPU_GUARD, &base, &err), &err, what))
        return 0;
    b.base = base;
    b.ptr = b.base + GPU_GUARD;
    if (!gpu_ok(rec, cg_gpu_fill(gpu, b.base, GUARD_BYTE, bytes + 2 * GPU_GUARD, &err), &err,
                "filling GPU memory")) {
        cg_gpu_free(gpu, b.base);
        return 0;
    }
    gpu_block_poison(&b);
    *ret_block = b;
    return 1;
}

void gpu_block_destroy(gpu_block *b)
{
    if (b->base)
        cg_gpu_free(b->gpu, b->base);
    memset(b, 0, sizeof *b);
}

void gpu_block_poison(gpu_block *b)
{
    cg_error err = CG_ERROR_INIT;

    if (b->bytes)
        gpu_ok(b->rec, cg_gpu_fill(b->gpu, b->ptr, FILL_BYTE, b->bytes, &err), &err,
               "filling GPU memory");
}

void gpu_block_load(gpu_block *b, const void *src, size_t bytes)
{
    cg_error err = CG_ERROR_INIT;

    if (bytes < b->bytes)
        gpu_block_poison(b);
    if (bytes)
        gpu_ok(b->rec, cg_gpu_write(b->gpu, b->ptr, src, bytes, &err), &err,
               "copying to GPU memory");
}

void gpu_block_read(const gpu_block *b, void *dst)
{
    cg_error err = CG_ERROR_INIT;

    if (b->bytes)
        gpu_ok(b->rec, cg_gpu_read(b->gpu, dst, b->ptr, b->bytes, &err), &err,
               "copying from GPU memory");
}

int gpu_block_guarded(const gpu_block *b)
{
    const char *at[2] = { b->base, b->ptr + b->bytes };
    unsigned char guard[GPU_GUARD];

    for (int i = 0; i < 2; i++) {
        cg_error err = CG_ERROR_INIT;

        if (!gpu_ok(b->rec, cg_gpu_read(b->gpu, guard, at[i], GPU_GUARD, &err), &err,
                    "copying from GPU memory"))
            return 0;
        for (int k = 0; k < GPU_GUARD; k++)
            if (guard[k] != GUARD_BYTE)
                return 0;
    }
    return 1;
}

int gpu_block_holds(const gpu_block *b, const void *expected)
{
    char *got = malloc(b->bytes + 1);
    int same;

    if (!got)
        abort();
    gpu_block_read(b, got);
    same = !b->rec->gpu_lost && !memcmp(got, expected, b->bytes);
    free(got);
    return same && gpu_block_guarded(b);
}
