/* SPDX-License-Identifier: MIT */
/* The test that the fragments of a salt or mixture are together. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/vec3.h"
#include "check/checker_internal.h"

/* Distance of the atoms of fragment f to those of other fragments, Å: the nearest pair. */
static double nearest(const cg_contacts *c, size_t n_atoms, uint32_t f, const float (*xyz)[3])
{
    double least = INFINITY;

    for (size_t i = 0; i < n_atoms; i++)
        for (size_t j = 0; j < n_atoms && c->fragment[i] == f; j++) {
            double v[3];

            if (c->fragment[j] == f)
                continue;
            cg_vec3d_between_floats(xyz[i], xyz[j], v);
            least = fmin(least, sqrt(cg_vec3d_dot(v, v)));
        }
    return least;
}

/* Adds the fragments that touch those of `together`. @return 1 if there were any */
static int extend(const cg_contacts *c, size_t n_atoms, const float (*xyz)[3], uint8_t *together)
{
    int extended = 0;

    for (size_t i = 0; i < n_atoms; i++)
        for (size_t j = 0; j < n_atoms; j++) {
            double v[3];

            if (!together[c->fragment[i]] || together[c->fragment[j]])
                continue;
            cg_vec3d_between_floats(xyz[i], xyz[j], v);
            if (cg_vec3d_dot(v, v) > CG_CONTACT_MAX * CG_CONTACT_MAX)
                continue;
            together[c->fragment[j]] = 1;
            extended = 1;
        }
    return extended;
}

cg_status cg_check_find_loose_fragment(const cg_checker *c, const float (*xyz)[3], char *ret_detail,
                                       size_t cap, cg_error *err)
{
    size_t n_atoms = cg_molecule_n_atoms(c->mol);
    uint8_t *together = calloc(c->contacts.n + 1, 1);

    if (!together)
        return cg_fail_nomem(err, "checks");
    ret_detail[0] = '\0';
    together[0] = 1;
    while (extend(&c->contacts, n_atoms, xyz, together))
        ;
    for (uint32_t f = 1; f <= c->contacts.n; f++) {
        if (together[f])
            continue;
        snprintf(ret_detail, cap, "fragment %u is %.1f Å from the others, at most %.1f", f + 1,
                 nearest(&c->contacts, n_atoms, f, xyz), CG_CONTACT_MAX);
        break;
    }
    free(together);
    return CG_OK;
}
