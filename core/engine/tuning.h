/* SPDX-License-Identifier: MIT */
/**
 * @file tuning.h  Selects attention, KV cache and batch size by measurement.
 *
 * The workload is synthetic decoding with the real model: a batch of conformers of one drug-like
 * molecule, from the first token on, refilled as sequences complete. The default pair of attention
 * and cache is measured at increasing batches; then, at the smallest batch within 3 % of the best,
 * the other pairs.
 */
#ifndef CG_ENGINE_TUNING_H
#define CG_ENGINE_TUNING_H

#include <confgen/confgen.h>

#include "decode/scheduler.h"

enum {
    CG_TUNING_PAIRS = 32, /* of attention and cache, at most */
    CG_TUNING_BATCHES = 8,
    CG_TUNING_ATTEMPTS = CG_TUNING_PAIRS + CG_TUNING_BATCHES,
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
    cg_work work;   /* the molecule; generations are numbered from its first_generation on */
    double seconds; /* of one attempt, without the creation of the executor */
    void *ctx;
    /** Creates an executor for pairs[pair] with batch_size slots; the caller destroys it. */
    cg_status (*open)(void *ctx, int32_t pair, int32_t batch_size, cg_executor **ret_executor,
                      cg_error *err);
    /** Seconds on a monotonic clock. */
    double (*now)(void *ctx);
} cg_tuner;

/**
 * Measures the candidates and selects one. A failed attempt is kept with its reason.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED if no attempt succeeded, with the first one's reason;
 *         CG_ERR_LIMIT for more pairs or batches than CG_TUNING_PAIRS and CG_TUNING_BATCHES
 */
cg_status cg_tune(const cg_tuner *tuner, cg_tuning *ret_tuning, cg_error *err);

/**
 * Writes "flash/paged 512: 310,000 tokens/s; flash/static 512: 300,000; cudnn/paged 512 refused:
 * ...", cut to cap.
 *
 * @return ret_text
 */
char *cg_tuning_text(const cg_tuning *tuning, char *ret_text, size_t cap);

#endif
