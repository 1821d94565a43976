/* SPDX-License-Identifier: MIT */
/* Presets and ranges of sampling settings. */
#include <confgen/sampling.h>
#include <string.h>

#include "base/error.h"
#include "base/sized_struct.h"
#include "model/generation_config.h"

struct preset {
    const char *name;
    cg_sampling sampling;
};

/* Values that a preset does not state are those that transformers adds. */
#define SAMPLE(name, t, k, p, m)                                                                   \
    {                                                                                              \
        name,                                                                                      \
        {                                                                                          \
            sizeof(cg_sampling), 0, t, k, p, m                                                     \
        }                                                                                          \
    }
#define TOP_P(name, t, p) SAMPLE(name, t, CG_DEFAULT_TOP_K, p, 0)
#define MIN_P(name, t, m) SAMPLE(name, t, CG_DEFAULT_TOP_K, 1, m)
#define TOP_K(name, t, k) SAMPLE(name, t, k, 1, 0)

/*
 * Source of all but the first, recall, precision and qwen3: 3DMolGen, src/molgen3D/config/
 * sampling_config.py as of April 2026 (1 to 4 and 5 to 8 are equal there). recall and precision are
 * the best COV-R and COV-P of its docs/sampling_hp_sweep_rounds.md: top_k_r3_70_t13 and top_p_r2_1.
 */
static const struct preset presets[] = {
    { "greedy", { sizeof(cg_sampling), 1, 1, CG_DEFAULT_TOP_K, 1, 0 } },
    TOP_K("recall", 1.3, 70),
    TOP_P("precision", 1.0, 0.8),
    SAMPLE("qwen3", 0.7, 20, 0.8, 0),
    TOP_P("top_p_low_temperature", 0.8, 0.8),
    TOP_P("top_p_sampling1", 1.0, 1.0),
    TOP_P("top_p_sampling2", 1.0, 0.8),
    TOP_P("top_p_sampling3", 1.0, 0.6),
    TOP_P("top_p_sampling4", 1.0, 0.4),
    TOP_P("top_p_sampling5", 1.0, 1.0),
    TOP_P("top_p_sampling6", 1.0, 0.8),
    TOP_P("top_p_sampling7", 1.0, 0.6),
    TOP_P("top_p_sampling8", 1.0, 0.4),
    TOP_P("top_p_sampling9", 1.2, 1.0),
    TOP_P("top_p_sampling10", 1.2, 0.8),
    TOP_P("top_p_sampling11", 1.2, 0.6),
    TOP_P("top_p_sampling12", 1.2, 0.4),
    TOP_P("top_p_sampling13", 1.4, 1.0),
    TOP_P("top_p_sampling14", 1.4, 0.8),
    TOP_P("top_p_sampling15", 1.4, 0.6),
    TOP_P("top_p_sampling16", 1.4, 0.4),
    MIN_P("min_p_sampling1", 1.4, 0.1),
    MIN_P("min_p_sampling2", 1.4, 0.075),
    MIN_P("min_p_sampling3", 1.4, 0.05),
    MIN_P("min_p_sampling4", 1.2, 0.1),
    MIN_P("min_p_sampling5", 1.2, 0.075),
    MIN_P("min_p_sampling6", 1.2, 0.05),
    MIN_P("min_p_sampling7", 1.0, 0.1),
    MIN_P("min_p_sampling8", 1.0, 0.075),
    MIN_P("min_p_sampling9", 1.0, 0.05),
    MIN_P("min_p_sampling10", 0.8, 0.1),
    MIN_P("min_p_sampling11", 0.8, 0.075),
    MIN_P("min_p_sampling12", 0.8, 0.05),
    TOP_P("top_p_sweep1", 0.8, 0.9),
    TOP_P("top_p_sweep2", 1.0, 0.9),
    TOP_P("top_p_sweep3", 1.2, 0.9),
    MIN_P("min_p_sweep1", 0.8, 0.1),
    MIN_P("min_p_sweep2", 1.0, 0.1),
    MIN_P("min_p_sweep3", 1.2, 0.1),
    TOP_K("top_k_sweep1", 0.8, 50),
    TOP_K("top_k_sweep2", 1.0, 50),
    TOP_K("top_k_sweep3", 1.2, 50),
    TOP_P("top_p_r2_1", 1.0, 0.8),
    TOP_P("top_p_r2_2", 1.0, 0.9),
    TOP_P("top_p_r2_3", 1.0, 0.95),
    MIN_P("min_p_r2_1", 1.0, 0.05),
    MIN_P("min_p_r2_2", 1.0, 0.1),
    MIN_P("min_p_r2_3", 1.0, 0.15),
    TOP_K("top_k_r2_1", 1.0, 20),
    TOP_K("top_k_r2_2", 1.0, 50),
    TOP_K("top_k_r2_3", 1.0, 100),
    TOP_K("top_k_r3_30_t06", 0.6, 30),
    TOP_K("top_k_r3_30_t07", 0.7, 30),
    TOP_K("top_k_r3_30_t13", 1.3, 30),
    TOP_K("top_k_r3_30_t15", 1.5, 30),
    TOP_K("top_k_r3_50_t06", 0.6, 50),
    TOP_K("top_k_r3_50_t07", 0.7, 50),
    TOP_K("top_k_r3_50_t13", 1.3, 50),
    TOP_K("top_k_r3_50_t15", 1.5, 50),
    TOP_K("top_k_r3_70_t06", 0.6, 70),
    TOP_K("top_k_r3_70_t07", 0.7, 70),
    TOP_K("top_k_r3_70_t13", 1.3, 70),
    TOP_K("top_k_r3_70_t15", 1.5, 70),
};

enum { N_PRESETS = sizeof presets / sizeof presets[0] };

const char *cg_sampling_preset_name(int32_t i)
{
    return i >= 0 && i < N_PRESETS ? presets[i].name : NULL;
}

cg_status cg_sampling_preset_get(const char *name, cg_sampling *ret_sampling, cg_error *err)
{
    CG_TRY(cg_sized_struct_check(ret_sampling, "cg_sampling", err));
    for (int32_t i = 0; i < N_PRESETS; i++) {
        if (!strcmp(presets[i].name, name)) {
            cg_fill_struct(ret_sampling, &presets[i].sampling);
            return CG_OK;
        }
    }
    if (!strcmp(name, "beam_search"))
        return cg_fail(err, CG_ERR_USAGE,
                       "preset 'beam_search' searches with 4 beams, which is not supported, wanted "
                       "a preset that samples, or greedy");
    return cg_fail(err, CG_ERR_USAGE,
                   "preset '%s' is unknown, wanted greedy, recall, precision, qwen3, "
                   "top_p_sampling1 to 16, min_p_sampling1 to 12, top_p_low_temperature, or the "
                   "name of a setting of 3DMolGen's sweeps, e.g. top_k_r3_70_t13",
                   name);
}

static cg_status check_values(const cg_sampling *s, cg_error *err)
{
    if (s->greedy)
        return CG_OK; /* the other members are ignored */
    if (!(s->temperature > 0 && s->temperature <= 1000))
        return cg_fail(err, CG_ERR_USAGE,
                       "temperature %g: wanted more than 0, at most 1000; --greedy takes the most "
                       "probable token",
                       s->temperature);
    if (s->top_k < 0)
        return cg_fail(err, CG_ERR_USAGE, "top-k %d: wanted 0 (off) or more", s->top_k);
    if (!(s->top_p > 0 && s->top_p <= 1))
        return cg_fail(err, CG_ERR_USAGE, "top-p %g: wanted more than 0, at most 1", s->top_p);
    if (!(s->min_p >= 0 && s->min_p < 1))
        return cg_fail(err, CG_ERR_USAGE, "min-p %g: wanted 0 (off) or more, less than 1",
                       s->min_p);
    return CG_OK;
}

cg_status cg_sampling_check(const cg_sampling *sampling, cg_error *err)
{
    cg_sampling s = { CG_SIZED(cg_sampling) };

    CG_TRY(CG_SIZED_READ(cg_sampling, &s, sampling, err));
    return check_values(&s, err);
}
