/* SPDX-License-Identifier: MIT */
/* Each allocation fails in turn: opening a model must then fail cleanly without leaks. */
#include <stdlib.h>

#include "alloc_fail.h"
#include "tiny_model.h"

typedef cg_status (*make_fn)(cg_model **ret, cg_error *err);

static cg_status open_model(cg_model **ret, cg_error *err)
{
    return cg_model_open(scratch_dir, ret, err);
}

static cg_status make_random_model(cg_model **ret, cg_error *err)
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

        atomic_store(&alloc_failed, 0);
        atomic_store(&countdown, n);
        st = make(&m, &err);
        atomic_store(&countdown, -1);
        cg_model_close(m);
        /* Not always CG_ERR_NOMEM: asprintf() ignores a failure of its last, shrinking realloc(),
         * and jansson drops a byte or token if out of memory and then reports invalid JSON. */
        ck_assert_msg(st == CG_OK || (atomic_load(&alloc_failed) && err.code == st && err.msg[0]),
                      "allocation %ld: status %d: %s", n, st, err.msg);
        nomem += st == CG_ERR_NOMEM;
        ck_assert_msg((m != NULL) == (st == CG_OK), "allocation %ld", n);
        ck_assert_msg(atomic_load(&live) == before, "allocation %ld: %ld blocks leaked", n,
                      atomic_load(&live) - before);
        if (!atomic_load(&alloc_failed))
            break;
    }
    ck_assert_msg(nomem >= at_least, "only %ld of %ld failures reported", nomem, n);
}

START_TEST(opening_survives_every_failure)
{
    struct tiny t = tiny_model(CG_ARCH_QWEN3, 1), a = { .n = 0 };
    cg_model *m = NULL;

    write_config(CG_ARCH_QWEN3, 1);
    scratch_write_text("generation_config.json", "{\"top_k\": 5}");
    scratch_write_text("confgen.json", "{\"decimals\": 3}");
    for (int i = 0; i < t.n; i++)
        t.items[i].shard = i % 2;
    write_index(&t);
    add(&a, 2, HIDDEN, "model.layers.0.self_attn.q_proj.lora_A.weight");
    add(&a, HEADS * DIM, 2, "model.layers.0.self_attn.q_proj.lora_B.weight");
    scratch_write_text("adapter_config.json",
                       "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 2}");
    write_shard(&a, -1, "adapter_model.safetensors", 0);
    write_shard(&t, 0, "0.safetensors", 0);
    write_shard(&t, 1, "1.safetensors.zst", 1);
    ck_assert_int_eq(open_model(&m, NULL), CG_OK); /* lets libraries allocate their static data */
    cg_model_close(m);
    sweep(open_model, 300);
}
END_TEST

START_TEST(random_models_survive_every_failure)
{
    cg_model *m = NULL;

    ck_assert_int_eq(make_random_model(&m, NULL), CG_OK); /* as above */
    cg_model_close(m);
    sweep(make_random_model, 5);
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
