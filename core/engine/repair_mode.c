/* SPDX-License-Identifier: MIT */
/* Whether geometry is looked at while it is written: what was asked for, and what there is. */
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "engine/engine.h"
#include "template/geometry_tables.h"

static const char *const modes[] = {
    [CG_GEOMETRY_OFF] = "off", [CG_GEOMETRY_COUNT] = "count", [CG_GEOMETRY_REPAIR] = "repair"
};

static cg_status parse_mode(const char *name, cg_geometry_mode *ret, cg_error *err)
{
    if (!strcmp(name, "check")) /* alias of "count" until release 0.3 */
        name = modes[CG_GEOMETRY_COUNT];
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, modes[i])) {
            *ret = (cg_geometry_mode)i;
            return CG_OK;
        }
    return cg_fail(err, CG_ERR_USAGE, "--geometry '%s': wanted off, count or repair", name);
}

/* What every token adds to a number. */
static cg_status make_spelling(cg_engine *e, cg_error *err)
{
    const cg_vocabulary *v = &e->vocabulary.vocabulary;
    int32_t n = e->model->config.vocab > v->n_tokens ? e->model->config.vocab : v->n_tokens;

    e->token_numbers = cg_alloc_array((size_t)n, sizeof *e->token_numbers);
    if (!e->token_numbers)
        return cg_fail(err, CG_ERR_NOMEM, "engine: out of memory");
    for (int32_t i = 0; i < n; i++) {
        uint32_t len = 0;
        int32_t special = 0;
        const char *bytes = i < v->n_tokens ? v->token(v->ctx, i, &len, &special) : NULL;

        e->token_numbers[i] = bytes && !special ? cg_token_number_of(bytes, len) : 0;
    }
    return CG_OK;
}

/* Can a molecule's geometry be looked at with this constraint and this RDKit? */
static cg_status try_it(cg_engine *e, cg_error *err)
{
    cg_template_builder builder = e->builder;
    cg_molecule_template built = { 0 };
    cg_status status;

    builder.geometry = CG_GEOMETRY_COUNT;
    status = cg_molecule_template_build(&builder, "CC", 2, &built, err);
    if (status == CG_ERR_LIMIT) /* too little room even for this: molecules will be told so */
        return CG_OK;
    if (status != CG_OK)
        return status;
    if (!built.geometry) /* then for its reason */
        status = cg_geometry_compile(built.molecule, &built.geometry, err);
    cg_molecule_template_finish(&built);
    return status;
}

cg_status cg_engine_select_geometry(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    cg_geometry_mode mode = CG_GEOMETRY_REPAIR;
    cg_error why = CG_ERROR_INIT;
    cg_status status = o->geometry ? parse_mode(o->geometry, &mode, err) : CG_OK;

    if (status != CG_OK)
        return status;
    if (mode != CG_GEOMETRY_OFF && (status = try_it(e, &why)) != CG_OK) {
        if (status != CG_ERR_UNSUPPORTED || o->geometry)
            return cg_fail(err, status == CG_ERR_UNSUPPORTED ? CG_ERR_USAGE : status,
                           "--geometry %s: %s", modes[mode], why.msg);
        cg_host_log(&e->host.host, CG_LOG_WARNING, "geometry is not looked at: %s", why.msg);
        mode = CG_GEOMETRY_OFF;
    }
    e->builder.geometry = mode;
    e->info.geometry = modes[mode];
    return mode == CG_GEOMETRY_OFF ? CG_OK : make_spelling(e, err);
}

const char *cg_fault_describe(int32_t cause)
{
    return cause >= 0 && cause < CG_CAUSES ? cg_fault_cause_name((cg_fault_cause)cause) : NULL;
}
