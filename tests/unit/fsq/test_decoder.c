/* SPDX-License-Identifier: MIT */
/*
 * FSQ decoders of computed weights: coordinates to 1e-4 Å of PyTorch's (tests/golden/fsq.json),
 * independence of the batch, refusals. Runs on the CPU, or on a GPU if CONFGEN_TEST_GPU is 1; there
 * also at the shape of the published checkpoints, against the CPU.
 */
#include "fsq/fsq_tokens.h"

#include <jansson.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "cuda_loader/cuda_module.h"
#include "fsq_made.h"
#include "gpu_mode.h"

enum { MAX_CONFORMERS = 64, MAX_ROWS = 8192 };

static const struct fsq_shape small = { 128, 2, 320, 48, 12 };
static int gpu; /* run the tests on a GPU */
static json_t *golden;

/* ---- decoders and batches ----------------------------------------------------------------- */

static cg_team *team;

static cg_fsq_decoder *open_cpu(const cg_fsq_model *m, int32_t max_rows)
{
    cg_fsq_decoder_config config = { .model = m, .max_rows = max_rows };
    cg_fsq_decoder *d = NULL;
    cg_error err = CG_ERROR_INIT;

    if (!team)
        ck_assert_int_eq(cg_team_create(cg_cpu_count() > 1 ? cg_cpu_count() : 2, &team, &err),
                         CG_OK);
    ck_assert_msg(cg_fsq_decoder_cpu_create(&config, team, &d, &err) == CG_OK, "%s", err.msg);
    return d;
}

enum { F32, DETERMINISTIC, TF32, BF16 };

static cg_fsq_decoder *open_gpu(const cg_fsq_model *m, int32_t max_rows, int kind)
{
    cg_fsq_decoder_config config = { .model = m,
                                     .max_rows = max_rows,
                                     .dtype = kind == BF16 ? CG_BF16 : CG_F32,
                                     .tf32 = kind == TF32,
                                     .deterministic = kind == DETERMINISTIC };
    cg_fsq_decoder *d = NULL;
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_cuda_loader_create_fsq_decoder(&config, &d, &err) == CG_OK, "%s", err.msg);
    return d;
}

/* The decoder under test, in f32; its bits do not depend on the batch. */
static cg_fsq_decoder *open_decoder(const cg_fsq_model *m, int32_t max_rows)
{
    return gpu ? open_gpu(m, max_rows, DETERMINISTIC) : open_cpu(m, max_rows);
}

static void close_decoder(cg_fsq_decoder *d)
{
    cg_fsq_decoder_destroy(d);
    cg_team_destroy(team);
    team = NULL;
}

struct batch {
    cg_fsq_batch b;
    int32_t start[MAX_CONFORMERS + 1], token[MAX_ROWS], code[MAX_ROWS];
};

static struct batch batch;

static void clear_batch(void)
{
    memset(&batch, 0, sizeof batch);
    batch.b = (cg_fsq_batch) { 0, batch.start, batch.token, batch.code };
}

/* Adds a conformer of n random tokens. */
static void add_random(const cg_fsq_model *m, int32_t n)
{
    int32_t row = batch.start[batch.b.n];

    for (int32_t t = 0; t < n; t++, row++) {
        uint32_t r = (uint32_t)(int32_t)(fsq_noise((uint32_t)n, (uint32_t)t) * 0x1p30f);

        batch.token[row] = (int32_t)(r % (uint32_t)m->config.n_tokens);
        batch.code[row] = (int32_t)(r / 64 % (uint32_t)m->config.n_codes);
    }
    batch.start[++batch.b.n] = row;
}

static void run(cg_fsq_decoder *d, float (*xyz)[3])
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_fsq_decoder_run(d, &batch.b, xyz, &err) == CG_OK, "%s", err.msg);
}

/* Largest difference of n numbers; infinite if there is a NaN. */
static double largest_difference(const float *a, const float *b, size_t n)
{
    double worst = 0;

    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);

        if (!(d <= worst))
            worst = d == d ? d : INFINITY;
    }
    return worst;
}

/* ---- golden ------------------------------------------------------------------------------- */

static float want[MAX_ROWS][3], got[MAX_ROWS][3];

/* Makes the golden conformers the batch and their coordinates `want`. */
static void load_golden(const cg_fsq_model *m)
{
    const json_t *conformers = json_object_get(golden, "conformers");
    size_t i;
    json_t *c;

    clear_batch();
    json_array_foreach(conformers, i, c)
    {
        const char *smiles = json_string_value(json_object_get(c, "smiles"));
        const json_t *codes = json_object_get(c, "codes"), *xyz = json_object_get(c, "xyz");
        int32_t *ids = NULL, n = 0, row = batch.start[i];
        cg_error err = CG_ERROR_INIT;

        ck_assert_msg(cg_fsq_tokenize(m, smiles, strlen(smiles), &ids, &n, &err) == CG_OK, "%s",
                      err.msg);
        ck_assert_uint_eq(json_array_size(codes), (size_t)n);
        ck_assert_uint_eq(json_array_size(xyz), (size_t)n * 3);
        for (int32_t t = 0; t < n; t++) {
            batch.token[row + t] = ids[t];
            batch.code[row + t] = (int32_t)json_integer_value(json_array_get(codes, (size_t)t));
            for (int k = 0; k < 3; k++)
                want[row + t][k] = (float)json_real_value(json_array_get(xyz, (size_t)(3 * t + k)));
        }
        free(ids);
        batch.start[i + 1] = row + n;
        batch.b.n++;
    }
    ck_assert_int_ge(batch.b.n, 4);
}

START_TEST(coordinates_equal_those_of_pytorch)
{
    cg_fsq_model *m = fsq_made_model(&small);
    cg_fsq_decoder *d = open_decoder(m, 1000);
    double worst;

    load_golden(m);
    run(d, got);
    worst = largest_difference(*got, *want, (size_t)batch.start[batch.b.n] * 3);
    printf("%s: %.1e Å from PyTorch\n", d->ops->name, worst);
    ck_assert_msg(worst <= 1e-4, "%g Å from PyTorch", worst);
    close_decoder(d);
    cg_fsq_model_close(m);
}
END_TEST

START_TEST(bf16_is_near)
{
    cg_fsq_model *m = fsq_made_model(&small);
    cg_fsq_decoder *d;
    double worst, square = 0;
    size_t n;

    if (gpu) {
        d = open_gpu(m, 1000, BF16);
        load_golden(m);
        n = (size_t)batch.start[batch.b.n] * 3;
        run(d, got);
        worst = largest_difference(*got, *want, n);
        for (size_t i = 0; i < n; i++)
            square += ((double)(*got)[i] - (*want)[i]) * ((double)(*got)[i] - (*want)[i]);
        printf("cuda, bf16: %.1e Å from PyTorch, root mean square %.1e Å\n", worst,
               sqrt(square / (double)n));
        ck_assert_msg(sqrt(square / (double)n) < 0.1, "%g", sqrt(square / (double)n));
        close_decoder(d);
    }
    cg_fsq_model_close(m);
}
END_TEST

/* ---- independence ------------------------------------------------------------------------- */

static float alone[MAX_ROWS][3];

START_TEST(conformers_do_not_depend_on_the_batch)
{
    static const int32_t lengths[] = { 1, 64, 65, 200, 7, 128, 33, 400, 2, 90 };
    cg_fsq_model *m = fsq_made_model(&small);
    cg_fsq_decoder *d = open_decoder(m, 512); /* several passes */
    int32_t row = 0;

    clear_batch();
    for (int i = 0; i < 10; i++)
        add_random(m, lengths[i]);
    run(d, got);
    for (int i = 0; i < 10; i++) {
        clear_batch();
        add_random(m, lengths[i]);
        run(d, alone);
        ck_assert_msg(!memcmp(alone, got + row, (size_t)lengths[i] * sizeof *got),
                      "conformer %d of %d tokens differs by %g Å", i, lengths[i],
                      largest_difference(*alone, got[row], (size_t)lengths[i] * 3));
        row += lengths[i];
    }
    close_decoder(d);
    cg_fsq_model_close(m);
}
END_TEST

START_TEST(published_shape_on_a_gpu_equals_the_cpu)
{
    static const struct fsq_shape full = { 1024, 8, 4096, 256, 12 };
    cg_fsq_model *m;
    cg_fsq_decoder *d;

    if (!gpu)
        return;
    m = fsq_made_model(&full);
    d = open_cpu(m, 512);
    clear_batch();
    for (int i = 0; i < 12; i++)
        add_random(m, 1 + i * i * 3);
    run(d, want);
    close_decoder(d);
    for (int kind = F32; kind <= BF16; kind++) {
        static const char *const names[] = { "f32", "f32, deterministic", "tf32", "bf16" };
        /* Å; f32: sums of up to 4,096 products in another order */
        static const double limits[] = { 5e-4, 5e-4, 0.05, 0.5 };
        size_t n = (size_t)batch.start[batch.b.n] * 3;
        double worst, seconds;

        d = open_gpu(m, 4096, kind);
        run(d, got);
        worst = largest_difference(*got, *want, n);
        seconds = cg_now();
        for (int i = 0; i < 10; i++)
            run(d, got);
        seconds = (cg_now() - seconds) / 10;
        printf("cuda, %s: %.1e Å from the CPU, %.0f tokens/s in passes of %d\n", names[kind], worst,
               (double)(n / 3) / seconds, batch.start[batch.b.n]);
        ck_assert_msg(worst <= limits[kind], "%s: %g Å", names[kind], worst);
        close_decoder(d);
    }
    cg_fsq_model_close(m);
}
END_TEST

/* ---- refusals ----------------------------------------------------------------------------- */

START_TEST(bad_batches_are_refused)
{
    cg_fsq_model *m = fsq_made_model(&small);
    cg_fsq_decoder *d = open_decoder(m, 512);
    int32_t longest = d->max_rows;
    cg_error err = CG_ERROR_INIT;

    clear_batch();
    ck_assert_int_eq(cg_fsq_decoder_run(d, &batch.b, got, &err), CG_OK); /* nothing to do */
    add_random(m, longest);
    run(d, got);
    add_random(m, 0);
    ck_assert_int_eq(cg_fsq_decoder_run(d, &batch.b, got, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, "a conformer has no tokens");
    clear_batch();
    add_random(m, longest + 1);
    ck_assert_int_eq(cg_fsq_decoder_run(d, &batch.b, got, &err), CG_ERR_LIMIT);
    ck_assert_contains(err.msg, "wanted at most");
    clear_batch();
    add_random(m, 3);
    batch.code[1] = 4096;
    ck_assert_int_eq(cg_fsq_decoder_run(d, &batch.b, got, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, "there is no code 4096 of 4096");
    batch.code[1] = 4095;
    batch.token[2] = -1;
    ck_assert_int_eq(cg_fsq_decoder_run(d, &batch.b, got, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, "there is no token -1 of 24");
    close_decoder(d);
    cg_fsq_model_close(m);
}
END_TEST

int main(void)
{
    TCase *tc;
    char path[512];
    json_error_t why;
    int mode = gpu_mode(), failed;

    if (mode == GPU_MISSING)
        return EXIT_SKIPPED;
    tc = tcase_create("decoder");
    gpu = mode == GPU_REQUESTED;
    snprintf(path, sizeof path, "%s/tests/golden/fsq.json", getenv("CONFGEN_SOURCE_ROOT"));
    golden = json_load_file(path, 0, &why);
    if (!golden) {
        fprintf(stderr, "%s: %s\n", path, why.text);
        return 1;
    }
    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, coordinates_equal_those_of_pytorch);
    tcase_add_test(tc, bf16_is_near);
    tcase_add_test(tc, conformers_do_not_depend_on_the_batch);
    tcase_add_test(tc, published_shape_on_a_gpu_equals_the_cpu);
    tcase_add_test(tc, bad_batches_are_refused);
    failed = run_suite("fsq_decoder", &tc, 1);
    json_decref(golden);
    return failed;
}
