/* SPDX-License-Identifier: MIT */
#include "model/generation_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum { MAX_NEW_TOKENS = 1 << 24 }; /* more than any context */

/* ---- values that are served --------------------------------------------------------------- */

static cg_status read_number(const cg_json *o, const char *key, uint32_t bit, double *ret,
                             cg_stated_sampling *s, cg_error *err)
{
    const json_t *v = cg_json_member(o, key);

    if (!v)
        return CG_OK;
    if (!json_is_number(v))
        return cg_json_fail_wanted(o, key, "a number", err);
    *ret = json_number_value(v);
    s->stated |= bit;
    return CG_OK;
}

static cg_status read_sampling(const cg_json *o, cg_stated_sampling *s, cg_error *err)
{
    int64_t top_k = 0;

    CG_TRY(cg_json_bool(o, "do_sample", CG_JSON_OPTIONAL, &s->do_sample, err));
    CG_TRY(cg_json_int(o, "top_k", CG_JSON_OPTIONAL, INT32_MIN, INT32_MAX, &top_k, err));
    if (cg_json_member(o, "do_sample"))
        s->stated |= CG_STATES_DO_SAMPLE;
    if (cg_json_member(o, "top_k"))
        s->stated |= CG_STATES_TOP_K;
    s->top_k = (int32_t)top_k;
    CG_TRY(read_number(o, "temperature", CG_STATES_TEMPERATURE, &s->temperature, s, err));
    CG_TRY(read_number(o, "top_p", CG_STATES_TOP_P, &s->top_p, s, err));
    return read_number(o, "min_p", CG_STATES_MIN_P, &s->min_p, s, err);
}

static void add_note(cg_generation_config *g, const char *text)
{
    size_t n = strlen(g->note);

    snprintf(g->note + n, sizeof g->note - n, "%s%s", n ? "; " : "", text);
}

/*
 * A null top_k is what transformers 4 writes for none; 5 takes its default in its place. The file
 * is older than 5, which does not write nulls.
 */
static void read_null_top_k(const cg_json *o, cg_generation_config *g)
{
    if (!json_is_null(json_object_get(o->node, "top_k")))
        return;
    g->sampling.stated |= CG_STATES_TOP_K;
    g->sampling.top_k = 0;
    if (g->sampling.do_sample)
        add_note(g, "top_k null means no limit, as in transformers 4; transformers 5 takes 50");
}

/* Ids that no token has are passed over, as in transformers, where they never occur. */
static cg_status read_eos(const cg_json *o, int32_t vocab, cg_generation_config *g, cg_error *err)
{
    const json_t *v = cg_json_member(o, "eos_token_id");
    size_t count = json_is_array(v) ? json_array_size(v) : 1, passed = 0;
    char text[128];

    for (size_t i = 0; v && i < count; i++) {
        const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
        double value = json_number_value(id);

        if (!json_is_number(id) || value != floor(value))
            return cg_json_fail_wanted(o, "eos_token_id", "a token id or a list of them", err);
        if (value < 0 || value >= vocab) {
            passed++;
        } else if (g->n_eos == CG_MAX_EOS) {
            snprintf(text, sizeof text, "at most %d token ids", CG_MAX_EOS);
            return cg_json_fail_wanted(o, "eos_token_id", text, err);
        } else {
            g->eos[g->n_eos++] = (int32_t)value;
        }
    }
    if (v && (passed || !count)) {
        snprintf(text, sizeof text, "eos_token_id: %zu of %zu ids are tokens of the model", //
                 count - passed, count);
        add_note(g, text);
    }
    return CG_OK;
}

/* ---- values that are not ------------------------------------------------------------------ */

/* The values that change nothing, besides null and an empty list or object. */
enum {
    NEUTRAL_1,
    NEUTRAL_0, /* and less */
    NEUTRAL_FALSE,
    NEUTRAL_FROM_1,    /* 1 and more */
    NEUTRAL_BETWEEN_0, /* all but those between 0 and 1 */
    NEUTRAL_NONE,
};

static const struct {
    const char *key;
    int32_t neutral, applies;
} not_served[] = {
    { "num_beams", NEUTRAL_1, CG_APPLIES_ALWAYS },
    { "repetition_penalty", NEUTRAL_1, CG_APPLIES_ALWAYS },
    { "encoder_repetition_penalty", NEUTRAL_1, CG_APPLIES_ALWAYS },
    { "no_repeat_ngram_size", NEUTRAL_0, CG_APPLIES_ALWAYS },
    { "encoder_no_repeat_ngram_size", NEUTRAL_0, CG_APPLIES_ALWAYS },
    { "bad_words_ids", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "force_words_ids", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "constraints", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "suppress_tokens", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "begin_suppress_tokens", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "forced_bos_token_id", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "forced_eos_token_id", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "sequence_bias", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "guidance_scale", NEUTRAL_1, CG_APPLIES_ALWAYS },
    { "min_length", NEUTRAL_0, CG_APPLIES_ALWAYS },
    { "min_new_tokens", NEUTRAL_0, CG_APPLIES_ALWAYS },
    { "exponential_decay_length_penalty", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "stop_strings", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "watermarking_config", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "token_healing", NEUTRAL_FALSE, CG_APPLIES_ALWAYS },
    { "dola_layers", NEUTRAL_NONE, CG_APPLIES_ALWAYS },
    { "penalty_alpha", NEUTRAL_0, CG_APPLIES_WHEN_GREEDY },
    { "typical_p", NEUTRAL_FROM_1, CG_APPLIES_WHEN_SAMPLING },
    { "top_h", NEUTRAL_NONE, CG_APPLIES_WHEN_SAMPLING },
    { "epsilon_cutoff", NEUTRAL_BETWEEN_0, CG_APPLIES_WHEN_SAMPLING },
    { "eta_cutoff", NEUTRAL_BETWEEN_0, CG_APPLIES_WHEN_SAMPLING },
};

/* Of searches with beams only: named beside num_beams. */
static const char *const of_beams[] = { "num_beam_groups", "diversity_penalty" };

enum {
    N_NOT_SERVED = sizeof not_served / sizeof *not_served,
    N_OF_BEAMS = sizeof of_beams / sizeof *of_beams,
};

_Static_assert(N_NOT_SERVED + N_OF_BEAMS <= CG_MAX_UNSERVED, "a place for each");

static int is_neutral(const json_t *v, int32_t neutral)
{
    double x = json_number_value(v);

    if (!v || (json_is_array(v) && !json_array_size(v)) ||
        (json_is_object(v) && !json_object_size(v)))
        return 1;
    if (neutral == NEUTRAL_FALSE)
        return json_is_false(v);
    if (!json_is_number(v))
        return 0;
    switch (neutral) {
    case NEUTRAL_1:
        return x == 1;
    case NEUTRAL_0:
        return x <= 0;
    case NEUTRAL_FROM_1:
        return x >= 1;
    case NEUTRAL_BETWEEN_0:
        return x <= 0 || x >= 1;
    default:
        return 0;
    }
}

static void add_unserved(const cg_json *o, const char *key, int32_t applies,
                         cg_generation_config *g)
{
    cg_unserved_setting *u = &g->unserved[g->n_unserved++];
    const json_t *v = cg_json_member(o, key);

    u->key = key;
    u->applies = applies;
    if (json_is_real(v))
        snprintf(u->value, sizeof u->value, "%g", json_real_value(v));
    else if (!json_is_array(v) && !json_is_object(v))
        cg_json_describe(v, u->value, sizeof u->value);
}

static void read_unserved(const cg_json *o, cg_generation_config *g)
{
    for (int i = 0; i < N_NOT_SERVED; i++)
        if (!is_neutral(cg_json_member(o, not_served[i].key), not_served[i].neutral))
            add_unserved(o, not_served[i].key, not_served[i].applies, g);
    if (is_neutral(cg_json_member(o, "num_beams"), NEUTRAL_1))
        return;
    for (int i = 0; i < N_OF_BEAMS; i++)
        if (cg_json_member(o, of_beams[i]))
            add_unserved(o, of_beams[i], CG_APPLIES_ALWAYS, g);
}

/* ---- files -------------------------------------------------------------------------------- */

static cg_status read_generation(const cg_json *o, int32_t vocab, cg_generation_config *g,
                                 cg_error *err)
{
    int64_t max_new = 0;

    g->from_model_config = json_is_true(cg_json_member(o, "_from_model_config"));
    CG_TRY(read_sampling(o, &g->sampling, err));
    read_null_top_k(o, g);
    CG_TRY(cg_json_int(o, "max_new_tokens", CG_JSON_OPTIONAL, 1, INT32_MAX, &max_new, err));
    g->max_new_tokens = (int32_t)(max_new < MAX_NEW_TOKENS ? max_new : MAX_NEW_TOKENS);
    read_unserved(o, g);
    return read_eos(o, vocab, g, err);
}

cg_status cg_generation_config_parse(const char *name, const void *bytes, size_t len, int32_t vocab,
                                     cg_generation_config *ret, cg_error *err)
{
    cg_generation_config g = { 0 };
    json_t *root = NULL;
    cg_status st;

    CG_TRY(cg_json_parse(name, bytes, len, &root, err));
    st = read_generation(&(cg_json) { name, "", root }, vocab, &g, err);
    json_decref(root);
    if (st == CG_OK)
        *ret = g;
    return st;
}

cg_status cg_confgen_sampling_read(const cg_json *o, cg_confgen_sampling *ret, cg_error *err)
{
    static const char *const known[] = { "do_sample", "temperature", "top_k", "top_p", "min_p" };
    const json_t *v = cg_json_member(o, "sampling");
    cg_json sub = { o->file, "sampling", v };
    cg_confgen_sampling s = { 0 };
    const char *key;
    json_t *value;

    if (json_is_string(v) && json_string_length(v) < sizeof s.preset) {
        memcpy(s.preset, json_string_value(v), json_string_length(v) + 1);
    } else if (json_is_object(v)) {
        json_object_foreach((json_t *)(uintptr_t)v, key, value)
        {
            size_t i = 0;

            while (i < sizeof known / sizeof *known && strcmp(key, known[i]))
                i++;
            if (i == sizeof known / sizeof *known)
                return cg_fail(err, CG_ERR_FORMAT,
                               "%s: sampling: unknown key \"%.40s\", wanted do_sample, "
                               "temperature, top_k, top_p or min_p",
                               o->file, key);
        }
        CG_TRY(read_sampling(&sub, &s.values, err));
        if (s.values.stated && !(s.values.stated & CG_STATES_DO_SAMPLE)) {
            s.values.stated |= CG_STATES_DO_SAMPLE; /* values are for sampling */
            s.values.do_sample = 1;
        }
    } else if (v) {
        return cg_json_fail_wanted(o, "sampling",
                                   "the name of a preset, or an object of do_sample, temperature, "
                                   "top_k, top_p and min_p",
                                   err);
    }
    *ret = s;
    return CG_OK;
}
