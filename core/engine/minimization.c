/* SPDX-License-Identifier: MIT */
#include "engine/minimization.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/stereo.h"
#include "forcefield/mmff_energy.h"
#include "forcefield/mmff_minimizer.h"
#include "forcefield/mmff_parameters.h"
#include "forcefield/uff.h"

struct cg_minimization {
    int32_t mode; /* CG_MINIMIZE_* */
    size_t n_atoms;
    cg_mmff_tables *tables; /* NULL: by UFF */
    char *uff;              /* SMILES of all atoms */
    char *uff_reason;
    uint8_t *fixed; /* [n_atoms] 1: an atom of the text */
    uint8_t *core;  /* [n_atoms] 1: an atom of the core; NULL: no core */
    size_t n_text;
    cg_stereo stereo; /* of the text */
};

/* The force field of a mode. */
static const struct {
    cg_mmff_variant variant;
    const char *name;
} force_fields[] = {
    [CG_MINIMIZE_NONE] = { CG_MMFF94, "MMFF94" },
    [CG_MINIMIZE_HYDROGENS] = { CG_MMFF94, "MMFF94" },
    [CG_MINIMIZE_MMFF94] = { CG_MMFF94, "MMFF94" },
    [CG_MINIMIZE_MMFF94S] = { CG_MMFF94S, "MMFF94s" },
    [CG_MINIMIZE_MMFF94_NOESTAT] = { CG_MMFF94_NOESTAT, "MMFF94_noestat" },
    [CG_MINIMIZE_MMFF94S_NOESTAT] = { CG_MMFF94S_NOESTAT, "MMFF94s_noestat" },
};

/* Makes the tables; where MMFF94 has no parameters, UFF is used. */
static cg_status choose_force_field(cg_minimization *z, const char *smiles, cg_error *err)
{
    cg_error why = CG_ERROR_INIT, uff = CG_ERROR_INIT;
    cg_status st = cg_mmff_tables_create(smiles, force_fields[z->mode].variant, &z->tables, &why);

    if (st != CG_ERR_UNSUPPORTED)
        return st == CG_OK ? CG_OK : cg_fail(err, st, "%s", why.msg);
    st = cg_uff_check(smiles, &uff);
    if (st != CG_OK)
        return cg_fail(err, st, "%s; %s", why.msg, uff.msg);
    z->uff = strdup(smiles);
    z->uff_reason = strdup(why.msg);
    return z->uff && z->uff_reason ? CG_OK : cg_fail_nomem(err, "minimisation");
}

const char *cg_minimization_uff_reason(const cg_minimization *z)
{
    return z->uff_reason;
}

const char *cg_minimization_force_field(const cg_minimization *z)
{
    return z->tables ? force_fields[z->mode].name : "UFF";
}

cg_status cg_minimization_create(int32_t mode, const cg_molecule *text, const cg_molecule *all,
                                 const cg_kept_core *core, cg_minimization **ret, cg_error *err)
{
    const size_t n_atoms = cg_molecule_n_atoms(all);
    cg_minimization *z = calloc(1, sizeof *z);
    cg_status st;

    if (!z)
        return cg_fail_nomem(err, "minimisation");
    z->mode = mode;
    z->n_atoms = n_atoms;
    z->n_text = cg_molecule_n_atoms(text);
    z->fixed = calloc(n_atoms, 1);
    z->core = core->core ? calloc(n_atoms, 1) : NULL;
    if (!z->fixed || (core->core && !z->core)) {
        st = cg_fail_nomem(err, "minimisation");
        goto out;
    }
    memset(z->fixed, 1, z->n_text);
    for (size_t i = 0; z->core && i < cg_core_n_atoms(core->core); i++)
        z->core[core->atoms[i]] = 1;
    CG_TRY_GOTO(st, choose_force_field(z, cg_molecule_smiles(all, NULL), err), out);
    if (mode >= CG_MINIMIZE_MMFF94)
        CG_TRY_GOTO(st, cg_stereo_find(text, &z->stereo, err), out);
    *ret = z;
    z = NULL;
out:
    cg_minimization_destroy(z);
    return st;
}

void cg_minimization_destroy(cg_minimization *z)
{
    if (!z)
        return;
    cg_stereo_finish(&z->stereo);
    cg_mmff_tables_destroy(z->tables);
    free(z->uff);
    free(z->uff_reason);
    free(z->fixed);
    free(z->core);
    free(z);
}

/* Does a conformer have its stereo elements? Bits of ret_right [n_centres + n_bonds]. */
static void find_stereo(const cg_minimization *z, const double (*xyz)[3], float (*scratch)[3],
                        unsigned char *ret_right)
{
    const cg_stereo *s = &z->stereo;

    for (size_t i = 0; i < z->n_text; i++)
        for (int k = 0; k < 3; k++)
            scratch[i][k] = (float)xyz[i][k];
    for (size_t i = 0; i < s->n_centres; i++)
        ret_right[i] =
            cg_stereo_centre_volume(&s->centres[i], (const float(*)[3])scratch) >= CG_STEREO_FLAT;
    for (size_t i = 0; i < s->n_bonds; i++)
        ret_right[s->n_centres + i] =
            cg_stereo_bond_cosine(&s->bonds[i], (const float(*)[3])scratch) > 0;
}

/* Rejects a conformer that has lost one of its stereo elements. */
static cg_status check_stereo(const cg_minimization *z, const double (*before)[3],
                              cg_parsed_conformer *c, cg_error *err)
{
    const size_t n = z->stereo.n_centres + z->stereo.n_bonds;
    unsigned char *right = cg_alloc_array(n, 2);
    float(*scratch)[3] = cg_alloc_array(z->n_text, sizeof *scratch);
    cg_status st = CG_OK;

    if (!right || !scratch) {
        st = cg_fail_nomem(err, "minimisation");
        goto out;
    }
    find_stereo(z, before, scratch, right);
    find_stereo(z, (const double(*)[3])c->xyz, scratch, right + n);
    for (size_t i = 0; i < n; i++) {
        if (!right[i] || right[n + i])
            continue;
        c->verdict = CG_CONFORMER_INVALID_GEOMETRY;
        if (i < z->stereo.n_centres)
            snprintf(c->reason, sizeof c->reason, "minimisation inverts the stereocentre, atom %u",
                     z->stereo.centres[i].atom + 1);
        else
            snprintf(c->reason, sizeof c->reason,
                     "minimisation inverts the double bond of atoms %u and %u",
                     z->stereo.bonds[i - z->stereo.n_centres].ends[0] + 1,
                     z->stereo.bonds[i - z->stereo.n_centres].ends[1] + 1);
        break;
    }
out:
    free(right);
    free(scratch);
    return st;
}

/* Minimises the coordinates [n][n_atoms][3]. */
static cg_status minimize(const cg_minimization *z, cg_minimizer_pool *pool, size_t n, double *xyz,
                          cg_minimized *ret, cg_error *err)
{
    const int only_hydrogens = z->mode == CG_MINIMIZE_HYDROGENS;
    cg_minimizer_options stages[] = {
        only_hydrogens ? cg_minimizer_defaults : cg_minimizer_hydrogens_first,
        cg_minimizer_defaults,
    };
    const cg_minimizer_job job = { .tables = z->tables,
                                   .stages = stages,
                                   .n_stages = only_hydrogens ? 1 : 2,
                                   .n = n,
                                   .xyz = xyz,
                                   .minimized = ret };

    stages[0].fixed = z->fixed;
    stages[1].fixed = z->core;
    if (z->tables)
        return cg_minimizer_pool_run(pool, &job, err);
    for (size_t i = 0; i < n; i++) {
        cg_status st = cg_uff_minimize(z->uff, stages, job.n_stages, z->n_atoms,
                                       (double(*)[3])(xyz + i * z->n_atoms * 3), &ret[i], err);

        /* the molecule has parameters: the fault is the conformer's */
        if (st == CG_ERR_UNSUPPORTED)
            ret[i] = (cg_minimized) { .before = NAN, .after = NAN, .gradient = INFINITY };
        else if (st != CG_OK)
            return st;
    }
    return CG_OK;
}

static int takes_part(const cg_parsed_conformer *c)
{
    return c->verdict == CG_CONFORMER_OK && c->xyz;
}

/* The energy of a conformer where it is. */
static cg_status set_energy(const cg_minimization *z, cg_parsed_conformer *c, cg_error *err)
{
    const cg_minimizer_options nothing_moves = { 0 };
    cg_minimized at;

    if (z->tables) {
        c->energy = cg_mmff_energy(z->tables, (const double(*)[3])c->xyz, NULL, NULL);
    } else {
        CG_TRY(cg_uff_minimize(z->uff, &nothing_moves, 1, z->n_atoms, c->xyz, &at, err));
        c->energy = at.after;
    }
    c->has_energy = 1;
    return CG_OK;
}

cg_status cg_minimization_run(const cg_minimization *z, cg_minimizer_pool *pool,
                              cg_parsed_conformer *c, int32_t n, cg_error *err)
{
    const size_t each = z->n_atoms * 3;
    double *xyz, *from;
    cg_minimized *minimized;
    size_t n_part = 0, k = 0;
    cg_status st = CG_OK;

    for (int32_t i = 0; z->mode == CG_MINIMIZE_NONE && i < n; i++)
        if (takes_part(&c[i]))
            CG_TRY(set_energy(z, &c[i], err));
    if (z->mode == CG_MINIMIZE_NONE)
        return CG_OK;
    for (int32_t i = 0; i < n; i++)
        n_part += (size_t)takes_part(&c[i]);
    xyz = cg_alloc_array(n_part, each * sizeof *xyz);
    minimized = cg_alloc_array(n_part, sizeof *minimized);
    from = cg_alloc_array(each, sizeof *from);
    if (!xyz || !minimized || !from) {
        st = cg_fail_nomem(err, "minimisation");
        goto out;
    }
    for (int32_t i = 0; i < n; i++)
        if (takes_part(&c[i]))
            memcpy(xyz + each * k++, c[i].xyz, each * sizeof *xyz);
    CG_TRY_GOTO(st, minimize(z, pool, n_part, xyz, minimized, err), out);
    k = 0;
    for (int32_t i = 0; i < n; i++) {
        if (!takes_part(&c[i]))
            continue;
        memcpy(from, c[i].xyz, each * sizeof *from);
        memcpy(c[i].xyz, xyz + each * k, each * sizeof *xyz);
        c[i].has_energy = 1;
        c[i].is_minimized = 1;
        c[i].energy = minimized[k].after;
        c[i].released = minimized[k].before - minimized[k].after;
        c[i].gradient = minimized[k].gradient;
        if (!isfinite(minimized[k++].after)) {
            c[i].verdict = CG_CONFORMER_INVALID_GEOMETRY;
            snprintf(c[i].reason, sizeof c[i].reason, "minimisation ends at no finite energy");
            continue;
        }
        CG_TRY_GOTO(st, check_stereo(z, (const double(*)[3])from, &c[i], err), out);
    }
out:
    free(xyz);
    free(minimized);
    free(from);
    return st;
}
