/* SPDX-License-Identifier: MIT */
/** @file sampling.h  How a token is sampled from the allowed ones. */
#ifndef CONFGEN_SAMPLING_H
#define CONFGEN_SAMPLING_H

#include <stddef.h>

#include <confgen/sized.h>
#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Filters apply in this order, as in transformers: temperature, top-k, top-p, min-p. In
 * cg_engine_options a member below 0, or one that a shorter struct lacks, takes the value of a
 * preset or the model's own.
 */
typedef struct cg_sampling {
    uint32_t struct_size;
    int32_t greedy;     /* nonzero: the most likely token; the other members are ignored */
    double temperature; /* > 0 */
    int32_t top_k;      /* keep the k most likely tokens and those equal to the k-th; 0: all */
    double top_p;       /* keep the fewest tokens that hold this share of probability; 1: all */
    double min_p;       /* keep tokens at least min_p times as likely as the most likely; 0: all */
} cg_sampling;

/**
 * Name of preset `i`, counted from 0: "greedy"; "recall", "precision"; "qwen3"; those of 3DMolGen,
 * by its names. NULL after the last. Static storage.
 */
CG_EXPORT const char *cg_sampling_preset_name(int32_t i);

/** Finds a preset. CG_ERR_USAGE if it is unknown, with the names, or searches with beams. */
CG_EXPORT cg_status cg_sampling_preset_get(const char *name, cg_sampling *ret_sampling,
                                           cg_error *err);

/** Where a value comes from, each before the ones above it. */
enum {
    CG_SAMPLING_FROM_DEFAULT = 0,           /* of transformers: greedy; temperature 1, top-k 50 */
    CG_SAMPLING_FROM_CONFIG = 1,            /* config.json, without a generation_config.json */
    CG_SAMPLING_FROM_GENERATION_CONFIG = 2, /* generation_config.json */
    CG_SAMPLING_FROM_CONFGEN_JSON = 3,      /* confgen.json */
    CG_SAMPLING_FROM_PRESET = 4,            /* cg_engine_options.preset */
    CG_SAMPLING_FROM_FLAG = 5,              /* cg_engine_options.sampling */
};

/** The sources of the members of a cg_sampling: CG_SAMPLING_FROM_*. */
typedef struct cg_sampling_sources {
    uint32_t struct_size;
    int32_t greedy;      /* source of greedy */
    int32_t temperature; /* source of temperature */
    int32_t top_k;       /* source of top_k */
    int32_t top_p;       /* source of top_p */
    int32_t min_p;       /* source of min_p */
} cg_sampling_sources;

/** "default", "generation_config.json", ..., "flag". Static storage. */
CG_EXPORT const char *cg_sampling_source_name(int32_t source);

/** Writes "temperature 0.8 (generation_config.json), top-k 50 (default), ..." or "greedy (flag)".
 */
CG_EXPORT void cg_sampling_describe(const cg_sampling *sampling, const cg_sampling_sources *from,
                                    char *ret_text, size_t cap);

/** CG_OK, or CG_ERR_USAGE naming the value that is out of range. */
CG_EXPORT cg_status cg_sampling_check(const cg_sampling *sampling, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
