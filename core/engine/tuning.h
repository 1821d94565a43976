/* SPDX-License-Identifier: MIT */
/**
 * @file tuning.h  Selects attention, KV cache and batch size by measurement.
 *
 * The quantity is that of `confgen bench decode`: tokens of completed sequences per second of a
 * whole job, prompts and the last sequences included. Since a job takes seconds, the candidates for
 * it are selected by the rate of tokens of a short time with one prompt:
 *
 *   1. the default pair of attention and cache at increasing batches; the smallest batch within 3 %
 *      of the best is that of the next steps,
 *   2. all other pairs at that batch; without jobs the best of these rates wins, or that of an
 *      earlier pair within 3 % of it,
 *   3. a job of each of the three fastest pairs, if within 10 % of the best,
 *   4. jobs at half and twice the batch of the pairs whose jobs are within 3 % of the best.
 *
 * The best job wins, or one of a smaller batch or of an earlier pair within 3 % of it.
 */
#ifndef CG_ENGINE_TUNING_H
#define CG_ENGINE_TUNING_H

#include <confgen/confgen.h>

#include "decode/scheduler.h"

enum {
    CG_TUNING_PAIRS = 32, /* of attention and cache, at most */
    CG_TUNING_BATCHES = 8,
    CG_TUNING_FINALISTS = 3,
    CG_TUNING_WORKS = 3,
    /* steps 1 and 2, 3 and 4, and the pairs that were refused before */
    CG_TUNING_ATTEMPTS =
        CG_TUNING_PAIRS + CG_TUNING_BATCHES + 3 * CG_TUNING_FINALISTS + CG_TUNING_PAIRS,
};

/** A selection, with all attempts in the order of measurement. */
typedef struct cg_tuning {
    char attention[32], kv_cache[32];
    int32_t batch_size;
    int32_t n_attempts;
    double tokens_per_second;
    double seconds; /* taken by the measurement */
    cg_tuning_attempt attempts[CG_TUNING_ATTEMPTS];
} cg_tuning;

typedef struct cg_tuning_pair {
    const char *attention, *kv_cache;
} cg_tuning_pair;

/** The candidates and how to measure them. */
typedef struct cg_tuner {
    const cg_tuning_pair *pairs; /* [n_pairs] the default first */
    const int32_t *batches;      /* [n_batches] increasing */
    int32_t n_pairs, n_batches;
    /* [n_left_out] at most CG_TUNING_PAIRS pairs that were refused, with the reason; they follow
     * the attempts */
    const cg_tuning_attempt *left_out;
    int32_t n_left_out;
    /* [n_works] the molecules of jobs, in turn, and the first for short times; the numbers of
     * generations are not read */
    cg_work works[CG_TUNING_WORKS];
    int32_t n_works;
    cg_device device;
    double seconds; /* of a short time, without the creation of the executor; a job may take 16 of
                       them */
    /* seconds after which no attempt is started, with jobs half of it for a short time; step 1 is
     * not cut, so that lack of time does not select a small batch */
    double budget;
    int32_t has_jobs; /* 0: only steps 1 and 2 */
    void *ctx;
    /** Creates an executor for pairs[pair] with batch_size slots; the caller destroys it. */
    cg_status (*open)(void *ctx, int32_t pair, int32_t batch_size, cg_executor **ret_executor,
                      cg_error *err);
    /** Seconds on a monotonic clock. */
    double (*now)(void *ctx);
} cg_tuner;

/**
 * Measures the candidates and selects one. A failed attempt is kept with its reason, and so is one
 * that was left out for lack of time.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED if no attempt succeeded, with the first one's reason;
 *         CG_ERR_LIMIT for more pairs, batches or molecules than the constants above
 */
cg_status cg_tune(const cg_tuner *tuner, cg_tuning *ret_tuning, cg_error *err);

/** Sets the reason, cut to its room and in ASCII. */
void cg_tuning_set_refused(cg_tuning_attempt *attempt, const char *why);

/**
 * Writes "flash/paged 512: 290,000 tokens/s of 1,024 conformers; flash/paged 1024: ...; short:
 * flash/paged 512: 310,000; cudnn/paged 512 refused: ...", cut to cap.
 *
 * @return ret_text
 */
char *cg_tuning_text(const cg_tuning *tuning, char *ret_text, size_t cap);

#endif
