/* SPDX-License-Identifier: MIT */
#include "model/rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"

static const struct {
    const char *name;
    int32_t kind;
} kinds[] = {
    { "default", CG_ROPE_DEFAULT }, { "linear", CG_ROPE_LINEAR }, { "dynamic", CG_ROPE_DYNAMIC },
    { "yarn", CG_ROPE_YARN },       { "llama3", CG_ROPE_LLAMA3 },
};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* Older files name the key "type" instead of "rope_type"; where a file has both and they differ,
 * versions of transformers read different ones. */
static cg_status read_kind(const cg_json *o, int32_t *ret_kind, cg_error *err)
{
    const char *key = cg_json_member(o, "rope_type") ? "rope_type" : "type";
    const char *name = "default", *older = NULL;

    CG_TRY(cg_json_string(o, key, CG_JSON_OPTIONAL, &name, err));
    CG_TRY(cg_json_string(o, "type", CG_JSON_OPTIONAL, &older, err));
    if (older && strcmp(older, name))
        return cg_json_fail_wanted(o, "type", "the value of rope_type, or no such key", err);
    for (int i = 0; i < N_KINDS; i++)
        if (!strcmp(name, kinds[i].name)) {
            *ret_kind = kinds[i].kind;
            return CG_OK;
        }
    return cg_json_fail_unsupported(
        o, key, "\"default\", \"linear\", \"dynamic\", \"yarn\" or \"llama3\"", err);
}

/*
 * Some files have the length of the original context at their top level as well, where newer
 * versions of transformers prefer it and older ones ignore it.
 */
static cg_status read_original_positions(const cg_json *top, const cg_json *o, int required,
                                         cg_rope_config *rope, cg_error *err)
{
    static const char key[] = "original_max_position_embeddings";
    double other;

    CG_TRY(cg_json_real(o, key, required, 1, CG_MAX_POSITIONS, &rope->original_max_positions, err));
    other = rope->original_max_positions;
    CG_TRY(cg_json_real(top, key, CG_JSON_OPTIONAL, 1, CG_MAX_POSITIONS, &other, err));
    if (other != rope->original_max_positions)
        return cg_json_fail_wanted(top, key, "the same number as in the settings of RoPE", err);
    return CG_OK;
}

static cg_status read_llama3(const cg_json *top, const cg_json *o, cg_rope_config *rope,
                             cg_error *err)
{
    CG_TRY(cg_json_real(o, "low_freq_factor", CG_JSON_REQUIRED, 1e-6, 1e6, &rope->low_freq_factor,
                        err));
    CG_TRY(cg_json_real(o, "high_freq_factor", CG_JSON_REQUIRED, 1e-6, 1e6, &rope->high_freq_factor,
                        err));
    CG_TRY(read_original_positions(top, o, CG_JSON_REQUIRED, rope, err));
    if (rope->high_freq_factor <= rope->low_freq_factor)
        return cg_json_fail_wanted(o, "high_freq_factor", "more than low_freq_factor", err);
    return CG_OK;
}

/* The scaling of attention that Peng et al. recommend. */
static double yarn_scale(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

static cg_status read_yarn(const cg_json *top, const cg_json *o, double max_positions,
                           cg_rope_config *rope, cg_error *err)
{
    double mscale = 0, mscale_all = 0;
    int truncate = 1;

    if (rope->theta <= 1)
        return cg_json_fail_wanted(o, "rope_theta", "more than 1", err);
    rope->original_max_positions = max_positions;
    rope->beta_fast = 32;
    rope->beta_slow = 1;
    CG_TRY(read_original_positions(top, o, CG_JSON_OPTIONAL, rope, err));
    CG_TRY(cg_json_real(o, "beta_fast", CG_JSON_OPTIONAL, 1e-3, 1e6, &rope->beta_fast, err));
    CG_TRY(cg_json_real(o, "beta_slow", CG_JSON_OPTIONAL, 1e-3, 1e6, &rope->beta_slow, err));
    CG_TRY(cg_json_real(o, "mscale", CG_JSON_OPTIONAL, 0, 1e3, &mscale, err));
    CG_TRY(cg_json_real(o, "mscale_all_dim", CG_JSON_OPTIONAL, 0, 1e3, &mscale_all, err));
    CG_TRY(cg_json_bool(o, "truncate", CG_JSON_OPTIONAL, &truncate, err));
    rope->no_truncate = !truncate;
    rope->attention_factor = mscale > 0 && mscale_all > 0 ? yarn_scale(rope->factor, mscale) /
                                                                yarn_scale(rope->factor, mscale_all)
                                                          : yarn_scale(rope->factor, 1);
    return cg_json_real(o, "attention_factor", CG_JSON_OPTIONAL, 1e-3, 1e3, &rope->attention_factor,
                        err);
}

static cg_status read_scaling(const cg_json *top, const cg_json *o, double max_positions,
                              cg_rope_config *rope, cg_error *err)
{
    CG_TRY(read_kind(o, &rope->kind, err));
    if (rope->kind == CG_ROPE_DEFAULT)
        return CG_OK;
    CG_TRY(cg_json_real(o, "factor", CG_JSON_REQUIRED, 1, 1e6, &rope->factor, err));
    if (rope->kind == CG_ROPE_LLAMA3)
        return read_llama3(top, o, rope, err);
    if (rope->kind == CG_ROPE_YARN)
        return read_yarn(top, o, max_positions, rope, err);
    return CG_OK;
}

/* The share of a head that rotates. Only GPT-NeoX has one other than 1, by its own key. */
static cg_status read_share(const cg_json *o, const char *key, const cg_rope_keys *keys,
                            double *ret_share, cg_error *err)
{
    CG_TRY(cg_json_real(o, key, CG_JSON_OPTIONAL, 0, 1, ret_share, err));
    if (!keys->share && *ret_share != 1)
        return cg_json_fail_unsupported(o, key, "1", err);
    return CG_OK;
}

/* Reads the rotary settings of the object `key` of the file. */
static cg_status read_object(const cg_json *top, const char *key, const cg_rope_keys *keys,
                             double max_positions, cg_rope_config *rope, double *share,
                             cg_error *err)
{
    static const char *const types[] = { "full_attention", "sliding_attention" };
    const json_t *node = cg_json_member(top, key);
    cg_json o = { top->file, key, node };

    if (!json_is_object(node))
        return cg_json_fail_wanted(top, key, "an object", err);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (cg_json_member(&o, types[i]))
            return cg_json_fail_unsupported(&o, types[i], "one setting for all layers", err);
    CG_TRY(cg_json_real(&o, "rope_theta", CG_JSON_OPTIONAL, 1, 1e12, &rope->theta, err));
    CG_TRY(read_share(&o, "partial_rotary_factor", keys, share, err));
    return read_scaling(top, &o, max_positions, rope, err);
}

static int same_rope(const cg_rope_config *a, const cg_rope_config *b)
{
    return a->kind == b->kind && a->theta == b->theta && a->factor == b->factor &&
           a->low_freq_factor == b->low_freq_factor && a->high_freq_factor == b->high_freq_factor &&
           a->original_max_positions == b->original_max_positions && a->beta_fast == b->beta_fast &&
           a->beta_slow == b->beta_slow && a->attention_factor == b->attention_factor &&
           a->no_truncate == b->no_truncate;
}

/* A number that is stated at the top level and in an object must be the same. */
static cg_status check_same(const cg_json *o, const char *key, double value, const char *object,
                            const char *object_key, double object_value, cg_error *err)
{
    if (!cg_json_member(o, key) || value == object_value)
        return CG_OK;
    return cg_fail(err, CG_ERR_FORMAT,
                   "%s: %s: found %.17g, but %s.%s is %.17g: wanted equal values or one of them",
                   o->file, key, value, object, object_key, object_value);
}

cg_status cg_rope_read(const cg_json *o, const cg_rope_keys *keys, cg_model_config *c,
                       cg_error *err)
{
    static const char *const objects[] = { "rope_parameters", "rope_scaling" };
    const char *share_key = keys->share ? keys->share : "partial_rotary_factor", *found = NULL;
    cg_rope_config top = { .theta = keys->default_theta };
    double share = keys->share ? keys->default_share : 1, top_share;

    CG_TRY(cg_json_real(o, keys->theta, CG_JSON_OPTIONAL, 1, 1e12, &top.theta, err));
    CG_TRY(read_share(o, share_key, keys, &share, err));
    top_share = share;
    c->rope = top;
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        const json_t *node = cg_json_member(o, objects[i]);
        cg_rope_config r = top;

        if (!node || (json_is_object(node) && !json_object_size(node)))
            continue;
        CG_TRY(read_object(o, objects[i], keys, c->max_positions, &r, &share, err));
        CG_TRY(check_same(o, keys->theta, top.theta, objects[i], "rope_theta", r.theta, err));
        CG_TRY(
            check_same(o, share_key, top_share, objects[i], "partial_rotary_factor", share, err));
        if (found && !same_rope(&r, &c->rope))
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: %s and %s: found different settings, wanted equal ones or one of "
                           "them",
                           o->file, found, objects[i]);
        c->rope = r;
        found = objects[i];
    }
    c->rotary_dim = (int32_t)(c->head_dim * share);
    if (c->rotary_dim < 2 || c->rotary_dim % 2)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "%s: %s: %d of the %d elements of a head rotate, wanted an even number",
                       o->file, share_key, c->rotary_dim, c->head_dim);
    return CG_OK;
}

/* ---- angles ----------------------------------------------------------------------------- */

static int32_t rotary_dim(const cg_model_config *c)
{
    return c->rotary_dim ? c->rotary_dim : c->head_dim;
}

/* Frequencies with few wavelengths in the original context are divided by `factor`, those with many
 * are kept, those in between are interpolated. */
static float scale_llama3(const cg_rope_config *r, float freq)
{
    const double two_pi = 6.283185307179586;
    double wavelength = two_pi / freq;
    double waves = r->original_max_positions / wavelength;
    float keep;

    if (waves < r->low_freq_factor)
        return freq / (float)r->factor;
    if (waves > r->high_freq_factor)
        return freq;
    keep = (float)((waves - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor));
    return (1.0f - keep) * freq / (float)r->factor + keep * freq;
}

/* The index of the frequency that makes so many rotations in the original context. */
static double yarn_index(const cg_rope_config *r, int32_t dim, double rotations)
{
    return dim * log(r->original_max_positions / (rotations * 2 * M_PI)) / (2 * log(r->theta));
}

/* The same by the index of a frequency: a linear ramp between the two numbers of rotations. */
static float scale_yarn(const cg_rope_config *r, int32_t dim, int32_t i, float pos_freq)
{
    double low = yarn_index(r, dim, r->beta_fast), high = yarn_index(r, dim, r->beta_slow);
    float scaled = 1.0f / ((float)r->factor * pos_freq), ramp;

    if (!r->no_truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = low > 0 ? low : 0;
    high = high < dim - 1 ? high : dim - 1;
    if (low == high)
        high += 0.001;
    ramp = ((float)i - (float)low) / (float)(high - low);
    ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
    ramp = 1.0f - ramp; /* the part that is kept */
    return scaled * (1.0f - ramp) + 1.0f / pos_freq * ramp;
}

void cg_rope_inv_freq(const cg_model_config *c, float *ret_inv_freq)
{
    const cg_rope_config *r = &c->rope;
    int32_t dim = rotary_dim(c);

    for (int32_t i = 0; i < c->head_dim / 2; i++) {
        float pos_freq = (float)pow(r->theta, (float)(2 * i) / (float)dim);
        float freq = 1.0f / pos_freq;

        if (r->kind == CG_ROPE_LLAMA3)
            freq = scale_llama3(r, freq);
        else if (r->kind == CG_ROPE_LINEAR)
            freq = freq / (float)r->factor;
        else if (r->kind == CG_ROPE_YARN)
            freq = scale_yarn(r, dim, i, pos_freq);
        ret_inv_freq[i] = i < dim / 2 && r->theta > 0 ? freq : 0;
    }
}

cg_status cg_rope_tables(const cg_model_config *c, int64_t n_positions, float *ret_cosines,
                         float *ret_sines, cg_error *err)
{
    int64_t half = c->head_dim / 2, rotated = rotary_dim(c) / 2;
    float factor = c->rope.kind == CG_ROPE_YARN ? (float)c->rope.attention_factor : 1.0f;
    float *inv_freq = cg_alloc_array((size_t)half, sizeof *inv_freq);

    if (!inv_freq)
        return cg_fail_nomem(err, "rotary embedding");
    cg_rope_inv_freq(c, inv_freq);
    for (int64_t p = 0; p < n_positions; p++)
        for (int64_t i = 0; i < half; i++) {
            float angle = (float)p * inv_freq[i]; /* rounded to f32, as in training */
            float scale = i < rotated ? factor : 1.0f;

            ret_cosines[p * half + i] = cosf(angle) * scale;
            ret_sines[p * half + i] = sinf(angle) * scale;
        }
    free(inv_freq);
    return CG_OK;
}

int32_t cg_rope_source(const cg_model_config *c, int32_t i)
{
    int32_t half = c->head_dim / 2, rotated = rotary_dim(c) / 2;
    int32_t upper = i >= half, pair = upper ? i - half : i;

    if (pair < rotated)
        return upper * rotated + pair;
    return 2 * rotated + upper * (half - rotated) + pair - rotated;
}
