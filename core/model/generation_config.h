/* SPDX-License-Identifier: MIT */
/**
 * @file generation_config.h  Sampling settings of a model directory, read as transformers reads
 * them.
 *
 * generation_config.json, else the same keys of config.json; and "sampling" of confgen.json. Only
 * what a file states is stored; what it leaves out is decided where sampling is selected.
 */
#ifndef CG_MODEL_GENERATION_CONFIG_H
#define CG_MODEL_GENERATION_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

#include "base/json.h"

enum {
    CG_MAX_EOS = 64,
    CG_MAX_UNSERVED = 32,
    CG_MAX_PRESET_NAME = 40, /* bytes, the final 0 included */
};

enum { CG_DEFAULT_TOP_K = 50 }; /* of transformers, where nothing states another */

/** Members that a file states. */
enum {
    CG_STATES_DO_SAMPLE = 1,
    CG_STATES_TEMPERATURE = 2,
    CG_STATES_TOP_K = 4,
    CG_STATES_TOP_P = 8,
    CG_STATES_MIN_P = 16,
};

/** Sampling settings of a file, not checked for range: those that are not used do no harm. */
typedef struct cg_stated_sampling {
    uint32_t stated; /* CG_STATES_* */
    int32_t do_sample;
    int32_t top_k;
    double temperature, top_p, min_p;
} cg_stated_sampling;

/** When transformers applies a setting. */
enum { CG_APPLIES_ALWAYS, CG_APPLIES_WHEN_SAMPLING, CG_APPLIES_WHEN_GREEDY };

/** A setting that would change the tokens and is not supported. */
typedef struct cg_unserved_setting {
    const char *key; /* static storage */
    int32_t applies; /* CG_APPLIES_* */
    char value[48];  /* for messages; "" for a list or an object */
} cg_unserved_setting;

typedef struct cg_generation_config {
    cg_stated_sampling sampling;
    int32_t from_config;       /* 1: config.json was read, there is no generation_config.json */
    int32_t from_model_config; /* 1: the file says that transformers made it of config.json */
    int32_t max_new_tokens;    /* 0: not specified */
    /** Ids below the vocabulary's size that end a sequence; others of the file never occur. */
    int32_t n_eos;
    int32_t eos[CG_MAX_EOS];
    int32_t n_unserved;
    cg_unserved_setting unserved[CG_MAX_UNSERVED];
    char note[256]; /* what is read otherwise than it seems, a sentence for the log; else "" */
} cg_generation_config;

/** "sampling" of confgen.json: the name of a preset, or values. */
typedef struct cg_confgen_sampling {
    char preset[CG_MAX_PRESET_NAME]; /* "": none */
    cg_stated_sampling values;       /* temperature, top_k, top_p, min_p, do_sample */
} cg_confgen_sampling;

/**
 * Parses generation_config.json, or config.json for what older files state there.
 *
 * @param name   of the file, for messages
 * @param vocab  rows of the embedding: bounds the end tokens
 * @return CG_OK; CG_ERR_FORMAT (syntax, a used key of a wrong type); CG_ERR_NOMEM. On failure *ret
 *         is unchanged.
 */
cg_status cg_generation_config_parse(const char *name, const void *bytes, size_t len, int32_t vocab,
                                     cg_generation_config *ret, cg_error *err);

/** Reads "sampling" of confgen.json; without it *ret states nothing. CG_ERR_FORMAT. */
cg_status cg_confgen_sampling_read(const cg_json *o, cg_confgen_sampling *ret, cg_error *err);

#endif
