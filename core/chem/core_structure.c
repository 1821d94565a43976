/* SPDX-License-Identifier: MIT */
#include "chem/core_structure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/vec3.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"

static const double min_width = 0.5; /* Å from the line through the first two atoms */

struct cg_core {
    char *block;
    double (*xyz)[3]; /* [n_atoms] of RDKit: free_ptr() */
    size_t n_atoms;
};

/* The largest distance of an atom from the line through the first two. */
static double width_of(const cg_core *c)
{
    double line[3], size, most = 0;

    cg_vec3d_between(c->xyz[0], c->xyz[1], line);
    size = sqrt(cg_vec3d_dot(line, line));
    for (size_t i = 2; i < c->n_atoms && size > 0; i++) {
        double v[3], across[3];

        cg_vec3d_between(c->xyz[0], c->xyz[i], v);
        cg_vec3d_cross(line, v, across);
        most = fmax(most, sqrt(cg_vec3d_dot(across, across)) / size);
    }
    return most;
}

static cg_status check_positions(const cg_core *c, cg_error *err)
{
    for (size_t i = 0; i < c->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            if (!(fabs(c->xyz[i][k]) <= CG_CORE_MAX_COORDINATE)) /* also one that is not finite */
                return cg_fail(err, CG_ERR_INPUT,
                               "heavy atom %zu has the coordinate %g, wanted at most %d Å", i + 1,
                               c->xyz[i][k], CG_CORE_MAX_COORDINATE);
    if (c->n_atoms < 3 || width_of(c) < min_width)
        return cg_fail(err, CG_ERR_INPUT,
                       "found %zu heavy atoms%s, wanted at least three that are not on one line: "
                       "fewer leave the orientation open",
                       c->n_atoms, c->n_atoms < 3 ? "" : " on one line");
    return CG_OK;
}

cg_status cg_core_create(const char *block, cg_core **ret, cg_error *err)
{
    cg_core *c;
    char reason[256] = "";
    cg_status st = CG_OK;

    if (strnlen(block, CG_MOLECULE_MAX_BLOCK + 1) > CG_MOLECULE_MAX_BLOCK)
        return cg_fail(err, CG_ERR_LIMIT, "the molecule has more than %d bytes",
                       CG_MOLECULE_MAX_BLOCK);
    c = calloc(1, sizeof *c);
    if (!c)
        return cg_fail_nomem(err, "core");
    c->block = strdup(block);
    if (!c->block) {
        st = cg_fail_nomem(err, "core");
        goto out;
    }
    c->xyz = (double(*)[3])cgrd_core_positions(block, &c->n_atoms, reason, sizeof reason);
    if (!c->xyz) {
        st = cg_rdkit_fail(err, CG_ERR_INPUT, "RDKit cannot read the molecule: %s", reason);
        goto out;
    }
    CG_TRY_GOTO(st, check_positions(c, err), out);
    *ret = c;
    c = NULL;
out:
    cg_core_destroy(c);
    return st;
}

void cg_core_destroy(cg_core *c)
{
    if (!c)
        return;
    free_ptr((char *)c->xyz);
    free(c->block);
    free(c);
}

size_t cg_core_n_atoms(const cg_core *c)
{
    return c->n_atoms;
}

const double (*cg_core_positions(const cg_core *c))[3]
{
    return (const double(*)[3])c->xyz;
}

cg_status cg_core_find(const cg_core *c, const cg_molecule *mol, uint32_t **ret_matches,
                       size_t *ret_n, cg_error *err)
{
    char reason[256] = "";
    size_t n = 0;
    uint32_t *copy;
    unsigned *matches = cgrd_core_matches(c->block, cg_molecule_smiles(mol, NULL),
                                          CG_CORE_MAX_MATCHES, &n, reason, sizeof reason);

    if (!matches)
        return cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "RDKit cannot search the core: %s", reason);
    copy = cg_alloc_array(n * c->n_atoms + 1, sizeof *copy);
    for (size_t i = 0; copy && i < n * c->n_atoms; i++)
        copy[i] = matches[i];
    free_ptr((char *)matches);
    if (!copy)
        return cg_fail_nomem(err, "core");
    *ret_matches = copy;
    *ret_n = n;
    return CG_OK;
}
