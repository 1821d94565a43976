/* SPDX-License-Identifier: MIT */
#include "gpu_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD_BYTE = 0xc3, FILL_BYTE = 0xff };

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

int64_t gpu_free_memory(const cg_gpu *gpu)
{
    cg_gpu_info info = { CG_SIZED(cg_gpu_info) };

    cg_gpu_get_info(gpu, &info);
    return info.free_bytes;
}

static int create(test_recorder *rec, cg_gpu *gpu, size_t bytes, size_t guard, gpu_block *ret_block)
{
    gpu_block b = { .rec = rec, .gpu = gpu, .bytes = bytes, .guard = guard };
    cg_error err = CG_ERROR_INIT;
    void *base = NULL;
    char what[64];

    snprintf(what, sizeof what, "allocating %zu bytes of GPU memory", bytes + 2 * guard);
    if (!gpu_ok(rec, cg_gpu_alloc(gpu, bytes + 2 * guard, &base, &err), &err, what))
        return 0;
    b.base = base;
    b.ptr = b.base + guard;
    if (!gpu_ok(rec, cg_gpu_fill(gpu, b.base, GUARD_BYTE, bytes + 2 * guard, &err), &err,
                "filling GPU memory")) {
        cg_gpu_free(gpu, b.base);
        return 0;
    }
    gpu_block_poison(&b);
    *ret_block = b;
    return 1;
}

int gpu_block_create(test_recorder *rec, cg_gpu *gpu, size_t bytes, gpu_block *ret_block)
{
    return create(rec, gpu, bytes, GPU_GUARD, ret_block);
}

int gpu_block_create_wide(test_recorder *rec, cg_gpu *gpu, size_t bytes, gpu_block *ret_block)
{
    return create(rec, gpu, bytes, GPU_WIDE_GUARD, ret_block);
}

void gpu_block_destroy(gpu_block *b)
{
    if (b->base)
        cg_gpu_free(b->gpu, b->base);
    free(b->image);
    memset(b, 0, sizeof *b);
}

char *gpu_block_image(gpu_block *b)
{
    if (!b->image)
        b->image = malloc(b->bytes + 1);
    if (!b->image)
        abort();
    return b->image;
}

void gpu_block_load_image(gpu_block *b)
{
    cg_error err = CG_ERROR_INIT;

    if (b->bytes)
        gpu_ok(b->rec, cg_gpu_write(b->gpu, b->ptr, gpu_block_image(b), b->bytes, &err), &err,
               "copying to GPU memory");
}

void gpu_block_load(gpu_block *b, const void *src, size_t bytes)
{
    char *image = gpu_block_image(b);

    if (bytes)
        memcpy(image, src, bytes);
    memset(image + bytes, FILL_BYTE, b->bytes - bytes);
    gpu_block_load_image(b);
}

void gpu_block_read(const gpu_block *b, void *dst)
{
    cg_error err = CG_ERROR_INIT;

    if (b->bytes)
        gpu_ok(b->rec, cg_gpu_read(b->gpu, dst, b->ptr, b->bytes, &err), &err,
               "copying from GPU memory");
}

void gpu_block_poison(gpu_block *b)
{
    cg_error err = CG_ERROR_INIT;

    if (b->bytes)
        gpu_ok(b->rec, cg_gpu_fill(b->gpu, b->ptr, FILL_BYTE, b->bytes, &err), &err,
               "filling GPU memory");
}

/* True if all of n > 0 bytes are `byte`. */
static int is_filled(const char *p, size_t n, int byte)
{
    return (unsigned char)*p == byte && !memcmp(p, p + 1, n - 1);
}

int gpu_block_guarded(const gpu_block *b)
{
    const char *at[2] = { b->base, b->ptr + b->bytes };
    char *guard = malloc(b->guard);
    int intact = 1;

    if (!guard)
        abort();
    for (int i = 0; i < 2 && intact; i++) {
        cg_error err = CG_ERROR_INIT;

        intact = gpu_ok(b->rec, cg_gpu_read(b->gpu, guard, at[i], b->guard, &err), &err,
                        "copying from GPU memory") &&
                 is_filled(guard, b->guard, GUARD_BYTE);
    }
    free(guard);
    return intact;
}

int gpu_block_unchanged(gpu_block *b)
{
    char *got = malloc(b->bytes + 1);
    int same;

    if (!got)
        abort();
    gpu_block_read(b, got);
    same = !b->rec->gpu_lost && !memcmp(got, gpu_block_image(b), b->bytes);
    free(got);
    return same && gpu_block_guarded(b);
}

int gpu_block_is_poison_now(const gpu_block *b)
{
    cg_error err = CG_ERROR_INIT;
    char *got = malloc(b->bytes + 1);
    int same = 1;

    if (!got)
        abort();
    if (b->bytes)
        same = gpu_ok(b->rec, cg_gpu_read_now(b->gpu, got, b->ptr, b->bytes, &err), &err,
                      "copying from GPU memory") &&
               is_filled(got, b->bytes, FILL_BYTE);
    free(got);
    return same;
}
