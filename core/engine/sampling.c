/* SPDX-License-Identifier: MIT */
/* Selects the sampling of a run: what the caller gives, a preset, the model's files, defaults. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/sized_struct.h"
#include "engine/engine.h"

const char *cg_sampling_source_name(int32_t source)
{
    static const char *const names[] = { "default",      "config.json", "generation_config.json",
                                         "confgen.json", "preset",      "flag" };

    return source >= 0 && source < (int32_t)(sizeof names / sizeof *names) ? names[source]
                                                                           : "unknown";
}

void cg_sampling_describe(const cg_sampling *sampling, const cg_sampling_sources *from,
                          char *ret_text, size_t cap)
{
    cg_sampling s = { CG_SIZED(cg_sampling) };
    cg_sampling_sources f = { CG_SIZED(cg_sampling_sources) };

    cg_fill_struct(&s, sampling); /* a program may have shorter structs */
    cg_fill_struct(&f, from);
    if (s.greedy)
        snprintf(ret_text, cap, "greedy (%s)", cg_sampling_source_name(f.greedy));
    else
        snprintf(ret_text, cap, "temperature %g (%s), top-k %d (%s), top-p %g (%s), min-p %g (%s)",
                 s.temperature, cg_sampling_source_name(f.temperature), s.top_k,
                 cg_sampling_source_name(f.top_k), s.top_p, cg_sampling_source_name(f.top_p),
                 s.min_p, cg_sampling_source_name(f.min_p));
}

/* The settings so far. */
struct selection {
    cg_sampling values;
    cg_sampling_sources from;
};

static const cg_sampling not_given = { CG_SIZED(cg_sampling), -1, -1, -1, -1, -1 };

/* Overlays what a file states. */
static void add_stated(struct selection *s, const cg_stated_sampling *stated, int32_t source)
{
    if (stated->stated & CG_STATES_DO_SAMPLE) {
        s->values.greedy = !stated->do_sample;
        s->from.greedy = source;
    }
    if (stated->stated & CG_STATES_TEMPERATURE) {
        s->values.temperature = stated->temperature;
        s->from.temperature = source;
    }
    if (stated->stated & CG_STATES_TOP_K) {
        s->values.top_k = stated->top_k;
        s->from.top_k = source;
    }
    if (stated->stated & CG_STATES_TOP_P) {
        s->values.top_p = stated->top_p;
        s->from.top_p = source;
    }
    if (stated->stated & CG_STATES_MIN_P) {
        s->values.min_p = stated->min_p;
        s->from.min_p = source;
    }
}

/* Overlays the members that are not below 0. */
static void add_values(struct selection *s, const cg_sampling *v, int32_t source)
{
    cg_stated_sampling stated = {
        .stated = (v->greedy >= 0 ? CG_STATES_DO_SAMPLE : 0) |
                  (v->temperature >= 0 ? CG_STATES_TEMPERATURE : 0) |
                  (v->top_k >= 0 ? CG_STATES_TOP_K : 0) | (v->top_p >= 0 ? CG_STATES_TOP_P : 0) |
                  (v->min_p >= 0 ? CG_STATES_MIN_P : 0),
        .do_sample = !v->greedy,
        .temperature = v->temperature,
        .top_k = v->top_k,
        .top_p = v->top_p,
        .min_p = v->min_p,
    };

    add_stated(s, &stated, source);
}

/* The defaults of transformers. */
static struct selection defaults(void)
{
    return (struct selection) {
        .values = { CG_SIZED(cg_sampling), 1, 1, CG_DEFAULT_TOP_K, 1, 0 },
        .from = { CG_SIZED(cg_sampling_sources) },
    };
}

/* What the caller gives, over `s`. */
static cg_status add_options(struct selection *s, const cg_engine_options *o, cg_error *err)
{
    cg_sampling preset = not_given, given = not_given;

    if (o->preset)
        CG_TRY(cg_sampling_preset_get(o->preset, &preset, err));
    if (o->sampling)
        CG_TRY(CG_SIZED_READ(cg_sampling, &given, o->sampling, err));
    add_values(s, &preset, CG_SAMPLING_FROM_PRESET);
    add_values(s, &given, CG_SAMPLING_FROM_FLAG);
    return CG_OK;
}

static cg_status add_model(const cg_engine *e, struct selection *s, cg_error *err)
{
    const cg_generation_config *g = &e->model.weights->generation;
    const cg_confgen_sampling *own = &e->model.weights->format.sampling;
    cg_sampling preset = not_given;

    add_stated(s, &g->sampling,
               g->from_config ? CG_SAMPLING_FROM_CONFIG : CG_SAMPLING_FROM_GENERATION_CONFIG);
    if (*own->preset) {
        if (cg_sampling_preset_get(own->preset, &preset, err) != CG_OK)
            return cg_fail_prefix(err, CG_ERR_FORMAT, "model '%s': confgen.json: sampling",
                                  e->model.name);
        add_values(s, &preset, CG_SAMPLING_FROM_CONFGEN_JSON);
    }
    add_stated(s, &own->values, CG_SAMPLING_FROM_CONFGEN_JSON);
    return CG_OK;
}

/* The source of the first value that is out of range. */
static int32_t source_of_fault(const struct selection *s)
{
    cg_sampling one = { sizeof one, 0, 1, 0, 1, 0 };

    one.temperature = s->values.temperature;
    if (cg_sampling_check(&one, NULL) != CG_OK)
        return s->from.temperature;
    one.top_k = s->values.top_k;
    if (cg_sampling_check(&one, NULL) != CG_OK)
        return s->from.top_k;
    one.top_p = s->values.top_p;
    return cg_sampling_check(&one, NULL) != CG_OK ? s->from.top_p : s->from.min_p;
}

/* Whether somebody chose this sampling, who need not know what else the model's files state. */
static int is_chosen(const cg_sampling_sources *f)
{
    return f->greedy >= CG_SAMPLING_FROM_CONFGEN_JSON ||
           f->temperature >= CG_SAMPLING_FROM_CONFGEN_JSON ||
           f->top_k >= CG_SAMPLING_FROM_CONFGEN_JSON || f->top_p >= CG_SAMPLING_FROM_CONFGEN_JSON ||
           f->min_p >= CG_SAMPLING_FROM_CONFGEN_JSON;
}

/* Settings of the model's file that transformers would apply and that are not supported. */
static cg_status check_unserved(cg_engine *e, const struct selection *s, cg_error *err)
{
    const cg_generation_config *g = &e->model.weights->generation;
    const char *file = cg_sampling_source_name(g->from_config ? CG_SAMPLING_FROM_CONFIG
                                                              : CG_SAMPLING_FROM_GENERATION_CONFIG);
    char list[512] = "";
    size_t n = 0;
    int count = 0;

    for (int32_t i = 0; i < g->n_unserved; i++) {
        const cg_unserved_setting *u = &g->unserved[i];

        if (u->applies == CG_APPLIES_ALWAYS ||
            (u->applies == CG_APPLIES_WHEN_GREEDY) == (s->values.greedy != 0)) {
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s%s%s", count++ ? ", " : "",
                                  u->key, *u->value ? " " : "", u->value);
            n = n < sizeof list ? n : sizeof list - 1;
        }
    }
    if (!count)
        return CG_OK;
    if (!is_chosen(&s->from))
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "model '%s': %s: %s: not supported; --sampling, --temperature or --greedy "
                       "generates without",
                       e->model.name, file, list);
    cg_host_log(&e->host.host, CG_LOG_WARNING, "model '%s': %s: %s: not supported and ignored",
                e->model.name, file, list);
    return CG_OK;
}

cg_status cg_engine_select_sampling(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    const cg_generation_config *g = &e->model.weights->generation;
    struct selection s = defaults();

    s.values.greedy = 0;
    CG_TRY(add_options(&s, o, err));
    CG_TRY(cg_sampling_check(&s.values, err)); /* what is out of range here is the caller's */
    s = defaults();
    CG_TRY(add_model(e, &s, err));
    CG_TRY(add_options(&s, o, err));
    if (cg_sampling_check(&s.values, err) != CG_OK)
        return cg_fail_prefix(err, CG_ERR_FORMAT, "model '%s': %s", e->model.name,
                              cg_sampling_source_name(source_of_fault(&s)));
    CG_TRY(check_unserved(e, &s, err));
    if (*g->note)
        cg_host_log(&e->host.host, CG_LOG_WARNING, "model '%s': %s: %s", e->model.name,
                    cg_sampling_source_name(g->from_config ? CG_SAMPLING_FROM_CONFIG
                                                           : CG_SAMPLING_FROM_GENERATION_CONFIG),
                    g->note);
    e->sampling = s.values;
    e->sampling_from = s.from;
    return CG_OK;
}
