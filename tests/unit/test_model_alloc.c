/* SPDX-License-Identifier: MIT */
/* Every allocation fails once: opening a model must then fail cleanly and leak nothing. */
#include <stdatomic.h>
#include <stdlib.h>

#include "tiny_model.h"

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static atomic_long countdown = -1; /* allocations until one fails; negative: none does */
static atomic_long live;           /* blocks not yet freed */
static atomic_int failed;

static int fails(void)
{
    if (atomic_load(&countdown) < 0 || atomic_fetch_sub(&countdown, 1) != 0)
        return 0;
    atomic_store(&failed, 1);
    return 1;
}

static void *count(void *p)
{
    if (p)
        atomic_fetch_add(&live, 1);
    return p;
}

void *malloc(size_t n)
{
    return fails() ? NULL : count(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
    if (fails())
        return NULL;
    return p ? __libc_realloc(p, n) : count(__libc_realloc(p, n));
}

void *aligned_alloc(size_t align, size_t n)
{
    return fails() ? NULL : count(__libc_memalign(align, n));
}

void free(void *p)
{
    if (p)
        atomic_fetch_sub(&live, 1);
    __libc_free(p);
}

typedef cg_status (*make_fn)(cg_model **ret, cg_error *err);

static cg_status open_it(cg_model **ret, cg_error *err)
{
    return cg_model_open(scratch_dir, ret, err);
}

static cg_status randomise_it(cg_model **ret, cg_error *err)
{
    cg_model_config c;
    cg_status st = cg_model_config_named("default", &c, err);

    c.n_layers = 1;
    c.vocab = 16;
    return st == CG_OK ? cg_model_random(&c, 1, ret, err) : st;
}

static void sweep(make_fn make, long at_least)
{
    long n = 0, nomem = 0;

    for (;; n++) {
        cg_model *m = NULL;
        cg_error err = CG_ERROR_INIT;
        long before = atomic_load(&live);
        cg_status st;

        atomic_store(&failed, 0);
        atomic_store(&countdown, n);
        st = make(&m, &err);
        atomic_store(&countdown, -1);
        cg_model_close(m);
        /* Not always CG_ERR_NOMEM: asprintf() does without its last, shrinking realloc(), and
         * jansson loses a byte or a token it has no memory for, which then reads as bad JSON. */
        ck_assert_msg(st == CG_OK || (atomic_load(&failed) && err.code == st && err.msg[0]),
                      "allocation %ld: status %d: %s", n, st, err.msg);
        nomem += st == CG_ERR_NOMEM;
        ck_assert_msg((m != NULL) == (st == CG_OK), "allocation %ld", n);
        ck_assert_msg(atomic_load(&live) == before, "allocation %ld: %ld blocks leaked", n,
                      atomic_load(&live) - before);
        if (!atomic_load(&failed))
            break;
    }
    ck_assert_msg(nomem >= at_least, "only %ld of %ld failures told", nomem, n);
}

START_TEST(opening_survives_every_failure)
{
    struct tiny t = tiny_model(CG_ARCH_QWEN3, 1);
    cg_model *m = NULL;

    write_config(CG_ARCH_QWEN3, 1);
    scratch_write_text("generation_config.json", "{\"top_k\": 5}");
    scratch_write_text("confgen.json", "{\"decimals\": 3}");
    for (int i = 0; i < t.n; i++)
        t.items[i].shard = i % 2;
    write_index(&t);
    write_shard(&t, 0, "0.safetensors", 0);
    write_shard(&t, 1, "1.safetensors.zst", 1);
    ck_assert_int_eq(open_it(&m, NULL), CG_OK); /* what libraries allocate once for all */
    cg_model_close(m);
    sweep(open_it, 300);
}
END_TEST

START_TEST(random_models_survive_every_failure)
{
    sweep(randomise_it, 5);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("allocation failures");

    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_test(tc, opening_survives_every_failure);
    tcase_add_test(tc, random_models_survive_every_failure);
    tcase_set_timeout(tc, 60);
    return run_suite("allocation failures", (TCase *[]) { tc }, 1);
}
