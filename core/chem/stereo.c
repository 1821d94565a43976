/* SPDX-License-Identifier: MIT */
#include "chem/stereo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/vec3.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"

/* The neighbour of `end` other than two; CG_STEREO_NO_ATOM if there is none. */
static uint32_t third_neighbour(const cg_smiles *graph, uint32_t end, uint32_t one, uint32_t two)
{
    for (size_t i = 0; i < graph->n_bonds; i++) {
        const cg_smiles_bond *b = &graph->bonds[i];
        uint32_t to = b->first == end ? b->second : b->first;

        if ((b->first == end || b->second == end) && to != one && to != two)
            return to;
    }
    return CG_STEREO_NO_ATOM;
}

/* Adds one element; `out` has room. RDKit's sense becomes the sign of a volume: seen from the first
 * neighbour the others are anticlockwise. */
static void add(const cgrd_stereo *s, const cg_smiles *graph, cg_stereo *out)
{
    if (s->kind == CGRD_CENTRE) {
        cg_stereo_centre c = { .atom = s->atom, .n_neighbours = (uint8_t)s->n_neighbours };

        memcpy(c.neighbours, s->neighbours, sizeof c.neighbours);
        c.sign = (int8_t)((s->sense != 0) == (s->n_neighbours == 3) ? 1 : -1);
        out->centres[out->n_centres++] = c;
    } else if (s->kind == CGRD_DOUBLE_BOND) {
        const uint32_t *n = s->neighbours;

        out->bonds[out->n_bonds++] = (cg_stereo_bond) {
            .ends = { s->atom, s->other_end },
            .neighbours = { n[0], n[1] },
            .others = { third_neighbour(graph, s->atom, s->other_end, n[0]),
                        third_neighbour(graph, s->other_end, s->atom, n[1]) },
            .cis = (int8_t)s->sense,
        };
    } else {
        out->n_untested++;
    }
}

cg_status cg_stereo_find(const cg_molecule *mol, cg_stereo *ret_stereo, cg_error *err)
{
    const char *smiles = cg_molecule_smiles(mol, NULL);
    char reason[256] = "";
    size_t n = 0, n_atoms = 0;
    cgrd_stereo *found = cgrd_find_stereo(smiles, &n, &n_atoms, reason, sizeof reason);
    cg_stereo out = { .n_untested = cg_molecule_n_lost_stereo(mol) };
    cg_status st = CG_OK;

    if (!found) {
        st = cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "'%.60s': no stereo: %s", smiles, reason);
        goto out;
    }
    if (n_atoms != cg_molecule_n_atoms(mol)) {
        st = cg_fail(err, CG_ERR_UNSUPPORTED,
                     "'%.60s': no stereo: RDKit counts %zu atoms, the SMILES has %zu", smiles,
                     n_atoms, cg_molecule_n_atoms(mol));
        goto out;
    }
    out.centres = cg_alloc_array(n + 1, sizeof *out.centres);
    out.bonds = cg_alloc_array(n + 1, sizeof *out.bonds);
    if (!out.centres || !out.bonds) {
        st = cg_fail_nomem(err, "stereo");
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        add(&found[i], cg_molecule_graph(mol), &out);
    *ret_stereo = out;
    out = (cg_stereo) { 0 };
out:
    free_ptr((char *)found);
    cg_stereo_finish(&out);
    return st;
}

void cg_stereo_finish(cg_stereo *stereo)
{
    if (!stereo)
        return;
    free(stereo->centres);
    free(stereo->bonds);
    *stereo = (cg_stereo) { 0 };
}

/* ---- tests -------------------------------------------------------------------------------- */

double cg_stereo_centre_volume(const cg_stereo_centre *c, const float (*xyz)[3])
{
    const uint32_t *n = c->neighbours + (c->n_neighbours - 3);
    const float *apex = xyz[c->n_neighbours == 3 ? c->atom : c->neighbours[0]];
    double v[3][3], axis[3];

    for (int i = 0; i < 3; i++)
        cg_vec3d_between_floats(apex, xyz[n[i]], v[i]);
    cg_vec3d_cross(v[1], v[2], axis);
    return cg_vec3d_dot(v[0], axis) * c->sign;
}

const cg_stereo_bond *cg_stereo_find_bond(const cg_stereo *stereo, const uint32_t ends[2])
{
    for (size_t i = 0; i < stereo->n_bonds; i++) {
        const uint32_t *e = stereo->bonds[i].ends;

        if ((e[0] == ends[0] && e[1] == ends[1]) || (e[0] == ends[1] && e[1] == ends[0]))
            return &stereo->bonds[i];
    }
    return NULL;
}

/* Cosine of the torsion of neighbours `a` and `b`. */
static double torsion_cosine(const uint32_t ends[2], uint32_t a, uint32_t b, const float (*xyz)[3])
{
    const uint32_t neighbours[2] = { a, b };
    double axis[3], arms[2][3], normals[2][3], size;

    cg_vec3d_between_floats(xyz[ends[0]], xyz[ends[1]], axis);
    for (int e = 0; e < 2; e++) {
        cg_vec3d_between_floats(xyz[ends[e]], xyz[neighbours[e]], arms[e]);
        cg_vec3d_cross(axis, arms[e], normals[e]);
    }
    size = sqrt(cg_vec3d_dot(normals[0], normals[0]) * cg_vec3d_dot(normals[1], normals[1]));
    return size > 0 ? cg_vec3d_dot(normals[0], normals[1]) / size : 0;
}

int cg_stereo_bond_pair(const cg_stereo_bond *b, int k, uint32_t ret_neighbours[2])
{
    ret_neighbours[0] = k & 1 ? b->others[0] : b->neighbours[0];
    ret_neighbours[1] = k & 2 ? b->others[1] : b->neighbours[1];
    if (ret_neighbours[0] == CG_STEREO_NO_ATOM || ret_neighbours[1] == CG_STEREO_NO_ATOM)
        return 0;
    return b->cis == (k == 0 || k == 3) ? 1 : -1;
}

double cg_stereo_bond_cosine(const cg_stereo_bond *b, const float (*xyz)[3])
{
    double least = 1;

    for (int k = 0; k < CG_STEREO_BOND_PAIRS; k++) {
        uint32_t n[2];
        int sign = cg_stereo_bond_pair(b, k, n);

        if (sign)
            least = fmin(least, sign * torsion_cosine(b->ends, n[0], n[1], xyz));
    }
    return least;
}

cg_status cg_stereo_is_same_isomer(const cg_molecule *mol, const cg_stereo *stereo,
                                   const unsigned char *centres, const unsigned char *bonds,
                                   int *ret_same, cg_error *err)
{
    cgrd_stereo *inverted =
        cg_alloc_array(stereo->n_centres + stereo->n_bonds + 1, sizeof *inverted);
    size_t n = 0, len;
    char *text = NULL;
    const char *smiles = cg_molecule_smiles(mol, &len);
    cg_molecule_limits limits = { 2 * len, cg_molecule_n_atoms(mol) };
    cg_molecule *other = NULL;
    cg_status st = CG_OK;

    if (!inverted)
        return cg_fail_nomem(err, "stereo");
    for (size_t i = 0; i < stereo->n_centres; i++)
        if (centres[i])
            inverted[n++] = (cgrd_stereo) { .kind = CGRD_CENTRE, .atom = stereo->centres[i].atom };
    for (size_t i = 0; i < stereo->n_bonds; i++)
        if (bonds[i])
            inverted[n++] = (cgrd_stereo) { .kind = CGRD_DOUBLE_BOND,
                                            .atom = stereo->bonds[i].ends[0],
                                            .other_end = stereo->bonds[i].ends[1] };
    text = cgrd_invert_stereo(smiles, inverted, n, NULL, 0);
    if (!text)
        st = cg_rdkit_fail(NULL, CG_OK, "refused");
    else
        st = cg_molecule_parse_limited(text, strlen(text), &limits, &other, NULL);
    *ret_same =
        other && !strcmp(cg_molecule_smiles(other, NULL), cg_molecule_canonical_smiles(mol));
    free(inverted);
    free_ptr(text);
    cg_molecule_destroy(other);
    return st == CG_ERR_NOMEM ? cg_fail_nomem(err, "stereo") : CG_OK;
}
