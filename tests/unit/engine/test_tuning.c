/* SPDX-License-Identifier: MIT */
/*
 * Selection by measurement: the search over executors of simulated speed; the file of remembered
 * tunings; the whole engine, with executors of the CPU instead of a GPU's.
 */
#include "base/file.h"
#include "sequence/automaton.h"
#include "engine/engine.h"
#include "engine/tuning_cache.h"
#include "plugin/registry.h"
#include "tiny_engine.h"

#include <math.h>
#include <sys/stat.h>

/* ---- executors of simulated speed --------------------------------------------------------- */

enum { PAIRS = 4, BATCHES = 6, RUN_STEPS = 8, LIFE = 400, PROMPT_STEPS = 2 };

static const int32_t batches[BATCHES] = { 64, 128, 256, 512, 1024, 2048 };
static const cg_tuning_pair pairs[PAIRS] = {
    { "flash", "paged" }, { "flash", "static" }, { "cudnn", "paged" }, { "eager", "paged" }
};

/*
 * A step takes fixed + row * batch seconds and evaluates a token of each busy slot. A sequence has
 * LIFE tokens, the first of which is in its prompt.
 */
static struct simulation {
    double fixed[PAIRS], row[PAIRS];
    double prompt[PAIRS];      /* seconds of a prompt */
    int32_t fits[PAIRS];       /* largest batch; 0: the pair is refused */
    int32_t runs_fail[PAIRS];  /* > 0: this run is out of memory */
    int32_t opens_fail[PAIRS]; /* > 0: this executor of the pair is refused, and later ones */
    int32_t n_opened[PAIRS];
    double clock;
    int opened, alive;
} world;

struct fake {
    cg_executor base;
    int32_t pair, n_slots, runs;
    int64_t steps, tokens;
    int64_t prompt_steps[64]; /* at which a prompt is ready */
    int32_t *age;             /* [n_slots] tokens; -1: free */
};

static struct fake *get(cg_executor *ex)
{
    return (struct fake *)ex;
}

static void fake_destroy(cg_executor *ex)
{
    world.alive--;
    free(get(ex)->age);
    free(ex);
}

static cg_status fake_begin_prompt(cg_executor *ex, int32_t prefix, const int32_t *tokens,
                                   int32_t n, cg_error *err)
{
    struct fake *f = get(ex);

    (void)err;
    ck_assert(prefix >= 0 && prefix < 64 && n == 2 && tokens[1] == 8);
    f->prompt_steps[prefix] = f->steps + PROMPT_STEPS;
    world.clock += world.prompt[f->pair];
    return CG_OK;
}

static int fake_prompt_ready(const cg_executor *ex, int32_t prefix)
{
    const struct fake *f = (const struct fake *)ex;

    return f->steps >= f->prompt_steps[prefix];
}

static void fake_release_prompt(cg_executor *ex, int32_t prefix)
{
    (void)ex;
    ck_assert(prefix >= 0 && prefix < 64);
}

static cg_status fake_admit(cg_executor *ex, int32_t slot, int32_t prefix,
                            const cg_sequence_job *job, cg_error *err)
{
    struct fake *f = get(ex);

    (void)err;
    ck_assert(slot < f->n_slots && fake_prompt_ready(ex, prefix) && f->age[slot] < 0);
    ck_assert_uint_lt(job->key.generation, 1 << 20);
    f->age[slot] = 0;
    return CG_OK;
}

static cg_status fake_run(cg_executor *ex, int32_t max_steps, cg_error *err)
{
    struct fake *f = get(ex);

    if (max_steps > RUN_STEPS)
        max_steps = RUN_STEPS;
    if (++f->runs == world.runs_fail[f->pair]) {
        snprintf(err->msg, sizeof err->msg, "the cache cannot grow");
        return err->code = CG_ERR_DEVICE_NOMEM;
    }
    f->steps += max_steps;
    for (int32_t i = 0; i < f->n_slots; i++)
        if (f->age[i] >= 0 && f->age[i] < LIFE) {
            f->age[i] += max_steps;
            f->tokens += max_steps;
        }
    world.clock += max_steps * (world.fixed[f->pair] + world.row[f->pair] * f->n_slots);
    return CG_OK;
}

static int fake_collect(cg_executor *ex, cg_sequence_result *ret_result)
{
    struct fake *f = get(ex);

    for (int32_t i = 0; i < f->n_slots; i++)
        if (f->age[i] >= LIFE) {
            *ret_result = (cg_sequence_result) {
                .slot = i,
                .done = CG_SEQUENCE_COMPLETE,
                .n_tokens = LIFE,
                .n_sampled = LIFE,
            };
            return 1;
        }
    return 0;
}

static void fake_release(cg_executor *ex, int32_t slot)
{
    get(ex)->age[slot] = -1;
}

static void fake_stats(const cg_executor *ex, cg_executor_stats *ret_stats)
{
    const struct fake *f = (const struct fake *)ex;

    *ret_stats = (cg_executor_stats) { .steps = f->steps, .tokens = f->tokens };
}

static const struct cg_executor_ops fake_ops = {
    .destroy = fake_destroy,
    .begin_prompt = fake_begin_prompt,
    .prompt_ready = fake_prompt_ready,
    .release_prompt = fake_release_prompt,
    .admit = fake_admit,
    .run = fake_run,
    .collect = fake_collect,
    .release = fake_release,
    .stats = fake_stats,
};

static cg_status fake_open(void *ctx, int32_t pair, int32_t batch_size, cg_executor **ret_executor,
                           cg_error *err)
{
    struct fake *f;

    (void)ctx;
    world.opened++;
    world.n_opened[pair]++;
    if (!world.fits[pair] ||
        (world.opens_fail[pair] && world.n_opened[pair] >= world.opens_fail[pair])) {
        snprintf(err->msg, sizeof err->msg, "attention '%s': not on this GPU",
                 pairs[pair].attention);
        return err->code = CG_ERR_UNSUPPORTED;
    }
    if (batch_size > world.fits[pair]) {
        snprintf(err->msg, sizeof err->msg, "no memory for %d", batch_size);
        return err->code = CG_ERR_DEVICE_NOMEM;
    }
    f = calloc(1, sizeof *f);
    f->base.ops = &fake_ops;
    f->pair = pair;
    f->n_slots = batch_size;
    f->age = malloc((size_t)batch_size * sizeof *f->age);
    for (int32_t i = 0; i < batch_size; i++)
        f->age[i] = -1;
    world.alive++;
    *ret_executor = &f->base;
    return CG_OK;
}

static double fake_now(void *ctx)
{
    (void)ctx;
    return world.clock;
}

static const int32_t prompt[2] = { 7, 8 };
static cg_tuner tuner;
static cg_tuning tuning;
static cg_error err;

static void setup_search(void)
{
    world = (struct simulation) { .clock = 100 };
    for (int i = 0; i < PAIRS; i++) {
        world.fixed[i] = 1e-3;
        world.row[i] = 1e-6;
        world.fits[i] = 1 << 20;
    }
    tuner = (cg_tuner) { .pairs = pairs,
                         .n_pairs = PAIRS,
                         .batches = batches,
                         .n_batches = BATCHES,
                         .works = { { .prompt = prompt, .n_prompt = 2 },
                                    { .prompt = prompt, .n_prompt = 2, .molecule = 1 } },
                         .n_works = 2,
                         .device = CG_DEVICE_CUDA,
                         .seconds = 0.8,
                         .budget = 1000,
                         .has_jobs = 1,
                         .open = fake_open,
                         .now = fake_now };
    err = (cg_error)CG_ERROR_INIT;
}

static void tune_ok(void)
{
    ck_assert_msg(cg_tune(&tuner, &tuning, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(world.alive, 0);
}

/* The attempt of a pair and batch: a job, or a short time. */
static const cg_tuning_attempt *find(const char *attention, const char *cache, int32_t batch,
                                     int is_job)
{
    for (int32_t i = 0; i < tuning.n_attempts; i++) {
        const cg_tuning_attempt *a = &tuning.attempts[i];

        if (!strcmp(a->attention, attention) && !strcmp(a->kv_cache, cache) &&
            a->batch_size == batch && (a->n_conformers > 0) == is_job)
            return a;
    }
    return NULL;
}

static const cg_tuning_attempt *short_time(const char *attention, const char *cache, int32_t batch)
{
    return find(attention, cache, batch, 0);
}

static const cg_tuning_attempt *job_of(const char *attention, const char *cache, int32_t batch)
{
    return find(attention, cache, batch, 1);
}

static int32_t count_jobs(void)
{
    int32_t n = 0;

    for (int32_t i = 0; i < tuning.n_attempts; i++)
        n += tuning.attempts[i].n_conformers > 0;
    return n;
}

static int32_t count_short_times(void)
{
    int32_t n = 0;

    for (int32_t i = 0; i < tuning.n_attempts; i++)
        n += !tuning.attempts[i].n_conformers && !tuning.attempts[i].refused[0];
    return n;
}

START_TEST(smallest_batch_near_the_best_is_selected)
{
    /* batch / (1e-3 + 1e-6 batch): 2048 gives 671,917 tokens/s, 1024 505,929 */
    tune_ok();
    ck_assert_int_eq(tuning.batch_size, 2048);
    ck_assert_str_eq(tuning.attention, "flash");
    ck_assert_str_eq(tuning.kv_cache, "paged");
    ck_assert_double_eq_tol(short_time("flash", "paged", 64)->tokens_per_second, 60150, 10);
    ck_assert_double_eq_tol(short_time("flash", "paged", 2048)->tokens_per_second, 671917, 100);
    /* three pairs of equal speed, at 2048 and 1024; filling and emptying the slots takes time */
    ck_assert_int_eq(tuning.n_attempts, BATCHES + PAIRS - 1 + 6);
    ck_assert_int_eq(count_jobs(), 6);
    ck_assert_int_eq(job_of("flash", "paged", 1024)->n_conformers, 2048);
    ck_assert_double_lt(tuning.tokens_per_second, 671917);
    ck_assert_double_gt(tuning.tokens_per_second, 0.8 * 671917);
    ck_assert_double_eq(tuning.tokens_per_second,
                        job_of("flash", "paged", 2048)->tokens_per_second);
    ck_assert(tuning.seconds > 1 && tuning.seconds < 40);

    /* 97.2 % of 512's at 128; the search ends after two batches without a gain */
    setup_search();
    for (int i = 0; i < PAIRS; i++)
        world.fixed[i] = 5e-6;
    tune_ok();
    ck_assert_int_eq(tuning.batch_size, 128);
    ck_assert_ptr_nonnull(short_time("flash", "paged", 512));
    ck_assert_ptr_null(short_time("flash", "paged", 1024));
    ck_assert_ptr_nonnull(job_of("flash", "paged", 64));
    ck_assert_ptr_nonnull(job_of("flash", "paged", 256));
}
END_TEST

START_TEST(another_pair_must_be_faster)
{
    world.fixed[1] = 0.995e-3; /* less than the variation between runs */
    tune_ok();
    ck_assert_str_eq(tuning.kv_cache, "paged");
    ck_assert_str_eq(tuning.attention, "flash");

    setup_search();
    world.fixed[2] = 0.8e-3;
    tune_ok();
    ck_assert_str_eq(tuning.attention, "cudnn");
    ck_assert_double_eq_tol(short_time("cudnn", "paged", 2048)->tokens_per_second, 2048 / 2.848e-3,
                            100);
}
END_TEST

/* As in a table of bench decode: what a short time with one prompt does not show. */
START_TEST(jobs_decide)
{
    world.prompt[0] = world.prompt[2] = 2e-3; /* 1,024 prompts */
    world.fixed[2] = 0.95e-3;
    world.fixed[3] = 1.05e-3;
    tune_ok();
    ck_assert_double_gt(short_time("flash", "paged", 2048)->tokens_per_second,
                        short_time("flash", "static", 2048)->tokens_per_second - 1);
    ck_assert_str_eq(tuning.attention, "flash");
    ck_assert_str_eq(tuning.kv_cache, "static");
    ck_assert_double_gt(job_of("flash", "static", 2048)->tokens_per_second,
                        1.1 * job_of("flash", "paged", 2048)->tokens_per_second);
    ck_assert_ptr_null(job_of("eager", "paged", 2048)); /* the fourth */
    ck_assert_ptr_null(job_of("flash", "paged", 1024)); /* far behind at 2048 */
    ck_assert_ptr_nonnull(job_of("flash", "static", 1024));
}
END_TEST

START_TEST(another_pair_may_win_at_another_batch)
{
    world.fits[0] = world.fits[1] = world.fits[2] = 600;
    tune_ok();
    ck_assert_ptr_null(job_of("eager", "paged", 512)); /* the fourth of equals */
    ck_assert_int_eq(tuning.batch_size, 512);

    setup_search();
    world.fits[0] = world.fits[1] = world.fits[2] = 600;
    world.fixed[3] = 0.99e-3;
    tune_ok();
    ck_assert_str_eq(tuning.attention, "eager");
    ck_assert_int_eq(tuning.batch_size, 1024);
    ck_assert_str_eq(short_time("flash", "paged", 1024)->refused, "no memory for 1024");
}
END_TEST

START_TEST(hopeless_attempt_is_stopped)
{
    double all, but_one;

    world.fixed[3] = 3e-3;
    tune_ok();
    all = tuning.seconds;
    ck_assert_double_gt(short_time("eager", "paged", 2048)->tokens_per_second, 0);
    ck_assert_ptr_null(job_of("eager", "paged", 2048));
    setup_search();
    tuner.n_pairs = 3;
    tune_ok();
    but_one = tuning.seconds;
    ck_assert_double_lt(all - but_one, 0.5); /* of 0.8 and the warm-up */

    /* a job far behind the best one */
    setup_search();
    tuner.n_pairs = 2;
    world.prompt[1] = 20e-3;
    tune_ok();
    ck_assert_ptr_null(job_of("flash", "static", 2048));
    ck_assert_int_eq(tuning.attempts[tuning.n_attempts - 1].n_conformers, 2048);
    ck_assert_str_eq(tuning.kv_cache, "paged");
}
END_TEST

START_TEST(memory_bounds_the_batch)
{
    world.fits[0] = world.fits[3] = 600;
    world.fits[1] = 500;
    world.runs_fail[2] = 5;
    tune_ok();
    ck_assert_int_eq(tuning.batch_size, 512);
    ck_assert_str_eq(short_time("flash", "paged", 1024)->refused, "no memory for 1024");
    ck_assert_ptr_null(short_time("flash", "paged", 2048));
    ck_assert_str_eq(short_time("flash", "static", 512)->refused, "no memory for 512");
    ck_assert_str_eq(short_time("cudnn", "paged", 512)->refused, "the cache cannot grow");
    ck_assert_str_eq(short_time("cudnn", "paged", 512)->attention, "cudnn");
    ck_assert_double_eq(short_time("cudnn", "paged", 512)->tokens_per_second, 0);

    /* a job that fails, though the short time did not */
    setup_search();
    world.fixed[0] = 0.9e-3;
    world.opens_fail[0] = BATCHES + 1;
    tune_ok();
    ck_assert_str_eq(tuning.attention, "flash");
    ck_assert_str_eq(tuning.kv_cache, "static");
    for (int i = 0; i < PAIRS; i++)
        ck_assert_ptr_null(job_of("flash", "paged", batches[i]));

    /* all jobs */
    setup_search();
    tuner.n_pairs = 1;
    world.opens_fail[0] = BATCHES + 1;
    tune_ok();
    ck_assert_int_eq(tuning.batch_size, 2048);
    ck_assert_int_eq(count_jobs(), 0);
}
END_TEST

START_TEST(failing_default_is_replaced)
{
    world.fits[0] = world.fits[1] = 0;
    tune_ok();
    ck_assert_str_eq(tuning.attention, "cudnn");
    ck_assert_int_eq(tuning.batch_size, 2048);
    ck_assert_int_eq(tuning.n_attempts, 2 + BATCHES + 1 + 4);

    setup_search();
    for (int i = 0; i < PAIRS; i++)
        world.fits[i] = 0;
    ck_assert_int_eq(cg_tune(&tuner, &tuning, &err), CG_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.msg, "attention 'flash': not on this GPU");
    ck_assert_int_eq(world.opened, PAIRS);
}
END_TEST

START_TEST(time_is_bounded)
{
    const char *last;
    int32_t batch_size;

    tuner.budget = 8; /* half of it is over with the search of the batch */
    tune_ok();
    ck_assert_double_lt(tuning.seconds, 8 + 16 * 0.8);
    last = short_time("eager", "paged", tuning.batch_size)->refused;
    ck_assert_msg(strstr(last, "left out: tuning has taken ") != NULL, "%s", last);
    ck_assert_int_ge(count_jobs(), 1);
    ck_assert_int_gt(tuning.batch_size, 64);

    /* a step takes so long that no job is completed, and on the CPU steps are few */
    setup_search();
    tuner.device = CG_DEVICE_CPU;
    for (int i = 0; i < PAIRS; i++) {
        world.fixed[i] = 0.5;
        world.row[i] = 1e-3;
    }
    tuner.budget = 60;
    tune_ok();
    ck_assert_int_eq(count_jobs(), 0);
    ck_assert_double_gt(tuning.tokens_per_second, 0);
    ck_assert_double_lt(tuning.seconds, 60 + 16 * 0.8 + 20);

    /* the batch is searched in any case */
    setup_search();
    tune_ok();
    batch_size = tuning.batch_size;
    setup_search();
    tuner.budget = 0;
    tune_ok();
    ck_assert_int_eq(count_jobs(), 0);
    ck_assert_int_eq(tuning.batch_size, batch_size);
    ck_assert_str_eq(tuning.kv_cache, "paged");
}
END_TEST

START_TEST(short_times_alone)
{
    int32_t n;

    tuner.has_jobs = 0;
    world.fixed[1] = 0.5e-3;
    tune_ok();
    ck_assert_int_eq(count_jobs(), 0);
    ck_assert_str_eq(tuning.kv_cache, "static");
    tuner.budget = 6; /* all of it is for short times, with jobs half of it */
    tune_ok();
    n = count_short_times();
    tuner.has_jobs = 1;
    tune_ok();
    ck_assert_int_lt(count_short_times(), n);
}
END_TEST

START_TEST(single_batch)
{
    static const int32_t one = 300;

    tuner.batches = &one;
    tuner.n_batches = 1;
    world.fixed[1] = 0.5e-3;
    tune_ok();
    ck_assert_int_eq(tuning.batch_size, 300);
    ck_assert_str_eq(tuning.kv_cache, "static");
    ck_assert_int_eq(tuning.n_attempts, PAIRS + 1); /* the others are more than 10 % behind */
    ck_assert_int_eq(count_jobs(), 1);
    tuner.n_batches = 0;
    ck_assert_int_eq(cg_tune(&tuner, &tuning, &err), CG_ERR_LIMIT);
    setup_search();
    tuner.n_works = 0;
    ck_assert_int_eq(cg_tune(&tuner, &tuning, &err), CG_ERR_LIMIT);
}
END_TEST

START_TEST(figures_as_text)
{
    static const cg_tuning_attempt left_out = {
        .batch_size = 512, .attention = "hopper", .kv_cache = "static", .refused = "not so"
    };
    char text[640], cut[24];

    world.fits[0] = 150;
    world.fits[2] = 0;
    world.fixed[1] = 0.8e-3;
    tuner.n_pairs = 3;
    tuner.left_out = &left_out;
    tuner.n_left_out = 1;
    tune_ok();
    for (int32_t i = 0; i < tuning.n_attempts; i++)
        if (tuning.attempts[i].n_conformers) /* their seconds depend on the schedule */
            tuning.attempts[i].tokens_per_second = 1234.5 * (double)tuning.attempts[i].batch_size;
    cg_tuning_text(&tuning, text, sizeof text);
    ck_assert_str_eq(text, "flash/static 128: 158,016 tokens/s of 256 conformers; "
                           "flash/static 256: 316,032 of 512; "
                           "short: flash/paged 64: 60,150; flash/paged 128: 113,475; "
                           "flash/static 128: 137,931; "
                           "flash/paged 256 refused: no memory for 256; "
                           "cudnn/paged 128 refused: attention 'cudnn': not on this GPU; "
                           "flash/static 64 left out: its job takes more than 0.5 s; "
                           "hopper/static 512 refused: not so");
    for (size_t cap = 1; cap < sizeof cut; cap++)
        ck_assert_uint_lt(strlen(cg_tuning_text(&tuning, cut, cap)), cap);
    tuning.n_attempts = 0;
    ck_assert_str_eq(cg_tuning_text(&tuning, text, sizeof text), "");
}
END_TEST

/* ---- the file ----------------------------------------------------------------------------- */

static const cg_tuning_item key[] = {
    { "confgen", "0.1.0" },   { "gpu", "NVIDIA H200" }, { "driver", "13000" },
    { "model", "a shape" },   { "dtype", "bf16" },      { "kv_dtype", "fp8" },
    { "max_length", "4096" }, { "batch_size", "0" },    { "plugins", "flash 1, paged 1" },
};
enum { KEYS = sizeof key / sizeof key[0] };

static char path[512];

static void setup_file(void)
{
    scratch_make();
    snprintf(path, sizeof path, "%s", scratch_path("a/b/tuning.json"));
    err = (cg_error)CG_ERROR_INIT;
    tuning = (cg_tuning) { .attention = "flash",
                           .kv_cache = "static",
                           .batch_size = 512,
                           .n_attempts = 2,
                           .tokens_per_second = 310000.5,
                           .seconds = 9.25 };
    for (int i = 0; i < 2; i++)
        tuning.attempts[i] = (cg_tuning_attempt) { CG_SIZED(cg_tuning_attempt), .batch_size = 512,
                                                   .attention = "flash", .kv_cache = "static" };
    tuning.attempts[0].tokens_per_second = 310000.5;
    tuning.attempts[0].n_conformers = 1024;
    snprintf(tuning.attempts[1].refused, sizeof tuning.attempts[1].refused, "no \"memory\"");
}

static int load(const cg_tuning_item *k, cg_tuning *ret)
{
    int found = -1;

    ck_assert_msg(cg_tuning_load(path, k, KEYS, ret, &found, &err) == CG_OK, "%s", err.msg);
    return found;
}

static void store(void)
{
    ck_assert_msg(cg_tuning_store(path, key, KEYS, &tuning, &err) == CG_OK, "%s", err.msg);
}

START_TEST(stored_tuning_is_found)
{
    cg_tuning got = { .batch_size = 1 };

    ck_assert_int_eq(load(key, &got), 0); /* no file */
    store();
    ck_assert_int_eq(load(key, &got), 1);
    ck_assert_str_eq(got.attention, "flash");
    ck_assert_str_eq(got.kv_cache, "static");
    ck_assert_int_eq(got.batch_size, 512);
    ck_assert_double_eq_tol(got.tokens_per_second, 310000.5, 0.01);
    ck_assert_double_eq_tol(got.seconds, 9.25, 1e-6);
    ck_assert_int_eq(got.n_attempts, 2);
    ck_assert_double_eq_tol(got.attempts[0].tokens_per_second, 310000.5, 0.01);
    ck_assert_str_eq(got.attempts[0].refused, "");
    ck_assert_int_eq(got.attempts[0].n_conformers, 1024);
    ck_assert_str_eq(got.attempts[1].refused, "no \"memory\"");
    ck_assert_double_eq(got.attempts[1].tokens_per_second, 0);
    tuning.batch_size = 256; /* replaces it */
    store();
    ck_assert_int_eq(load(key, &got), 1);
    ck_assert_int_eq(got.batch_size, 256);
    shell("test \"$(ls '%s/a/b')\" = tuning.json", scratch_dir); /* no temporary file is left */
    shell("test \"$(grep -c '\"key\"' '%s')\" = 1", path);
}
END_TEST

START_TEST(every_part_of_the_key_counts)
{
    cg_tuning_item other[KEYS];
    cg_tuning got;

    store();
    memcpy(other, key, sizeof key);
    other[_i].value = "something else";
    ck_assert_int_eq(load(other, &got), 0);
    memcpy(other, key, sizeof key);
    other[_i].key = "another";
    ck_assert_int_eq(load(other, &got), 0);
}
END_TEST

/* A key of fewer items, as in data/tunings.json. */
START_TEST(shipped_tuning_is_found_by_a_part_of_the_key)
{
    cg_tuning_item other[KEYS];
    cg_tuning got = { .batch_size = 1 };
    int found = -1;

    ck_assert_int_eq(cg_tuning_load_shipped(path, key, KEYS, &got, &found, &err), CG_OK);
    ck_assert_int_eq(found, 0); /* no file */
    ck_assert_int_eq(cg_tuning_store(path, key + 1, 4, &tuning, &err), CG_OK);
    tuning.batch_size = 256; /* a later one for the same GPU and model is not reached */
    ck_assert_int_eq(cg_tuning_store(path, key + 1, 3, &tuning, &err), CG_OK);
    ck_assert_int_eq(load(key, &got), 0);
    ck_assert_int_eq(cg_tuning_load_shipped(path, key, KEYS, &got, &found, &err), CG_OK);
    ck_assert_int_eq(found, 1);
    ck_assert_int_eq(got.batch_size, 512);
    memcpy(other, key, sizeof key);
    other[4].value = "f16"; /* only the second fits */
    ck_assert_int_eq(cg_tuning_load_shipped(path, other, KEYS, &got, &found, &err), CG_OK);
    ck_assert_int_eq(found, 1);
    ck_assert_int_eq(got.batch_size, 256);
    other[1].value = "NVIDIA H100";
    ck_assert_int_eq(cg_tuning_load_shipped(path, other, KEYS, &got, &found, &err), CG_OK);
    ck_assert_int_eq(found, 0);
}
END_TEST

/* The shape is that of the model in the same folder: a model of another one needs other tunings. */
START_TEST(shipped_file_has_the_default_model)
{
    const cg_tuning_item h200[] = {
        { "gpu", "NVIDIA H200" },
        { "memory", "140 GiB" },
        { "model", "Qwen3ForCausalLM, 10 layers of 512, heads 8/4 of 64, intermediate 1280, "
                   "vocabulary 2304" },
        { "constraint", "grammar" },
        { "dtype", "bf16" },
        { "kv_dtype", "bf16" },
        { "geometry", "repair" },
        { "deterministic", "no" },
        { "max_length", "2048" },
        { "step_tokens", "0" },
        { "prompt_step_tokens", "0" },
        { "batch_size", "0" },
    };
    cg_tuning got = { .batch_size = 1 };
    int found = -1;

    snprintf(path, sizeof path, "%s/data/tunings.json", getenv("CONFGEN_SOURCE_ROOT"));
    ck_assert_msg(cg_tuning_load_shipped(path, h200, sizeof h200 / sizeof h200[0], &got, &found,
                                         &err) == CG_OK,
                  "%s", err.msg);
    ck_assert_int_eq(found, 1);
    ck_assert_str_eq(got.attention, "flash");
    ck_assert_int_ge(got.batch_size, 1024);
}
END_TEST

START_TEST(key_that_is_not_utf8_is_refused)
{
    cg_tuning_item other[KEYS];
    cg_tuning got;
    int found = 1;

    store();
    memcpy(other, key, sizeof key);
    other[KEYS - 1].value = "caf\xe9";
    ck_assert_int_eq(cg_tuning_load(path, other, KEYS, &got, &found, &err), CG_ERR_INPUT);
    ck_assert_int_eq(found, 0);
    ck_assert_int_eq(cg_tuning_store(path, other, KEYS, &tuning, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, "is not UTF-8");
    ck_assert_int_eq(load(key, &got), 1);
}
END_TEST

START_TEST(damaged_file_is_replaced)
{
    static const char *const texts[] = {
        "",
        "not JSON",
        "[]",
        "{}",
        "{\"confgen_tuning\": 2, \"choices\": []}",
        "{\"confgen_tuning\": 1}",
        "{\"confgen_tuning\": 1, \"choices\": {}}",
        "{\"confgen_tuning\": 1, \"choices\": [1]}",
        "{\"confgen_tuning\": 1, \"choices\": [{\"key\": 1}]}",
        "{\"confgen_tuning\": 1, \"choices\": [",
    };
    cg_tuning got;
    int found;

    snprintf(path, sizeof path, "%s", scratch_write_text("t.json", texts[_i]));
    ck_assert_int_eq(cg_tuning_load(path, key, KEYS, &got, &found, &err), CG_ERR_FORMAT);
    ck_assert_int_eq(found, 0);
    ck_assert_contains(err.msg, "t.json");
    if (strstr(texts[_i], "\"confgen_tuning\": 2"))
        ck_assert_contains(err.msg, "found format version 2, wanted 1");
    store();
    ck_assert_int_eq(load(key, &got), 1);
}
END_TEST

/* A tuning with the right key and wrong contents. */
START_TEST(damaged_tuning_is_not_used)
{
    static const char *const edits[] = {
        "s/\"batch_size\": 512/\"batch_size\": 0/",
        "s/\"batch_size\": 512/\"batch_size\": \"512\"/",
        "s/\"attention\": \"flash\"/\"attention\": 5/",
        "s/\"attention\": \"flash\"/\"attention\": \"a_name_of_more_than_thirty_one_letters\"/",
        "s/\"figures\": \\[/\"figures\": [3,/",
        "s/\"figures\"/\"fig\"/",
        "s/\"tokens_per_second\": /&-/",
    };
    cg_tuning got;
    int found = 1;

    store();
    shell("sed -i '%s' '%s'", edits[_i], path);
    ck_assert_int_eq(cg_tuning_load(path, key, KEYS, &got, &found, &err), CG_ERR_FORMAT);
    ck_assert_int_eq(found, 0);
    store();
    ck_assert_int_eq(load(key, &got), 1);
}
END_TEST

START_TEST(oldest_tunings_are_dropped)
{
    cg_tuning_item k[KEYS];
    cg_tuning got;
    char number[16];

    memcpy(k, key, sizeof key);
    k[0].value = number;
    tuning.n_attempts = 0;
    for (int i = 0; i < 260; i++) {
        snprintf(number, sizeof number, "%d", i);
        ck_assert_int_eq(cg_tuning_store(path, k, KEYS, &tuning, &err), CG_OK);
    }
    ck_assert_int_eq(load(k, &got), 1);
    snprintf(number, sizeof number, "%d", 3);
    ck_assert_int_eq(load(k, &got), 0);
    snprintf(number, sizeof number, "%d", 4);
    ck_assert_int_eq(load(k, &got), 1);
}
END_TEST

static void count_tuned(void *ctx, const cg_tuned *tuned)
{
    int *n = ctx;

    ck_assert_str_eq(tuned->gpu, "NVIDIA H200");
    ck_assert_str_eq(tuned->model, "a shape");
    ck_assert_str_eq(tuned->dtype, "bf16");
    ck_assert_str_eq(tuned->kv_dtype, "fp8");
    ck_assert_str_eq(tuned->attention, "flash");
    ck_assert_str_eq(tuned->kv_cache, "static");
    ck_assert_int_eq(tuned->batch_size, 512);
    ++*n;
}

START_TEST(path_and_listing)
{
    char got[512], small[16];
    int n = 0;

    unsetenv("CONFGEN_CACHE_DIR");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    ck_assert_int_eq(cg_tuning_path(got, sizeof got, &err), CG_OK);
    ck_assert_str_eq(got, "");
    ck_assert_int_eq(cg_tuning_list(count_tuned, &n, got, sizeof got, &err), CG_OK);
    setenv("HOME", "/home/x", 1);
    ck_assert_int_eq(cg_tuning_path(got, sizeof got, &err), CG_OK);
    ck_assert_str_eq(got, "/home/x/.cache/confgen/tuning.json");
    setenv("XDG_CACHE_HOME", "/var/x", 1);
    ck_assert_int_eq(cg_tuning_path(got, sizeof got, &err), CG_OK);
    ck_assert_str_eq(got, "/var/x/confgen/tuning.json");
    setenv("CONFGEN_CACHE_DIR", scratch_dir, 1);
    ck_assert_int_eq(cg_tuning_path(got, sizeof got, &err), CG_OK);
    snprintf(path, sizeof path, "%s", scratch_path("tuning.json"));
    ck_assert_str_eq(got, path);
    ck_assert_int_eq(cg_tuning_path(small, sizeof small, &err), CG_ERR_LIMIT);
    store();
    ck_assert_int_eq(cg_tuning_list(count_tuned, &n, got, sizeof got, &err), CG_OK);
    ck_assert_int_eq(n, 1);
    ck_assert_str_eq(got, path);
    ck_assert_int_eq(cg_tuning_store("/proc/nowhere/t.json", key, KEYS, &tuning, &err), CG_ERR_IO);
    ck_assert_contains(err.msg, "'/proc/nowhere/t.json': cannot be written");
}
END_TEST

/* ---- engine ------------------------------------------------------------------------------- */

static char log_text[1 << 14];

static void on_log(void *ctx, int32_t level, const char *text)
{
    size_t n = strlen(log_text);

    (void)ctx;
    snprintf(log_text + n, sizeof log_text - n, "%d %s\n", level, text);
}

static cg_engine_options options;
static char model_path[512];

static void setup_engine(void)
{
    scratch_make();
    write_tiny_model();
    setenv("CONFGEN_CACHE_DIR", scratch_dir, 1);
    snprintf(model_path, sizeof model_path, "%s", scratch_path("model"));
    options = (cg_engine_options) {
        CG_SIZED(cg_engine_options), .model = model_path, .threads = 1,  .template_workers = 1,
        .max_length = 128,           .device = "cpu",     .log = on_log, .geometry = "off"
    };
    log_text[0] = '\0';
    err = (cg_error)CG_ERROR_INIT;
}

static cg_engine *open_measured(void)
{
    cg_engine_test_hooks hooks = { .cpu_attempt_seconds = 0.004 };
    cg_engine *engine = NULL;

    log_text[0] = '\0';
    ck_assert_msg(cg_engine_open_with(&options, &hooks, &engine, &err) == CG_OK, "%s", err.msg);
    return engine;
}

START_TEST(measured_once_then_remembered)
{
    cg_engine *engine = open_measured();
    const cg_engine_info *info = cg_engine_get_info(engine);
    char attention[32], cache[32];
    int32_t batch_size = info->batch_size;

    ck_assert_int_gt(info->n_attempts, 6); /* 2 attentions over 3 caches, some batches */
    ck_assert_contains(info->tuning, "measured in ");
    ck_assert_contains(info->attention_reason, "auto: measured: ");
    ck_assert_contains(info->attention_reason, "short: flash/paged 16: ");
    ck_assert_contains(info->batch_reason, "within 3 %");
    ck_assert_contains(log_text, "2 cpu: measuring attention, KV cache and batch size");
    ck_assert_contains(log_text, "measured in ");
    snprintf(attention, sizeof attention, "%s", info->attention);
    snprintf(cache, sizeof cache, "%s", info->kv_cache);
    cg_engine_close(engine);

    engine = open_measured();
    info = cg_engine_get_info(engine);
    ck_assert_contains(info->tuning, "remembered in ");
    ck_assert_int_gt(info->n_attempts, 6);
    ck_assert_ptr_null(strstr(log_text, "measuring"));
    ck_assert_str_eq(info->attention, attention);
    ck_assert_str_eq(info->kv_cache, cache);
    ck_assert_int_eq(info->batch_size, batch_size);
    cg_engine_close(engine);

    options.workload = 10; /* no more slots than conformers */
    engine = open_measured();
    info = cg_engine_get_info(engine);
    ck_assert_int_eq(info->batch_size, 10);
    ck_assert_str_eq(info->batch_reason, "auto: all requested conformers");
    cg_engine_close(engine);
}
END_TEST

START_TEST(reasons_not_to_measure)
{
    cg_engine *engine;
    const cg_engine_info *info;

    options.workload = 100;
    engine = open_measured();
    info = cg_engine_get_info(engine);
    ck_assert_int_eq(info->n_attempts, 0);
    ck_assert_str_eq(info->tuning, "not measured: too few conformers are requested");
    ck_assert_str_eq(info->attention, "flash");
    ck_assert_int_eq(info->batch_size, 100);
    cg_engine_close(engine);

    options.workload = 1100;
    engine = open_measured();
    info = cg_engine_get_info(engine);
    ck_assert_int_eq(info->batch_size, 367);
    ck_assert_str_eq(info->batch_reason, "auto: the requested conformers, in 3 equal batches");
    cg_engine_close(engine);

    options.workload = 4 * 512 + 1;
    engine = open_measured();
    ck_assert_int_eq(cg_engine_get_info(engine)->batch_size, 512);
    cg_engine_close(engine);

    options.workload = 0;
    options.tuning = CG_TUNING_NEVER;
    engine = open_measured();
    info = cg_engine_get_info(engine);
    ck_assert_str_eq(info->tuning, "auto-tuning disabled (--tune never)");
    ck_assert_int_eq(info->batch_size, 512);
    ck_assert_contains(info->kv_cache_reason, "auto: the default, auto-tuning disabled");
    cg_engine_close(engine);

    options.tuning = CG_TUNING_ALWAYS; /* but nothing is left to select */
    options.attention = "eager";
    options.kv_cache = "static";
    options.batch_size = 3;
    engine = open_measured();
    info = cg_engine_get_info(engine);
    ck_assert_str_eq(info->tuning, "");
    ck_assert_str_eq(info->attention_reason, "requested");
    ck_assert_int_eq(info->batch_size, 3);
    cg_engine_close(engine);
    ck_assert_int_ne(access(scratch_path("tuning.json"), F_OK), 0);
}
END_TEST

START_TEST(requested_settings_are_kept)
{
    cg_engine *engine;
    cg_tuning_attempt attempt = { CG_SIZED(cg_tuning_attempt) };
    const cg_engine_info *info;

    options.attention = "eager";
    options.batch_size = 8;
    options.tuning = CG_TUNING_ALWAYS;
    engine = open_measured();
    info = cg_engine_get_info(engine);
    ck_assert_str_eq(info->attention, "eager");
    ck_assert_str_eq(info->attention_reason, "requested");
    ck_assert_str_eq(info->batch_reason, "requested");
    ck_assert_int_eq(info->batch_size, 8);
    ck_assert_int_ge(info->n_attempts, 3 + 1); /* three caches, one to three jobs */
    ck_assert_int_le(info->n_attempts, 3 + 3);
    for (int32_t i = 0; i < info->n_attempts; i++) {
        ck_assert_int_eq(cg_engine_get_attempt(engine, i, &attempt), 1);
        ck_assert_str_eq(attempt.attention, "eager");
    }
    ck_assert_int_eq(cg_engine_get_attempt(engine, info->n_attempts, &attempt), 0);
    cg_engine_close(engine);
}
END_TEST

/* A shipped tuning is used instead of a measurement, but not instead of a remembered one. */
START_TEST(shipped_tuning_is_used_where_none_is_remembered)
{
    const cg_engine_info *info;
    cg_engine *engine;

    setenv("CONFGEN_DATA", scratch_dir, 1);
    scratch_write_text(
        "tunings.json",
        "{\"confgen_tuning\": 1, \"choices\": [{\"key\": {\"dtype\": \"f32\"}, "
        "\"attention\": \"eager\", \"kv_cache\": \"static\", \"batch_size\": 24, "
        "\"tokens_per_second\": 5, \"seconds\": 1, \"figures\": [{\"attention\": \"eager\", "
        "\"kv_cache\": \"static\", \"batch_size\": 24, \"tokens_per_second\": 5}]}]}");
    engine = open_measured();
    info = cg_engine_get_info(engine);
    ck_assert_contains(info->tuning, "shipped in ");
    ck_assert_contains(info->tuning, "tunings.json");
    ck_assert_str_eq(info->attention, "eager");
    ck_assert_str_eq(info->kv_cache, "static");
    ck_assert_int_eq(info->batch_size, 24);
    ck_assert_ptr_null(strstr(log_text, "measuring"));
    cg_engine_close(engine);

    options.attention = "flash"; /* the shipped pair is no candidate */
    options.tuning = CG_TUNING_NEVER;
    engine = open_measured();
    ck_assert_int_eq(cg_engine_get_info(engine)->n_attempts, 0);
    cg_engine_close(engine);
    options.tuning = CG_TUNING_AUTO;
    engine = open_measured();
    ck_assert_contains(cg_engine_get_info(engine)->tuning, "measured in ");
    cg_engine_close(engine);
    engine = open_measured();
    ck_assert_contains(cg_engine_get_info(engine)->tuning, "remembered in ");
    cg_engine_close(engine);

    options.attention = NULL;
    options.batch_size = 8; /* the shipped tuning says nothing of it */
    scratch_write_text("tuning.json", "{\"confgen_tuning\": 1, \"choices\": []}");
    engine = open_measured();
    info = cg_engine_get_info(engine);
    ck_assert_contains(info->tuning, "shipped in ");
    ck_assert_int_eq(info->batch_size, 8);
    cg_engine_close(engine);
    options.batch_size = 0;

    options.attention = NULL;
    options.tuning = CG_TUNING_ALWAYS;
    engine = open_measured();
    ck_assert_contains(cg_engine_get_info(engine)->tuning, "measured in ");
    cg_engine_close(engine);

    options.tuning = CG_TUNING_AUTO;
    scratch_write_text("tunings.json", "{");
    scratch_write_text("tuning.json", "{\"confgen_tuning\": 1, \"choices\": []}");
    engine = open_measured();
    ck_assert_contains(log_text, "tunings.json:1:");
    ck_assert_contains(cg_engine_get_info(engine)->tuning, "measured in ");
    cg_engine_close(engine);
    unsetenv("CONFGEN_DATA");
}
END_TEST

START_TEST(damaged_file_is_logged_and_replaced)
{
    cg_engine *engine;

    options.attention = "flash";
    options.batch_size = 4;
    scratch_write_text("tuning.json", "{");
    engine = open_measured();
    ck_assert_contains(log_text, "1 ");
    ck_assert_contains(log_text, "tuning.json:1:");
    ck_assert_contains(cg_engine_get_info(engine)->tuning, "measured in ");
    cg_engine_close(engine);
    engine = open_measured();
    ck_assert_contains(cg_engine_get_info(engine)->tuning, "remembered in ");
    cg_engine_close(engine);
}
END_TEST

int main(void)
{
    TCase *cases[3] = { tcase_create("search"), tcase_create("file"), tcase_create("engine") };

    tcase_add_checked_fixture(cases[0], setup_search, NULL);
    tcase_add_test(cases[0], smallest_batch_near_the_best_is_selected);
    tcase_add_test(cases[0], another_pair_must_be_faster);
    tcase_add_test(cases[0], jobs_decide);
    tcase_add_test(cases[0], another_pair_may_win_at_another_batch);
    tcase_add_test(cases[0], hopeless_attempt_is_stopped);
    tcase_add_test(cases[0], memory_bounds_the_batch);
    tcase_add_test(cases[0], failing_default_is_replaced);
    tcase_add_test(cases[0], time_is_bounded);
    tcase_add_test(cases[0], short_times_alone);
    tcase_add_test(cases[0], single_batch);
    tcase_add_test(cases[0], figures_as_text);
    tcase_add_checked_fixture(cases[1], setup_file, scratch_remove);
    tcase_set_timeout(cases[1], 60);
    tcase_add_test(cases[1], stored_tuning_is_found);
    tcase_add_loop_test(cases[1], every_part_of_the_key_counts, 0, KEYS);
    tcase_add_test(cases[1], shipped_tuning_is_found_by_a_part_of_the_key);
    tcase_add_test(cases[1], shipped_file_has_the_default_model);
    tcase_add_test(cases[1], key_that_is_not_utf8_is_refused);
    tcase_add_loop_test(cases[1], damaged_file_is_replaced, 0, 10);
    tcase_add_loop_test(cases[1], damaged_tuning_is_not_used, 0, 7);
    tcase_add_test(cases[1], oldest_tunings_are_dropped);
    tcase_add_test(cases[1], path_and_listing);
    tcase_add_checked_fixture(cases[2], setup_engine, scratch_remove);
    tcase_set_timeout(cases[2], 120);
    tcase_add_test(cases[2], measured_once_then_remembered);
    tcase_add_test(cases[2], reasons_not_to_measure);
    tcase_add_test(cases[2], requested_settings_are_kept);
    tcase_add_test(cases[2], shipped_tuning_is_used_where_none_is_remembered);
    tcase_add_test(cases[2], damaged_file_is_logged_and_replaced);
    return run_suite("tuning", cases, 3);
}
