/* SPDX-License-Identifier: MIT */
/*
 * The scheduler over a fake executor that only counts: every generation completes once, even if
 * memory runs out in between.
 */
#include "decode/scheduler.h"
#include "scratch.h"
#include "sequence/automaton.h"

enum { SEED = 5 };

/* Number of the retry round of a molecule. */
static uint32_t retry_of(uint64_t molecule)
{
    return (uint32_t)(molecule % 3 == 2 ? molecule % 4 : 0);
}

enum { MAX_SLOTS = 64, MAX_PROMPTS = 8, MOLECULES = 20, MAX_GENERATIONS = 40 };

/* ---- fake executor ------------------------------------------------------------------------ */

struct fake {
    cg_executor base;
    int32_t n_slots, n_prompt_slots;
    int32_t room;      /* sequences that fit in memory; more are refused */
    int32_t prompts;   /* prompts that fit in memory */
    int32_t runs_left; /* then a run fails for lack of memory; < 0: never */
    struct {
        int busy, steps, reported;
        cg_rng_key key;
        int32_t tokens[2];
    } slots[MAX_SLOTS];
    int prompt_slots[MAX_PROMPTS]; /* 0: free; else runs until ready, + 1 */
};

static int n_alive; /* fake executors not destroyed yet */

static struct fake *get(cg_executor *ex)
{
    return (struct fake *)ex;
}

static cg_status fail_device_nomem(cg_error *err, const char *what)
{
    err->code = CG_ERR_DEVICE_NOMEM;
    snprintf(err->msg, sizeof err->msg, "no memory for a %s", what);
    return CG_ERR_DEVICE_NOMEM;
}

static int count_busy(const struct fake *f)
{
    int n = 0;

    for (int i = 0; i < f->n_slots; i++)
        n += f->slots[i].busy;
    return n;
}

static void fake_destroy(cg_executor *ex)
{
    struct fake *f = get(ex);

    ck_assert_int_eq(count_busy(f), 0);
    for (int i = 0; i < f->n_prompt_slots; i++)
        ck_assert_int_eq(f->prompt_slots[i], 0);
    n_alive--;
    free(f);
}

static cg_status fake_begin_prompt(cg_executor *ex, int32_t prompt_slot, const int32_t *tokens,
                                   int32_t n, cg_error *err)
{
    struct fake *f = get(ex);
    int busy = 0;

    (void)tokens;
    ck_assert(prompt_slot < f->n_prompt_slots && !f->prompt_slots[prompt_slot] && n == 3);
    for (int i = 0; i < f->n_prompt_slots; i++)
        busy += f->prompt_slots[i] != 0;
    if (busy >= f->prompts)
        return fail_device_nomem(err, "prompt");
    f->prompt_slots[prompt_slot] = 3;
    return CG_OK;
}

static int fake_prompt_ready(const cg_executor *ex, int32_t prompt_slot)
{
    return ((const struct fake *)ex)->prompt_slots[prompt_slot] == 1;
}

static void fake_release_prompt(cg_executor *ex, int32_t prompt_slot)
{
    ck_assert_int_gt(get(ex)->prompt_slots[prompt_slot], 0);
    get(ex)->prompt_slots[prompt_slot] = 0;
}

static cg_status fake_admit(cg_executor *ex, int32_t slot, int32_t prompt_slot,
                            const cg_sequence_job *job, cg_error *err)
{
    struct fake *f = get(ex);

    ck_assert(slot < f->n_slots && !f->slots[slot].busy && f->prompt_slots[prompt_slot] == 1);
    if (count_busy(f) >= f->room)
        return fail_device_nomem(err, "sequence");
    f->slots[slot].busy = 1;
    f->slots[slot].reported = 0;
    f->slots[slot].steps = 2 + (int)((job->key.molecule + 3 * job->key.generation) % 7);
    f->slots[slot].key = job->key;
    return CG_OK;
}

static cg_status fake_run(cg_executor *ex, int32_t max_steps, cg_error *err)
{
    struct fake *f = get(ex);

    ck_assert_int_gt(max_steps, 0);
    if (!f->runs_left--)
        return fail_device_nomem(err, "step");
    for (int i = 0; i < f->n_slots; i++)
        f->slots[i].steps -= f->slots[i].steps > 0;
    for (int i = 0; i < f->n_prompt_slots; i++)
        f->prompt_slots[i] -= f->prompt_slots[i] > 1;
    return CG_OK;
}

static int fake_collect(cg_executor *ex, cg_sequence_result *ret_result)
{
    struct fake *f = get(ex);

    for (int i = 0; i < f->n_slots; i++)
        if (f->slots[i].busy && !f->slots[i].steps && !f->slots[i].reported) {
            f->slots[i].reported = 1;
            f->slots[i].tokens[0] = (int32_t)f->slots[i].key.molecule;
            f->slots[i].tokens[1] = (int32_t)f->slots[i].key.generation;
            ck_assert_uint_eq(f->slots[i].key.seed,
                              cg_rng_retry(SEED, retry_of(f->slots[i].key.molecule)));
            *ret_result = (cg_sequence_result) {
                .slot = i,
                .done = CG_SEQUENCE_COMPLETE,
                .n_tokens = 2,
                .n_sampled = 1,
                .tokens = f->slots[i].tokens,
            };
            return 1;
        }
    return 0;
}

static void fake_release(cg_executor *ex, int32_t slot)
{
    ck_assert(get(ex)->slots[slot].busy);
    get(ex)->slots[slot].busy = 0;
}

static const struct cg_executor_ops fake_ops = {
    .name = "fake",
    .destroy = fake_destroy,
    .begin_prompt = fake_begin_prompt,
    .prompt_ready = fake_prompt_ready,
    .release_prompt = fake_release_prompt,
    .admit = fake_admit,
    .run = fake_run,
    .collect = fake_collect,
    .release = fake_release,
};

static cg_executor *make(int32_t n_slots, int32_t n_prompt_slots, int32_t room, int32_t runs)
{
    struct fake *f = calloc(1, sizeof *f);

    f->base.ops = &fake_ops;
    f->n_slots = n_slots;
    f->n_prompt_slots = n_prompt_slots;
    f->room = room;
    f->prompts = MAX_PROMPTS;
    f->runs_left = runs;
    n_alive++;
    return &f->base;
}

/* ---- callbacks ---------------------------------------------------------------------------- */

static struct run {
    cg_executor *ex;
    int32_t slots;
    int64_t next;
    uint32_t completed[MOLECULES][MAX_GENERATIONS];
    uint32_t n_completed, n_released, n_requested, n_out_of_room, n_shrunk;
    int32_t room, runs; /* of the executor that shrink() creates */
    int cannot_shrink, stop_at, stops, none_yet;
    unsigned chance;
} run;

static const int32_t prompt[3];
static const cg_program program;

static uint32_t generations_of(int64_t molecule)
{
    return 1 + (uint32_t)(molecule * 7 % MAX_GENERATIONS) / 2;
}

/* Every third molecule is a retry round of some of its generations. */
static const uint32_t *listed_generations(int64_t molecule)
{
    static const uint32_t some[MAX_GENERATIONS] = { 1,  3,  4,  5,  7,  8,  10, 11, 14, 15,
                                                    16, 17, 20, 21, 25, 26, 28, 30, 31, 39 };

    return molecule % 3 == 2 ? some : NULL;
}

static int next(void *ctx, int wait, cg_work *ret_work)
{
    struct run *r = ctx;

    if (r->next == MOLECULES)
        return CG_WORK_END;
    r->chance = r->chance * 1664525u + 1013904223u;
    if (!wait && r->none_yet && r->chance >> 31)
        return CG_WORK_NONE_YET;
    *ret_work = (cg_work) { prompt,
                            3,
                            &program,
                            (uint64_t)r->next,
                            (uint32_t)r->next % 5,
                            generations_of(r->next),
                            &r->completed[r->next],
                            listed_generations(r->next),
                            retry_of((uint64_t)r->next),
                            NULL };
    r->n_requested += ret_work->n_generations;
    r->next++;
    return CG_WORK_TAKEN;
}

static cg_status completed(void *ctx, const cg_work *work, uint32_t generation,
                           const cg_sequence_result *result, cg_error *err)
{
    struct run *r = ctx;

    (void)err;
    ck_assert_uint_eq((uint32_t)result->tokens[0], work->molecule);
    ck_assert_uint_eq((uint32_t)result->tokens[1], generation);
    ck_assert_ptr_eq(work->owner, &r->completed[work->molecule]);
    if (work->generations) {
        uint32_t i = 0;

        while (i < work->n_generations && work->generations[i] != generation)
            i++;
        ck_assert_uint_lt(i, work->n_generations);
    } else {
        ck_assert_uint_ge(generation, work->first_generation);
        ck_assert_uint_lt(generation, work->first_generation + work->n_generations);
    }
    ck_assert_uint_eq(r->completed[work->molecule][generation]++, 0);
    r->n_completed++;
    return CG_OK;
}

static void released(void *ctx, const cg_work *work)
{
    struct run *r = ctx;

    (void)work;
    ck_assert_uint_lt(r->n_released, r->n_completed);
    r->n_released++;
}

static int stop(void *ctx)
{
    struct run *r = ctx;

    return r->stop_at && ++r->stops == r->stop_at;
}

static void out_of_room(void *ctx, int32_t n_busy, const cg_error *why)
{
    struct run *r = ctx;

    ck_assert_int_gt(n_busy, 0);
    ck_assert_contains(why->msg, "no memory for a sequence");
    r->n_out_of_room++;
}

static cg_status shrink(void *ctx, const cg_error *why, cg_executor **ret_executor,
                        int32_t *ret_slots, int32_t *ret_prompt_slots, cg_error *err)
{
    struct run *r = ctx;

    ck_assert_contains(why->msg, "no memory for a");
    if (r->slots == 1 || r->cannot_shrink) {
        *err = *why;
        return why->code;
    }
    r->ex->ops->destroy(r->ex); /* checks that it is empty */
    r->slots /= 2;
    r->n_shrunk++;
    *ret_prompt_slots = r->slots < 4 ? r->slots : 4;
    r->ex = make(r->slots, *ret_prompt_slots, r->room, r->runs);
    *ret_executor = r->ex;
    *ret_slots = r->slots;
    return CG_OK;
}

static cg_scheduler_io io = { &run, next, completed, released, stop, out_of_room, shrink };

static cg_status schedule(int32_t slots, int32_t prompts, int32_t room, int32_t runs, cg_error *err)
{
    run.slots = slots;
    run.ex = make(slots, prompts, room, runs);
    return cg_schedule(run.ex, slots, prompts, SEED, &io, err);
}

static void setup(void)
{
    run = (struct run) { .room = MAX_SLOTS, .runs = -1, .chance = 1 };
    io.shrink = shrink;
}

static void check_all(void)
{
    ck_assert_int_eq(run.next, MOLECULES);
    ck_assert_uint_eq(run.n_completed, run.n_requested);
    ck_assert_uint_eq(run.n_released, run.n_requested);
    run.ex->ops->destroy(run.ex);
    ck_assert_int_eq(n_alive, 0);
}

START_TEST(every_generation_completes_once)
{
    static const int32_t shapes[][2] = { { 1, 1 }, { 3, 2 }, { 16, 4 }, { 64, 8 } };
    cg_error err = CG_ERROR_INIT;

    run.none_yet = _i % 2;
    ck_assert_int_eq(schedule(shapes[_i / 2][0], shapes[_i / 2][1], MAX_SLOTS, -1, &err), CG_OK);
    ck_assert_uint_eq(run.n_out_of_room + run.n_shrunk, 0);
    check_all();
}
END_TEST

/* With at least half of the slots busy, no sequence is discarded. */
START_TEST(sequences_wait_for_room)
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(schedule(16, 4, 8 + _i, -1, &err), CG_OK);
    ck_assert_uint_eq(run.n_shrunk, 0);
    ck_assert_uint_eq(run.n_out_of_room, _i < 8);
    check_all();
}
END_TEST

START_TEST(too_little_room_halves_the_batch)
{
    cg_error err = CG_ERROR_INIT;

    run.room = 5;
    ck_assert_int_eq(schedule(32, 4, 5, -1, &err), CG_OK);
    ck_assert_uint_eq(run.n_shrunk, 2); /* 32, 16, 8: five are more than half of 8 */
    check_all();
}
END_TEST

/* If a step fails, sequences in progress restart and completed ones do not. */
START_TEST(a_failed_step_halves_the_batch)
{
    cg_error err = CG_ERROR_INIT;

    run.runs = _i % 5 ? _i % 5 : -1; /* the smaller executor fails too */
    run.none_yet = _i % 2;
    ck_assert_int_eq(schedule(64, 5, 40, _i, &err), run.runs < 0 ? CG_OK : CG_ERR_DEVICE_NOMEM);
    if (run.runs < 0) {
        ck_assert_uint_eq(run.n_shrunk, 1);
        check_all();
        return;
    }
    ck_assert_int_eq(run.slots, 1); /* the last executor, with one slot, failed too */
    ck_assert_str_eq(err.msg, "no memory for a step");
    ck_assert_uint_eq(run.n_released, run.n_completed);
    run.ex->ops->destroy(run.ex);
    ck_assert_int_eq(n_alive, 0);
}
END_TEST

START_TEST(prompts_wait_for_room)
{
    cg_error err = CG_ERROR_INIT;

    run.slots = 8;
    run.ex = make(8, 4, MAX_SLOTS, -1);
    get(run.ex)->prompts = _i; /* of four; 0: none until the executor is replaced */
    ck_assert_int_eq(cg_schedule(run.ex, 8, 4, 5, &io, &err), CG_OK);
    ck_assert_uint_eq(run.n_shrunk, _i == 0);
    check_all();
}
END_TEST

START_TEST(fails_if_it_cannot_shrink)
{
    cg_error err = CG_ERROR_INIT;

    if (_i)
        run.cannot_shrink = 1;
    else
        io.shrink = NULL;
    ck_assert_int_eq(schedule(16, 4, 3, -1, &err), CG_ERR_DEVICE_NOMEM);
    ck_assert_str_eq(err.msg, "no memory for a sequence");
    run.ex->ops->destroy(run.ex);
}
END_TEST

START_TEST(stopping_releases_all_slots)
{
    cg_error err = CG_ERROR_INIT;

    run.stop_at = 1 + 3 * _i;
    ck_assert_int_eq(schedule(16, 4, 9, -1, &err), CG_ERR_INTERRUPTED);
    run.ex->ops->destroy(run.ex);
    ck_assert_int_eq(n_alive, 0);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("scheduler");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, every_generation_completes_once, 0, 8);
    tcase_add_loop_test(tc, sequences_wait_for_room, 0, 9);
    tcase_add_test(tc, too_little_room_halves_the_batch);
    tcase_add_loop_test(tc, a_failed_step_halves_the_batch, 0, 20);
    tcase_add_loop_test(tc, prompts_wait_for_room, 0, 4);
    tcase_add_loop_test(tc, fails_if_it_cannot_shrink, 0, 2);
    tcase_add_loop_test(tc, stopping_releases_all_slots, 0, 8);
    return run_suite("scheduler", &tc, 1);
}
