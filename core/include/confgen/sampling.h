/* SPDX-License-Identifier: MIT */
/** @file sampling.h  How a token is sampled from the allowed ones. */
#ifndef CONFGEN_SAMPLING_H
#define CONFGEN_SAMPLING_H

#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Filters apply in this order, as in transformers: temperature, top-k, top-p, min-p. In
 * cg_engine_options a member below 0 takes the value of a preset or the model's own.
 */
typedef struct cg_sampling {
    uint32_t struct_size;
    int32_t greedy;     /* nonzero: the most likely token; the other members are ignored */
    double temperature; /* > 0 */
    int32_t top_k;      /* keep the k most likely tokens and those equal to the k-th; 0: all */
    double top_p;       /* keep the fewest tokens that hold this share of probability; 1: all */
    double min_p;       /* keep tokens at least min_p times as likely as the most likely; 0: all */
} cg_sampling;

/** A preset: "greedy"; those of 3DMolGen, by its names; "recall", "precision"; "qwen3". */
typedef struct cg_sampling_preset {
    const char *name;
    cg_sampling sampling;
} cg_sampling_preset;

/** All presets; *ret_n of them. Static storage. */
CG_EXPORT const cg_sampling_preset *cg_sampling_presets(int32_t *ret_n);

/** Finds a preset. CG_ERR_USAGE if it is unknown, with the names, or searches with beams. */
CG_EXPORT cg_status cg_sampling_preset_find(const char *name, const cg_sampling_preset **ret_preset,
                                            cg_error *err);

/** CG_OK, or CG_ERR_USAGE naming the value that is out of range. */
CG_EXPORT cg_status cg_sampling_check(const cg_sampling *sampling, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
