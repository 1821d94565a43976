/* SPDX-License-Identifier: MIT */
/**
 * @file tuning.h  Choosing attention, KV cache and batch size by measurement.
 *
 * Synthetic decoding over the real model: a batch of conformers of one drug-like molecule, from the
 * first token on, refilled as they end. First the default pair of attention and cache at growing
 * batches; then, at the smallest batch within 3 % of the best, the other pairs.
 */
#ifndef CG_ENGINE_TUNING_H
#define CG_ENGINE_TUNING_H

#include <confgen/confgen.h>

#include "decode/scheduler.h"

enum {
    CG_TUNING_PAIRS = 32, /* of attention and cache that are considered, at most */
    CG_TUNING_BATCHES = 8,
    CG_TUNING_FIGURES = CG_TUNING_PAIRS + CG_TUNING_BATCHES,
};

/** What was chosen, and all figures behind it in the order they were measured. */
typedef struct cg_tuning {
    char attention[32], kv_cache[32];
    int32_t batch_size;
    int32_t n_figures;
    double tokens_per_second;
    double seconds; /* that the measuring took */
    cg_tuning_figure figures[CG_TUNING_FIGURES];
} cg_tuning;

typedef struct cg_tuning_pair {
    const char *attention, *kv_cache;
} cg_tuning_pair;

/** What to choose from and how to try it. */
typedef struct cg_tuner {
    const cg_tuning_pair *pairs; /* [n_pairs] the default first */
    const int32_t *batches;      /* [n_batches] growing */
    int32_t n_pairs, n_batches;
    cg_work work;   /* the molecule; generations are numbered from its first one on */
    double seconds; /* for one attempt, beside opening the executor */
    void *ctx;
    /** An executor for pairs[pair] with so many slots; the caller destroys it. */
    cg_status (*open)(void *ctx, int32_t pair, int32_t batch_size, cg_executor **ret_executor,
                      cg_error *err);
    /** Seconds on a clock that never goes back. */
    double (*now)(void *ctx);
} cg_tuner;

/**
 * Measure and choose. An attempt that fails is a figure with its reason.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED if no attempt succeeded, with the first one's reason;
 *         CG_ERR_LIMIT for more pairs or batches than there is room for
 */
cg_status cg_tune(const cg_tuner *tuner, cg_tuning *ret_tuning, cg_error *err);

/**
 * "flash/paged 512: 310,000 tokens/s; flash/static 512: 300,000; cudnn/paged 512 refused: ..."
 *
 * @return ret_text
 */
char *cg_tuning_text(const cg_tuning *tuning, char *ret_text, size_t cap);

#endif
