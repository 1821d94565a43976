/* SPDX-License-Identifier: MIT */
/* The features of attention that a plugin declares, alone and together. */
#include <math.h>
#include <stdio.h>

#include "attention_cpu.h"
#include "attention_cpu_case.h"
#include "fenced_memory.h"

static const struct {
    uint32_t bit;
    const char *name;
} features[] = {
    { CG_ATTENTION_SOFTCAP, "soft-cap" },
    { CG_ATTENTION_ALIBI, "ALiBi" },
    { CG_ATTENTION_SINK_LOGITS, "sink logits" },
    { CG_ATTENTION_SINK_TOKENS, "sink tokens" },
    { CG_ATTENTION_BIAS, "bias" },
    { CG_ATTENTION_NO_MASK, "no mask" },
    { CG_ATTENTION_VALUE_SIZE, "size of values" },
    { CG_ATTENTION_KV_SCALES, "scales of keys and values" },
    { CG_ATTENTION_POSITIONS, "positions" },
    { CG_ATTENTION_TREE, "tree" },
};
enum { N_FEATURES = sizeof features / sizeof *features };

const char *attention_feature_name(uint32_t bit)
{
    for (int32_t i = 0; i < N_FEATURES; i++)
        if (features[i].bit == bit)
            return features[i].name;
    return NULL;
}

/* ---- problems ------------------------------------------------------------------------------ */

void attention_set_latent(cg_attention_problem *p)
{
    p->features |= CG_ATTENTION_VALUE_SIZE;
    p->scale *= sqrtf((float)p->head_dim / CASE_LATENT_DIM);
    p->head_dim = CASE_LATENT_DIM;
    p->v_head_dim = CASE_LATENT_VALUES;
    p->n_kv_heads = 1;
}

void attention_set_features(attention_suite *s, uint32_t bits, cg_attention_problem *p)
{
    static const cg_dtype small[] = { CG_F8_E4M3, CG_F8_E5M2, CG_I8 };
    static const int32_t v_dims[] = { 0, 8, 16, 32, 48, 64, 80, 128 }; /* 0: of keys */

    if (bits & CG_ATTENTION_SINK_TOKENS || random_in(&s->rec, 0, 2) == 0)
        p->window = random_in(&s->rec, 1, 30);
    p->features = bits;
    if (bits & CG_ATTENTION_SOFTCAP) {
        int32_t is_far = random_in(&s->rec, 0, 3) == 0; /* exponentials of scores overflow */

        p->softcap = is_far ? 1 : (float)random_in(&s->rec, 1, 20);
        p->scale *= is_far ? 100 : 4;
    }
    if (bits & CG_ATTENTION_SINK_TOKENS)
        p->sink_tokens =
            random_in(&s->rec, 0, 3) ? random_in(&s->rec, 1, 9) : random_in(&s->rec, 10, 70);
    if (bits & CG_ATTENTION_BIAS)
        p->bias_dtype = random_in(&s->rec, CG_F32, CG_F16);
    if (bits & CG_ATTENTION_NO_MASK)
        p->mask = CG_MASK_NONE;
    if (bits & CG_ATTENTION_VALUE_SIZE)
        p->v_head_dim = v_dims[random_in(&s->rec, 0, sizeof v_dims / sizeof *v_dims - 1)];
    if (bits & CG_ATTENTION_VALUE_SIZE && random_in(&s->rec, 0, 5) == 0)
        attention_set_latent(p);
    if (bits & CG_ATTENTION_KV_SCALES && random_in(&s->rec, 0, 3))
        p->kv_dtype = small[random_in(&s->rec, 0, 2)];
}

/* ---- checks -------------------------------------------------------------------------------- */

/* Any division into calls gives the same bits, unless a row's tokens depend on the call. */
static void run_feature(attention_suite *s, cpu_case *c)
{
    const cg_attention_problem *p = &c->ac.problem;

    cpu_compare_twice(s, c);
    if (p->flags & CG_ATTENTION_BATCH_INVARIANT && c->ac.is_divisible)
        cpu_compare_splits(s, c);
}

/* Rows of q, out and bias are far apart. */
static void run_far_rows(attention_suite *s, cpu_case *c)
{
    attention_case_solve(&c->ac, s->test_host.base);
    cpu_run_and_compare(s, c, &c->memory, &(case_call) { .row_pad = (int64_t)180 << 20 });
}

/* Offsets of values, scales and bias that 32 bits do not hold. The memory is sparse. */
static void run_in_large_memory(attention_suite *s, uint32_t bits)
{
    static const case_layout layout = {
        "slots 1.2 GB apart", 0, 0, CG_KV_HND, 0, 0, 0, 1200000000
    };
    cg_attention_problem p = cpu_problem(s, 32, 2, 1, 60);

    if (!fenced_has_room((size_t)40 << 30)) /* for each of at most 8 slots all arrays */
        return;
    attention_set_features(s, bits, &p);
    (void)cpu_with_case(s, &p, &layout, 4, CPU_PROMPTS + 25, run_far_rows);
}

/* Few rounds each are of long sequences, of many, of long prompts, of many heads. */
static void run_with_features(attention_suite *s, uint32_t bits, int32_t round)
{
    static const int32_t heads[][2] = { { 40, 8 }, { 71, 1 }, { 64, 64 } };
    const uint32_t offsets = CG_ATTENTION_VALUE_SIZE | CG_ATTENTION_KV_SCALES | CG_ATTENTION_BIAS;
    cg_attention_problem p = cpu_random_problem(s, random_in(&s->rec, 1, 100));
    case_layout layout = cpu_random_layout(&s->rec);
    int32_t n_seqs = random_in(&s->rec, 1, 8), most_rows = 70;

    if (round % 15 == 1 && bits & offsets) {
        run_in_large_memory(s, bits);
        return;
    }
    switch (round % 10) {
    case 3:
        p = cpu_problem(s, 32, 4, 2, round < 10 ? 1100 : random_in(&s->rec, 130, 1500));
        n_seqs = 2;
        most_rows = 9;
        break;
    case 5:
        p = cpu_problem(s, 16, 4, 2, 30);
        n_seqs = random_in(&s->rec, 17, 60);
        most_rows = 4;
        break;
    case 7:
        p = cpu_problem(s, 16, 2, 1, random_in(&s->rec, 130, 260));
        n_seqs = 2;
        most_rows = CPU_PROMPTS;
        break;
    case 9:
        p = cpu_problem(s, 16, heads[round / 10 % 3][0], heads[round / 10 % 3][1], 40);
        n_seqs = 3;
        break;
    }
    if (random_in(&s->rec, 0, 3) == 0) {
        p.dtype = random_in(&s->rec, CG_F32, CG_F16);
        p.kv_dtype = random_in(&s->rec, CG_F32, CG_F16);
    }
    attention_set_features(s, bits, &p);
    if (round % 10 == 3 && p.window)
        p.window = random_in(&s->rec, 1, 400);
    (void)cpu_with_case(s, &p, &layout, n_seqs, most_rows, run_feature);
}

static void check_feature(attention_suite *s, int32_t bit, attention_features_fn run)
{
    const char *feature = attention_feature_name(1u << bit);
    char name[80];

    if (feature)
        snprintf(name, sizeof name, "feature: %s", feature);
    else
        snprintf(name, sizeof name, "feature: bit %d", bit);
    if (!test_begin(&s->rec, name))
        return;
    expect(&s->rec, feature != NULL, "this confgen cannot check it");
    for (int32_t round = 0; feature && round < test_rounds(&s->rec, 30) && !s->rec.gpu_lost;
         round++)
        run(s, 1u << bit, round);
    test_end(&s->rec);
}

static void check_together(attention_suite *s, attention_features_fn run)
{
    uint32_t all = attention_features(s);

    if (!(all & (all - 1)) || !test_begin(&s->rec, "features together"))
        return;
    for (int32_t round = 0; round < test_rounds(&s->rec, 60) && !s->rec.gpu_lost; round++)
        run(s, all & (uint32_t)random_u64(&s->rec), round);
    test_end(&s->rec);
}

void attention_check_each_feature(attention_suite *s, attention_features_fn run)
{
    for (int32_t bit = 0; bit < 32; bit++)
        if (attention_features(s) >> bit & 1)
            check_feature(s, bit, run);
    check_together(s, run);
}

void attention_check_features(attention_suite *s)
{
    attention_check_each_feature(s, run_with_features);
}
