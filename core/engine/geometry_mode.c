/* SPDX-License-Identifier: MIT */
/* Selecting the geometry mode: off, count or repair. */
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "engine/engine.h"
#include "sequence/token_number.h"
#include "template/geometry_tables.h"

static const char *const modes[] = {
    [CG_GEOMETRY_OFF] = "off", [CG_GEOMETRY_COUNT] = "count", [CG_GEOMETRY_REPAIR] = "repair"
};

static cg_status parse_mode(const char *name, cg_geometry_mode *ret, cg_error *err)
{
    if (!strcmp(name, "check")) /* alias of "count" until release 0.3 */
        name = modes[CG_GEOMETRY_COUNT];
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (!strcmp(name, modes[i])) {
            *ret = (cg_geometry_mode)i;
            return CG_OK;
        }
    return cg_fail(err, CG_ERR_USAGE, "--geometry '%s': wanted off, count or repair", name);
}

static cg_status make_token_numbers(cg_engine *e, cg_error *err)
{
    const cg_vocabulary *v = &e->model.vocabulary.vocabulary;
    int32_t n_rows = e->model.weights->config.vocab;
    int32_t n = n_rows > v->n_tokens ? n_rows : v->n_tokens;

    e->token_numbers = cg_alloc_array((size_t)n, sizeof *e->token_numbers);
    if (!e->token_numbers)
        return cg_fail_nomem(err, "engine");
    for (int32_t i = 0; i < n; i++) {
        uint32_t len = 0;
        int32_t special; /* bins may be added tokens */
        const char *bytes = i < v->n_tokens ? v->token(v->ctx, i, &len, &special) : NULL;

        e->token_numbers[i] = bytes ? cg_token_number_of(e->builder.format, bytes, len) : 0;
    }
    return CG_OK;
}

/* Compiles the geometry of ethane: CG_ERR_UNSUPPORTED if this format, this constraint or this RDKit
 * cannot. */
static cg_status try_geometry(const cg_engine *e, cg_error *err)
{
    cg_template_builder builder = e->builder;
    cg_molecule_template built = { 0 };
    const char *problem = e->codes ? NULL : cg_token_number_problem(e->builder.format);
    cg_status st;

    if (problem)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "%s", problem);
    builder.geometry = CG_GEOMETRY_COUNT;
    st = cg_molecule_template_build(&builder, "CC", 2, &built, err);
    if (st == CG_ERR_LIMIT) /* sequences too short even for ethane: molecules will fail with it */
        return CG_OK;
    if (st != CG_OK)
        return st;
    if (!built.geometry) /* compile once more, for the reason */
        st = cg_geometry_compile(built.molecule, &built.geometry, err);
    cg_molecule_template_finish(&built);
    return st;
}

/* Repair writes the text of a position of its choice, so every number of the format must have a
 * path. Codes are repaired after they have been decoded. */
static int can_repair(const cg_engine *e)
{
    return e->codes ||
           cg_constraint_features(e->constraint.plugin->ops) & CG_CONSTRAINT_ALL_NUMBERS;
}

/* Replaces repair by counting if the constraint cannot write all numbers; refuses it if it was
 * requested. */
static cg_status check_repair(cg_engine *e, int is_requested, cg_geometry_mode *mode, cg_error *err)
{
    static const char why[] = "does not declare a path for every number of the format "
                              "(CG_CONSTRAINT_ALL_NUMBERS)";
    const char *name = e->constraint.plugin->name;

    if (*mode != CG_GEOMETRY_REPAIR || can_repair(e))
        return CG_OK;
    if (is_requested)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "--geometry repair: constraint '%s' %s: use --geometry count, or "
                       "--constraint grammar",
                       name, why);
    cg_host_log(&e->host.host, CG_LOG_WARNING,
                "constraint '%s' %s: geometry is tested, not repaired", name, why);
    *mode = CG_GEOMETRY_COUNT;
    return CG_OK;
}

cg_status cg_engine_select_geometry(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    cg_geometry_mode mode = CG_GEOMETRY_REPAIR;
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    if (o->geometry)
        CG_TRY(parse_mode(o->geometry, &mode, err));
    if (mode != CG_GEOMETRY_OFF && (st = try_geometry(e, &why)) != CG_OK) {
        if (st == CG_ERR_PLUGIN)
            return cg_fail(err, st, "%s", why.msg);
        if (st != CG_ERR_UNSUPPORTED || o->geometry)
            return cg_fail(err, st == CG_ERR_UNSUPPORTED ? CG_ERR_USAGE : st, "--geometry %s: %s",
                           modes[mode], why.msg);
        cg_host_log(&e->host.host, CG_LOG_WARNING, "geometry repair disabled: %s", why.msg);
        mode = CG_GEOMETRY_OFF;
    }
    CG_TRY(check_repair(e, o->geometry != NULL, &mode, err));
    e->builder.geometry = mode;
    e->info.geometry = modes[mode];
    e->max_retries = e->info.retry;
    if (e->codes && mode == CG_GEOMETRY_REPAIR &&
        e->max_retries < cg_restart_limit(e->sampling.greedy))
        e->max_retries = cg_restart_limit(e->sampling.greedy);
    return mode == CG_GEOMETRY_OFF || e->codes ? CG_OK : make_token_numbers(e, err);
}
