/* SPDX-License-Identifier: MIT */
/*
 * tuning.json, the remembered tunings of GPUs. A tuning that is found is within its ranges, and is
 * found again as it was stored, whatever the file held before.
 */
#include <math.h>

#include "engine/tuning_cache.h"

#include "fuzz.h"

static const cg_tuning_item key[] = { { "gpu", "NVIDIA H200" }, { "model", "tiny" } };

enum { N_KEY = sizeof key / sizeof key[0] };

static int terminated(const char *text, size_t cap)
{
    return memchr(text, '\0', cap) != NULL;
}

static void check_ranges(const cg_tuning *t)
{
    require(terminated(t->attention, sizeof t->attention));
    require(terminated(t->kv_cache, sizeof t->kv_cache));
    require(t->batch_size >= 1 && t->batch_size <= CG_MAX_BATCH);
    require(t->tokens_per_second >= 0 && isfinite(t->tokens_per_second));
    require(t->seconds >= 0 && isfinite(t->seconds));
    require(t->n_attempts >= 0 && t->n_attempts <= CG_TUNING_ATTEMPTS);
    for (int32_t i = 0; i < t->n_attempts; i++) {
        const cg_tuning_attempt *a = &t->attempts[i];

        require(terminated(a->attention, sizeof a->attention));
        require(terminated(a->kv_cache, sizeof a->kv_cache));
        require(terminated(a->refused, sizeof a->refused));
        require(a->batch_size >= 1 && a->batch_size <= CG_MAX_BATCH);
        require(a->tokens_per_second >= 0 && isfinite(a->tokens_per_second));
    }
}

/* Figures are stored with 9 digits. */
static int near(double a, double b)
{
    return fabs(a - b) <= 1e-8 * fabs(a);
}

static void check_equal(const cg_tuning *a, const cg_tuning *b)
{
    require(!strcmp(a->attention, b->attention) && !strcmp(a->kv_cache, b->kv_cache));
    require(a->batch_size == b->batch_size && a->n_attempts == b->n_attempts);
    require(near(a->tokens_per_second, b->tokens_per_second) && near(a->seconds, b->seconds));
    for (int32_t i = 0; i < a->n_attempts; i++) {
        const cg_tuning_attempt *x = &a->attempts[i], *y = &b->attempts[i];

        require(!strcmp(x->attention, y->attention) && !strcmp(x->kv_cache, y->kv_cache));
        require(!strcmp(x->refused, y->refused) && x->batch_size == y->batch_size);
        require((*x->refused ? 0 : x->n_conformers) == y->n_conformers);
        require(near(*x->refused ? 0 : x->tokens_per_second, y->tokens_per_second));
    }
}

static void on_tuned(void *ctx, const cg_tuned *t)
{
    require(t->gpu && t->model && t->dtype && t->attention && t->kv_cache);
    require(t->batch_size >= 1);
    ++*(int *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cg_tuning tuning, stored;
    cg_error err = CG_ERROR_INIT;
    char path[600], listed[600];
    int found = 0, n = 0;
    cg_status st;

    setenv("CONFGEN_CACHE_DIR", fuzz_dir(), 0);
    snprintf(path, sizeof path, "%s", fuzz_write("tuning.json", data, size));
    st = cg_tuning_list(on_tuned, &n, listed, sizeof listed, &err);
    require(!strcmp(listed, path));
    if (st != CG_OK)
        require_refusal(st, &err);
    st = cg_tuning_load(path, key, N_KEY, &tuning, &found, &err);
    if (st != CG_OK)
        require_refusal(st, &err);
    if (!found)
        tuning = (cg_tuning) { .attention = "flash",
                               .kv_cache = "paged",
                               .batch_size = 512,
                               .tokens_per_second = 310000,
                               .seconds = 9.1 };
    check_ranges(&tuning);
    require_ok(cg_tuning_store(path, key, N_KEY, &tuning, &err), &err);
    require_ok(cg_tuning_load(path, key, N_KEY, &stored, &found, &err), &err);
    require(found);
    check_ranges(&stored);
    check_equal(&tuning, &stored);
    return 0;
}
