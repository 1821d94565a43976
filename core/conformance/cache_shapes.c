/* SPDX-License-Identifier: MIT */
/* Shapes of caches: small ones, and those of real runs as far as memory and time allow. */
#include "cache_suite.h"

enum {
    MAX_BYTES = 128 << 20, /* of a large cache in f32, if it allocates all of it */
    MAX_TRIES = 100000,
    /* sizes that a kind of large shape has */
    SLOTS = 1 << 0,  /* 65 to 104: a batch of 64, and its prompts */
    LAYERS = 1 << 1, /* 10 to 28 */
    HEADS = 1 << 2,  /* 4 and more */
    DIM = 1 << 3,    /* above 64 */
    LENGTH = 1 << 4, /* 1,024 to 4,200 */
};

cache_shape cache_shape_basic(int32_t dim)
{
    return (cache_shape) { .n_layers = 3,
                           .n_slots = 5,
                           .n_kv_heads = 2,
                           .head_dim = dim,
                           .v_head_dim = dim,
                           .max_len = 150 };
}

static int32_t pick(test_recorder *rec, const int32_t *list, int32_t n)
{
    return list[random_in(rec, 0, n - 1)];
}

cache_shape cache_shape_small(test_recorder *rec)
{
    static const int32_t dims[] = { 8, 16, 24, 32, 40, 64, 80, 96 };
    int32_t dim = pick(rec, dims, 8);

    return (cache_shape) { .n_layers = random_in(rec, 1, 4),
                           .n_slots = random_in(rec, 1, 8),
                           .n_kv_heads = random_in(rec, 1, 3),
                           .head_dim = dim,
                           .v_head_dim = dim,
                           .max_len = random_in(rec, 1, 200) };
}

static cache_shape draw(test_recorder *rec, int32_t large)
{
    static const int32_t dims[] = { 8, 16, 32, 48, 64, 72, 80, 96, 112, 128, 192, 256 };
    static const int32_t heads[] = { 1, 2, 3, 4, 6, 8, 9, 16 };
    /* 9 or 16 where nothing else is large: draws within MAX_BYTES have few */
    int32_t first_heads = large == (DIM | HEADS) ? 6 : 3;
    static const int32_t lengths[] = { 2048, 2050, 4096 };
    int32_t dim = large & DIM ? pick(rec, dims + 5, 7) : pick(rec, dims, 12);
    cache_shape shape = {
        .n_layers = large & LAYERS ? random_in(rec, 10, 28) : random_in(rec, 1, 9),
        .n_slots = large & SLOTS ? 64 + random_in(rec, 1, 40) : random_in(rec, 2, 16),
        .n_kv_heads =
            large & HEADS ? pick(rec, heads + first_heads, 8 - first_heads) : pick(rec, heads, 8),
        .head_dim = dim,
        .v_head_dim = dim,
        .max_len = random_in(rec, 100, 700),
    };

    if (large & LENGTH)
        shape.max_len = random_in(rec, 0, 1) ? pick(rec, lengths, 3) : random_in(rec, 1024, 4200);
    return shape;
}

cache_shape cache_shape_extreme(test_recorder *rec, int32_t kind)
{
    cache_shape shape = { .n_layers = random_in(rec, 1, 2),
                          .n_slots = random_in(rec, 2, 3),
                          .n_kv_heads = random_in(rec, 1, 2),
                          .head_dim = 8,
                          .max_len = random_in(rec, 40, 100) };

    switch (kind) {
    case 0:
        shape.n_slots = random_in(rec, 257, 1100);
        break;
    case 1:
        shape.n_layers = 130;
        break;
    case 2:
        shape.n_kv_heads = random_in(rec, 65, 128);
        break;
    case 3:
        shape.head_dim = 8 * random_in(rec, 33, 72);
        break;
    default:
        shape.max_len = random_in(rec, 33000, 70000);
    }
    shape.v_head_dim = shape.head_dim;
    return shape;
}

cache_shape cache_shape_huge(void)
{
    return (cache_shape) { .n_layers = 28,
                           .n_slots = 66,
                           .n_kv_heads = 4,
                           .head_dim = 64,
                           .v_head_dim = 64,
                           .max_len = 640 };
}

cache_shape cache_shape_large(test_recorder *rec, int32_t kind)
{
    static const int32_t kinds[CACHE_LARGE_KINDS] = {
        SLOTS | LENGTH | LAYERS,
        LAYERS | DIM | HEADS,
        SLOTS | LAYERS | HEADS,
        LENGTH | DIM,
        SLOTS | DIM,
        LENGTH | HEADS | LAYERS,
        DIM | HEADS,
    };
    cache_shape shape = { 0 };

    for (int32_t i = 0; i < MAX_TRIES; i++) {
        shape = draw(rec, kinds[kind % CACHE_LARGE_KINDS]);
        if ((int64_t)shape.n_layers * shape.n_slots * shape.n_kv_heads * shape.head_dim *
                shape.max_len * 2 * (int64_t)sizeof(float) <=
            MAX_BYTES)
            break;
    }
    return shape;
}
