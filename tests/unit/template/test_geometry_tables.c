/* SPDX-License-Identifier: MIT */
/* Geometry tables: the right isomer passes, each fault is found at the atom that has it. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/rdkit_c.h"
#include "chem/stereo.h"
#include "sequence/relaxation_host.h"
#include "template/geometry_tables.h"

enum { MAX_ATOMS = 512 };

/* A molecule, its tables and the positions of its atoms. */
struct subject {
    cg_molecule *mol;
    cg_geometry *g;
    float xyz[MAX_ATOMS][3];
};

static struct subject s;

static void drop(void)
{
    cg_geometry_destroy(s.g);
    cg_molecule_destroy(s.mol);
    s = (struct subject) { 0 };
}

static void make(const char *smiles)
{
    cg_error err = CG_ERROR_INIT;

    drop();
    ck_assert_msg(cg_molecule_parse(smiles, strlen(smiles), &s.mol, &err) == CG_OK, "%s: %s",
                  smiles, err.msg);
    ck_assert_msg(cg_geometry_compile(s.mol, &s.g, &err) == CG_OK, "%s: %s", smiles, err.msg);
    ck_assert_int_eq(s.g->n_atoms, (int32_t)cg_molecule_n_atoms(s.mol));
}

/* Embeds the molecule with RDKit; hydrogens that the SMILES does not write are dropped. */
static int embed(int seed)
{
    size_t size;
    char *pkl = get_mol(cg_molecule_smiles(s.mol, NULL), &size, "{}"), *block = NULL, *line;
    char how[32];
    int done;

    snprintf(how, sizeof how, "{\"randomSeed\":%d}", seed);
    done = pkl && add_hs(&pkl, &size) == 1 && set_3d_coords(&pkl, &size, how) > 0 &&
           (block = get_molblock(pkl, size, "{}")) != NULL;
    line = block;
    for (int i = 0; done && i < 4; i++)
        line = strchr(line, '\n') + 1;
    for (int32_t i = 0; done && i < s.g->n_atoms; i++, line = strchr(line, '\n') + 1)
        done = sscanf(line, "%f %f %f", &s.xyz[i][0], &s.xyz[i][1], &s.xyz[i][2]) == 3;
    free_ptr(block);
    free_ptr(pkl);
    return done;
}

static void mirror(void)
{
    for (int32_t i = 0; i < s.g->n_atoms; i++)
        s.xyz[i][2] = -s.xyz[i][2];
}

static int32_t fault_of(int32_t atom)
{
    return cg_geometry_test_atom(s.g, (const float(*)[3])s.xyz, atom, 0, 1);
}

/* Finds the first failing atom, -1 if all pass; *ret_fault is its fault. */
static int32_t first_fault(int32_t *ret_fault)
{
    *ret_fault = CG_FAULT_NONE;
    for (int32_t a = 0; a < s.g->n_atoms; a++) {
        *ret_fault = fault_of(a);
        if (*ret_fault != CG_FAULT_NONE)
            return a;
    }
    return -1;
}

static void expect(int32_t atom, cg_fault_cause cause)
{
    int32_t fault, at = first_fault(&fault);

    ck_assert_msg(at == atom && CG_FAULT_CAUSE(fault) == (int32_t)cause,
                  "%s: atom %d: %s, to atom %d; wanted atom %d: %s",
                  cg_molecule_smiles(s.mol, NULL), at,
                  cg_fault_cause_name((cg_fault_cause)CG_FAULT_CAUSE(fault)), CG_FAULT_ATOM(fault),
                  atom, cg_fault_cause_name(cause));
}

static void expect_pass(void)
{
    expect(-1, CG_CAUSE_NONE);
}

static void put(int atom, float x, float y, float z)
{
    s.xyz[atom][0] = x;
    s.xyz[atom][1] = y;
    s.xyz[atom][2] = z;
}

/* ---- stereocentres ------------------------------------------------------------------------ */

/*
 * The first atom at which a wrong stereocentre can be detected: three neighbours and the centre are
 * complete.
 */
static int32_t first_decidable_atom(void)
{
    cg_error err = CG_ERROR_INIT;
    cg_stereo stereo = { 0 };
    int32_t least = INT32_MAX;

    ck_assert_int_eq(cg_stereo_find(s.mol, &stereo, &err), CG_OK);
    for (size_t i = 0; i < stereo.n_centres; i++) {
        const cg_stereo_centre *c = &stereo.centres[i];
        int32_t there = 0, atom = 0;

        for (; there < 3; atom++)
            for (int k = 0; k < c->n_neighbours; k++)
                there += c->neighbours[k] == (uint32_t)atom;
        atom = (int32_t)c->atom < atom ? atom - 1 : (int32_t)c->atom;
        least = atom < least ? atom : least;
    }
    cg_stereo_finish(&stereo);
    return least;
}

/* Corners of a tetrahedron; elements with the lengths of their bonds to carbon, Å. */
static const float corners[4][3] = { { 0.577f, 0.577f, 0.577f },
                                     { 0.577f, -0.577f, -0.577f },
                                     { -0.577f, 0.577f, -0.577f },
                                     { -0.577f, -0.577f, 0.577f } };
static const struct {
    const char *symbol;
    int element;
    float length;
} around[] = { { "F", 9, 1.35f }, { "Cl", 17, 1.77f }, { "Br", 35, 1.94f }, { "I", 53, 2.14f } };

static float determinant(const float a[3], const float b[3], const float c[3])
{
    return a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) +
           a[2] * (b[0] * c[1] - b[1] * c[0]);
}

/* Puts element around[k] at corner k and carbon at the origin, for any order of the atoms. */
static void set_corners(void)
{
    const cg_smiles *graph = cg_molecule_graph(s.mol);

    for (size_t i = 0; i < graph->n_atoms; i++)
        for (int k = 0; k < 4; k++)
            for (int x = 0; x < 3 && graph->atoms[i].element == around[k].element; x++)
                s.xyz[i][x] = around[k].length * corners[k][x];
}

/*
 * `order`: the elements in the order that @ refers to; 3 is iodine or hydrogen. '@': seen from the
 * first, the others go anticlockwise, so their determinant is negative. `at`: 1 for @, 2 for @@.
 */
static void try_order(const char *smiles, const int order[4], int at)
{
    float sign = determinant(corners[order[1]], corners[order[2]], corners[order[3]]);

    make(smiles);
    set_corners();
    if ((sign < 0) == (at == 1)) {
        expect_pass();
        mirror();
        expect(first_decidable_atom(), CG_CAUSE_CENTRE);
    } else {
        expect(first_decidable_atom(), CG_CAUSE_CENTRE);
        mirror();
        expect_pass();
    }
}

START_TEST(centres_in_every_order)
{
    int tried = 0;

    for (int code = 0; code < 256; code++) {
        int o[4] = { code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 };
        const char *n[4];
        char smiles[64];

        if ((1 << o[0] | 1 << o[1] | 1 << o[2] | 1 << o[3]) != 15)
            continue;
        for (int k = 0; k < 4; k++)
            n[k] = around[o[k]].symbol;
        for (int at = 1; at <= 2; at++, tried++) {
            const char *mark = at == 1 ? "@" : "@@";

            snprintf(smiles, sizeof smiles, "%s[C%s](%s)(%s)%s", n[0], mark, n[1], n[2], n[3]);
            try_order(smiles, o, at);
            snprintf(smiles, sizeof smiles, "[C%s](%s)(%s)(%s)%s", mark, n[0], n[1], n[2], n[3]);
            try_order(smiles, o, at);
            if (o[0] == 3) { /* an implicit hydrogen in place of iodine */
                snprintf(smiles, sizeof smiles, "[C%sH](%s)(%s)%s", mark, n[1], n[2], n[3]);
                try_order(smiles, o, at);
            } else if (o[1] == 3) {
                snprintf(smiles, sizeof smiles, "%s[C%sH](%s)%s", n[0], mark, n[2], n[3]);
                try_order(smiles, o, at);
            }
        }
    }
    ck_assert_int_eq(tried, 48);
    drop();
}
END_TEST

START_TEST(flat_centres_fail)
{
    make("F[C@H](Cl)Br");
    ck_assert_int_eq(cg_molecule_graph(s.mol)->atoms[1].element, 6);
    put(0, 1.35f, 0, 0); /* a third of a turn apart */
    put(2, -0.88f, 1.53f, 0);
    put(3, -0.97f, -1.68f, 0);
    expect(3, CG_CAUSE_CENTRE);
    drop();
}
END_TEST

/* RDKit's embedding passes; its mirror image does not, if there is a stereocentre. */
static const struct {
    const char *smiles;
    int chiral, untested;
} isomers[] = {
    { "C", 0, 0 },
    { "CC", 0, 0 },
    { "[2H]Cl", 0, 0 },
    { "C#N", 0, 0 },
    { "[2H]C([2H])([2H])S", 0, 0 },
    { "C[C@H](N)C(=O)O", 1, 0 },
    { "C[C@@H](N)C(=O)O", 1, 0 },
    { "C[C@](F)(Cl)CCO", 1, 0 },
    { "[2H][C@](C)(F)Cl", 1, 0 },
    { "C[S@](=O)c1ccccc1", 1, 0 },
    { "CC[P@](=O)(OC)c1ccccc1", 1, 0 },
    { "C[N@+](CC)(CCC)CCCC", 1, 0 },
    { "C[C@H](O)[C@H](C)O", 1, 0 },
    { "C[C@H](O)[C@@H](C)O", 1, 0 }, /* meso, but each atom has the configuration of its mark */
    { "C[C@@H]1CCCC[C@H]1O", 1, 0 },
    { "O[C@H]1CC[C@@H](C)CC1", 1, 0 },
    { "C[C@@]1(F)CO1", 1, 0 },
    { "C[C@H]1C[C@@H]1C(=O)O", 1, 0 },
    { "C1C[C@@]2(CO1)CC(=O)[C@H](F)C2", 1, 0 }, /* spiro */
    { "C[C@H]1CC[C@]2(C1)CC[C@@H](O)C2", 1, 0 },
    { "O=C1C[C@]2(CCCN2)C(=O)N1", 1, 0 },
    { "C1C[C@]2(C)CC[C@@H](O)C[C@@H]2C1", 1, 0 }, /* fused */
    { "C1CC[C@H]2CCCC[C@@H]2C1", 1, 0 },          /* decalin, trans */
    { "C1CC[C@@H]2CCCC[C@@H]2C1", 1, 0 },         /* and cis */
    { "C[C@]12CC[C@H]3[C@@H](CCc4cc(O)ccc43)[C@@H]1CC[C@@H]2O", 1, 0 },
    { "CC(C)(C)[C@H]1CN2CC[C@@H]1C2", 1, 0 }, /* bridged */
    { "CN1[C@@H]2CC[C@H]1C[C@@H](C2)OC(=O)C(CO)c1ccccc1", 1, 0 },
    { "CC1(C)[C@@H]2CC[C@@]1(C)C(=O)C2", 1, 0 },
    { "CC1(C)S[C@@H]2[C@H](NC(=O)C)C(=O)N2[C@H]1C(=O)O", 1, 0 }, /* four-membered */
    { "F/C=C/F", 0, 0 },
    { "F/C=C\\F", 0, 0 },
    { "C/C(F)=C(/Cl)Br", 0, 0 },
    { "C/C=C/C=C\\C", 0, 0 },
    { "C/C=N/O", 0, 0 },
    { "c1ccccc1/N=N/c1ccccc1", 0, 0 },
    { "C/C=C1\\CCCC[C@@H]1C", 1, 0 },
    { "C[C@H](O)/C=C/[C@@H](C)F", 1, 0 },
    { "C1=C\\CCCCCCCC/1", 0, 0 },
    { "CC(=O)Oc1ccccc1C(=O)O", 0, 0 },
    { "c1ccc2[nH]ccc2c1", 0, 0 },
    { "O=[N+]([O-])c1ccc(C(=O)[O-])cc1", 0, 0 },
    { "C1C2CC3CC1CC(C2)C3", 0, 0 },
    { "CC=C=CC", 0, 0 },                    /* the configuration of an allene is not written, */
    { "Cc1cccc(C)c1-c1c(C)cccc1Cl", 0, 0 }, /* nor that of a hindered bond */
    { "[2H][C@H](C)F", 1, 0 },              /* two isotopes of hydrogen make it a stereocentre */
    { "[H]/N=C(/C)F", 0, 0 },
    { "[H]/N=C(\\C)CC", 0, 0 },
};

START_TEST(isomers_pass_and_mirror_images_do_not)
{
    make(isomers[_i].smiles);
    ck_assert_msg(embed(7), "%s", isomers[_i].smiles);
    ck_assert_int_eq(s.g->n_untested, isomers[_i].untested);
    expect_pass();
    mirror();
    if (isomers[_i].chiral)
        expect(first_decidable_atom(), CG_CAUSE_CENTRE);
    else
        expect_pass();
    drop();
}
END_TEST

/* One of two stereocentres inverted: the embedding of a diastereomer. */
START_TEST(diastereomers_fail)
{
    static const char *const pairs[][2] = {
        { "C[C@H](O)[C@H](C)O", "C[C@H](O)[C@@H](C)O" },
        { "C[C@@H]1CCCC[C@H]1O", "C[C@@H]1CCCC[C@@H]1O" },
        { "C1CC[C@H]2CCCC[C@@H]2C1", "C1CC[C@@H]2CCCC[C@@H]2C1" },
        { "O[C@H]1CC[C@@H](C)CC1", "O[C@H]1CC[C@H](C)CC1" },
        { "C[C@H]1C[C@@H]1C(=O)O", "C[C@H]1C[C@H]1C(=O)O" },
    };
    float xyz[MAX_ATOMS][3];

    for (int swapped = 0; swapped < 2; swapped++) {
        cg_molecule *mol;
        int32_t fault;

        make(pairs[_i][swapped]);
        ck_assert(embed(7));
        memcpy(xyz, s.xyz, sizeof xyz);
        mol = s.mol;
        s.mol = NULL;
        make(pairs[_i][!swapped]);
        /* the same atoms in the same order, so that the positions are comparable */
        for (int32_t i = 0; i < s.g->n_atoms; i++) {
            const cg_smiles_atom *a = &cg_molecule_graph(mol)->atoms[i];
            const cg_smiles_atom *b = &cg_molecule_graph(s.mol)->atoms[i];

            ck_assert(a->element == b->element && a->degree == b->degree);
        }
        memcpy(s.xyz, xyz, sizeof xyz);
        ck_assert_int_ge(first_fault(&fault), 0);
        mirror();
        ck_assert_int_ge(first_fault(&fault), 0);
        cg_molecule_destroy(mol);
    }
    drop();
}
END_TEST

/* ---- double bonds ------------------------------------------------------------------------- */

/* Sets atoms 0-1=2-3 with `angle`, radians, between the planes of the ends. */
static void twist(float angle)
{
    put(0, -0.67f, 1.17f, 0);
    put(1, 0, 0, 0);
    put(2, 1.33f, 0, 0);
    put(3, 2, 1.17f * cosf(angle), 1.17f * sinf(angle));
}

START_TEST(double_bonds)
{
    static const struct {
        const char *smiles;
        int trans;
    } bonds[] = { { "F/C=C/F", 1 }, { "F/C=C\\F", 0 }, { "O/N=C/F", 1 }, { "C/N=N\\C", 0 } };
    const float half_turn = 3.14159265f;

    for (int i = 0; i < 4; i++) {
        float right = bonds[i].trans ? half_turn : 0;
        int32_t fault;

        make(bonds[i].smiles);
        twist(right);
        expect_pass();
        twist(right + 0.3f);
        expect_pass();
        twist(right - 0.6f); /* far from flat */
        expect(3, CG_CAUSE_DOUBLE);
        twist(right + half_turn);
        ck_assert_int_eq(first_fault(&fault), 3);
        if (bonds[i].trans)
            expect(3, CG_CAUSE_DOUBLE);
        else /* the ends are also too far apart for cis, which is tested first */
            ck_assert(CG_FAULT_CAUSE(fault) == CG_CAUSE_STRETCHED ||
                      CG_FAULT_CAUSE(fault) == CG_CAUSE_DOUBLE);
    }
    make("FC=CF"); /* cis or trans, but planar */
    for (int i = 0; i < 2; i++) {
        twist((float)i * half_turn);
        expect_pass();
        twist((float)i * half_turn + 0.5f);
        expect(3, CG_CAUSE_DOUBLE);
    }
    make("FCCF"); /* any torsion */
    for (int i = 0; i < 12; i++) {
        twist((float)i * 0.5f);
        ck_assert_int_ne(CG_FAULT_CAUSE(fault_of(3)), CG_CAUSE_DOUBLE);
    }
    drop();
}
END_TEST

/* The least cosine that the tests of double bonds permit; 1 if there is no such test. */
static float least_cosine(void)
{
    float least = 1;

    for (int32_t i = 0; i < s.g->n_tests; i++) {
        const cg_geometry_test *t = &s.g->tests[i];

        if (t->cause == CG_CAUSE_DOUBLE)
            least = fminf(least, t->kind == CG_TEST_FLAT ? sqrtf(t->low)
                                 : t->high < 1           ? -t->high
                                                         : t->low);
    }
    return least;
}

START_TEST(rings_twist_double_bonds)
{
    static const struct {
        const char *smiles;
        float least;
    } molecules[] = {
        { "C1CCC2=C(C1)CCCC2", 0.95f },                   /* fused rings: flat */
        { "C1CCC2=C(C1)CCC2", 0.95f },                    /* likewise */
        { "O=C1C=C2CCCCC2CC1", 0.95f },                   /* to an atom where rings are fused */
        { "O=C1C=C2CCC3C(CCC4CCCC43)C2(C)CC1", 0.95f },   /* a steroid */
        { "C1=C2CCC2CC1", 0.95f },                        /* fused rings of 5 and 4 */
        { "C1=CC2CCC1CC2", 0.95f },                       /* between the bridgeheads */
        { "C1CCC/C=C\\CCC1", 0.9f },                      /* cis as requested */
        { "C1CCC/C=C/CCC1", 0.5f },                       /* E-cyclononene */
        { "C1CC/C=C/CCC1", 0.4f },                        /* E-cyclooctene */
        { "C1CCCCC/C=C/CCCCC1", 0.9f },                   /* no strain */
        { "CC1=C2CCCC(CC1)C2(C)C", 0.4f },                /* bicyclo[3.3.1]nonene, of taxanes */
        { "CC1=C2CCCCCC(CC1)C2(C)C", 0.7f },              /* bicyclo[5.3.1]undecene */
        { "C1=C2CCC(C2)C1", 1 },                          /* bicyclo[2.2.1]hept-1-ene: not tested */
        { "C[C@H]1C[C@@H]2C/C=C/C(Cl)=C\\C=C/21", 0.4f }, /* a triene of 8 atoms */
    };

    for (size_t i = 0; i < sizeof molecules / sizeof molecules[0]; i++) {
        make(molecules[i].smiles);
        ck_assert_msg(fabsf(least_cosine() - molecules[i].least) < 1e-3f, "%s: %.3f, not %.3f",
                      molecules[i].smiles, (double)least_cosine(), (double)molecules[i].least);
    }
    drop();
}
END_TEST

/* ---- planted faults ----------------------------------------------------------------------- */

START_TEST(bonds_of_wrong_length_fail)
{
    make("CC");
    put(1, 1.62f, 0, 0);
    expect_pass();
    put(1, 1.73f, 0, 0);
    expect(1, CG_CAUSE_BOND);
    put(1, 1.3f, 0, 0);
    expect(1, CG_CAUSE_BOND);
    put(1, 1.42f, 0, 0);
    expect_pass();
    put(1, 0, 0, 0);
    expect(1, CG_CAUSE_BOND);
    drop();
}
END_TEST

/* The permitted length of the bond of atoms i > j, Å */
static void bond_range(int i, int j, float *ret_low, float *ret_high)
{
    int at = i * (i - 1) / 2 + j;

    ck_assert_int_eq(s.g->pair_cause[at], CG_CAUSE_BOND);
    *ret_low = sqrtf(s.g->low2[at]);
    *ret_high = sqrtf(s.g->high2[at]);
}

START_TEST(carboxylate_bonds_are_equal_and_acid_bonds_are_not)
{
    float low[2], high[2];

    make("CC(=O)[O-]");
    for (int i = 0; i < 2; i++)
        bond_range(2 + i, 1, &low[i], &high[i]);
    ck_assert_float_eq(low[0], low[1]);
    ck_assert_float_eq(high[0], high[1]);
    make("CC(=O)O");
    for (int i = 0; i < 2; i++)
        bond_range(2 + i, 1, &low[i], &high[i]);
    ck_assert(high[0] < 1.45f && high[1] > 1.45f && low[0] < low[1]);
    drop();
}
END_TEST

/* In such rings RDKit's bounds of a bond are 0.42 Å apart. */
START_TEST(bond_ranges_are_at_most_0_4)
{
    static const char *const molecules[] = { "c1cc2sccc2s1", "CCNc1nnc(SC)s1",
                                             "CCc1sc2c(c1C=O)CCCC2", "c1ccc2ocnc2c1",
                                             "CS(=O)(=O)[O-]" };

    for (int k = 0; k < 5; k++) {
        const cg_smiles *graph;
        float low, high;

        make(molecules[k]);
        graph = cg_molecule_graph(s.mol);
        for (size_t b = 0; b < graph->n_bonds; b++) {
            int i = (int)graph->bonds[b].first, j = (int)graph->bonds[b].second;

            bond_range(i > j ? i : j, i > j ? j : i, &low, &high);
            ck_assert_msg(high - low <= 0.4001f && high - low >= 0.3f, "%s: %d-%d: %g to %g",
                          molecules[k], i, j, (double)low, (double)high);
        }
    }
    drop();
}
END_TEST

/* Å below what PoseBusters permits: 0.7 times RDKit's bound of two atoms three bonds apart */
START_TEST(clashes_in_rings_of_8_fail)
{
    make("ClN1/C=C\\C=C/C=C2/C[C@H]21");
    ck_assert_float_gt(sqrtf(s.g->low2[3 * 2 / 2 + 0]), 0.7F * 3.89F + 0.1F);
    drop();
}
END_TEST

START_TEST(bent_angles_fail)
{
    make("CCC");
    put(0, 1.52f, 0, 0);
    for (int degrees = 0; degrees <= 180; degrees += 2) {
        float angle = (float)degrees * 3.14159265f / 180;

        put(2, 1.52f * cosf(angle), 1.52f * sinf(angle), 0);
        if (degrees >= 100 && degrees <= 125)
            expect_pass();
        else if (degrees < 88 || degrees > 135)
            expect(2, CG_CAUSE_ANGLE);
    }
    drop();
}
END_TEST

/* Angles at linear and trigonal atoms whose end atoms are at a permitted distance. */
START_TEST(bent_linear_and_straight_trigonal_atoms_fail)
{
    static const struct {
        const char *smiles;
        float first, second; /* bonds, Å */
        int low, high;       /* degrees */
    } cases[] = {
        { "CC#N", 1.46F, 1.16F, 161, 180 },         { "O=C=O", 1.17F, 1.17F, 161, 180 },
        { "C=C=C", 1.31F, 1.31F, 161, 180 },        { "C#CC", 1.2F, 1.46F, 161, 180 },
        { "O=C=S", 1.16F, 1.56F, 161, 180 },        { "C=[N+]=[N-]", 1.3F, 1.14F, 161, 180 },
        { "C=CC", 1.33F, 1.5F, 101, 144 },          { "CC=O", 1.5F, 1.22F, 101, 144 },
        { "C=NC", 1.28F, 1.46F, 101, 144 },         { "COC", 1.42F, 1.42F, 89, 144 },
        { "C[Si](C)(C)C", 1.86F, 1.86F, 77, 144 },  { "C[N+](=O)[O-]", 1.5F, 1.22F, 101, 144 },
        { "[SiH3]O[SiH3]", 1.63F, 1.63F, 96, 180 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int degrees = 80; degrees <= 180; degrees++) {
            float angle = (float)degrees * 3.14159265F / 180;
            int fails;

            make(cases[i].smiles);
            put(0, cases[i].first, 0, 0);
            put(2, cases[i].second * cosf(angle), cases[i].second * sinf(angle), 0);
            fails = CG_FAULT_CAUSE(fault_of(2)) == CG_CAUSE_ANGLE;
            if (degrees < cases[i].low || degrees > cases[i].high)
                ck_assert_msg(fails, "%s: %d degrees pass", cases[i].smiles, degrees);
            else if (degrees > cases[i].low + 25 && (cases[i].high == 180 || degrees < 130))
                ck_assert_msg(!fails, "%s: %d degrees fail", cases[i].smiles, degrees);
        }
    drop();
}
END_TEST

/* Three angles in range, but not planar. */
START_TEST(pyramidal_trigonal_atoms_fail)
{
    make("CC(C)=O");
    for (int percent = 0; percent <= 50; percent += 2) {
        static const int order[3] = { 0, 2, 3 };
        static const float bond[3] = { 1.5F, 1.5F, 1.22F };
        float h = (float)percent / 100;

        for (int i = 0; i < 3; i++) {
            float r = sqrtf(bond[i] * bond[i] - h * h), a = 2.0944F * (float)i;

            put(order[i], r * cosf(a), r * sinf(a), h);
        }
        if (percent <= 20)
            expect_pass();
        else if (percent >= 32)
            expect(3, CG_CAUSE_ANGLE);
    }
    drop();
}
END_TEST

/* A chain bent to the shape of a ring: its ends are as close as bonded atoms. */
START_TEST(clashes_fail)
{
    make("CCCCCC");
    for (int i = 0; i < 6; i++)
        put(i, 1.53f * cosf(1.0472f * (float)i), 1.53f * sinf(1.0472f * (float)i), 0);
    ck_assert_int_eq(CG_FAULT_CAUSE(fault_of(5)), CG_CAUSE_CLASH);
    ck_assert_int_eq(CG_FAULT_ATOM(fault_of(5)), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(fault_of(i), CG_FAULT_NONE);
    make("CC(=O)[O-].[Na+]");
    ck_assert(embed(7));
    ck_assert_int_eq(cg_molecule_graph(s.mol)->atoms[4].element, 11);
    put(4, s.xyz[0][0] + 0.5f, s.xyz[0][1], s.xyz[0][2]);
    expect(4, CG_CAUSE_CLASH);
    for (int k = 0; k < 3; k++) /* beyond the charged O, as seen from the methyl group */
        s.xyz[4][k] = s.xyz[3][k] + (s.xyz[3][k] - s.xyz[0][k]) * 1.3F;
    expect_pass();
    for (int k = 0; k < 3; k++)
        s.xyz[4][k] = s.xyz[3][k] + (s.xyz[3][k] - s.xyz[0][k]) * 9;
    expect(4, CG_CAUSE_STRETCHED);
    drop();
}
END_TEST

/* The ends of a chain with correct bonds and angles are bounded by its stretched length. */
START_TEST(rings_that_do_not_close_fail)
{
    int32_t fault;

    make("C1CCCCCCC1");
    for (int i = 0; i < 8; i++) /* zigzag */
        put(i, 1.26f * (float)i, i % 2 ? 0.87f : 0, 0);
    ck_assert_int_eq(first_fault(&fault), 5);
    ck_assert_int_eq(fault, CG_FAULT(CG_CAUSE_STRETCHED, 0));
    ck_assert_int_eq(CG_FAULT_CAUSE(fault_of(6)), CG_CAUSE_ANGLE);
    ck_assert_int_eq(CG_FAULT_CAUSE(fault_of(7)), CG_CAUSE_BOND);
    drop();
}
END_TEST

/* Sets a chair: atoms `d` Å above and below the plane, bonds of 1.39 Å. */
static void set_chair(float d)
{
    float radius = sqrtf(1.39f * 1.39f - 4 * d * d);

    for (int i = 0; i < 6; i++)
        put(i, radius * cosf(1.0472f * (float)i), radius * sinf(1.0472f * (float)i),
            i % 2 ? d : -d);
}

START_TEST(puckered_rings_fail)
{
    static const char *const rings[] = { "c1ccccc1", "c1ccncc1", "c1cnccn1" };

    for (int i = 0; i < 3; i++) {
        make(rings[i]);
        set_chair(0);
        expect_pass();
        set_chair(0.05f);
        expect_pass();
        set_chair(0.2f);
        expect(3, CG_CAUSE_RING);
    }
    make("C1CCCCC1"); /* not aromatic */
    set_chair(0.25f);
    ck_assert_int_ne(CG_FAULT_CAUSE(fault_of(3)), CG_CAUSE_RING);
    drop();
}
END_TEST

/* ---- the tables --------------------------------------------------------------------------- */

START_TEST(tests_are_listed_at_their_last_atom)
{
    static const char *const molecules[] = {
        "C",
        "CC",
        "C[C@]12CC[C@H]3[C@@H](CCc4cc(O)ccc43)[C@@H]1CC[C@@H]2O",
        "C/C=C/C=C\\C(=O)Nc1ccc2ccccc2c1",
        "[Na+].[Cl-]",
        "C1C2CC3CC1CC(C2)C3"
    };

    for (int i = 0; i < 6; i++) {
        make(molecules[i]);
        ck_assert_int_eq(s.g->test_start[0], 0);
        ck_assert_int_eq(s.g->test_start[s.g->n_atoms], s.g->n_tests);
        for (int32_t a = 0; a < s.g->n_atoms; a++) {
            for (int32_t t = s.g->test_start[a]; t < s.g->test_start[a + 1]; t++) {
                const cg_geometry_test *test = &s.g->tests[t];
                int n_completing = 0;

                for (int k = 0; k < 4; k++) {
                    ck_assert(test->atom[k] <= a);
                    ck_assert(test->atom[k] >= 0 || (k == 3 && test->kind == CG_TEST_ANGLE));
                    n_completing += test->atom[k] == a;
                    for (int l = 0; l < k; l++)
                        ck_assert_int_ne(test->atom[k], test->atom[l]);
                }
                ck_assert_int_eq(n_completing, 1);
                ck_assert(test->low < test->high);
                ck_assert(test->cause == CG_CAUSE_ANGLE ||
                          (test->cause >= CG_CAUSE_CENTRE && test->cause < CG_CAUSES));
            }
            for (int32_t j = 0; j < a; j++) {
                int8_t cause = s.g->pair_cause[a * (a - 1) / 2 + j];

                ck_assert(s.g->low2[a * (a - 1) / 2 + j] < s.g->high2[a * (a - 1) / 2 + j]);
                ck_assert((cause >= CG_CAUSE_BOND && cause <= CG_CAUSE_CLASH) ||
                          cause == CG_CAUSE_DOUBLE);
            }
        }
    }
    drop();
}
END_TEST

/* ---- many molecules: `test_geometry_tables many` ------------------------------------------ */

enum { MANY = 200, SEEDS = 3 };

/*
 * RDKit's embeddings, not relaxed by a force field: one in ten has a bond that is 0.2 to 0.4 Å off,
 * others an ether of 180 degrees, so one of a few must pass. No mirror image may pass.
 */
START_TEST(real_molecules)
{
    char path[1024], line[2048];
    const char *root = getenv("CONFGEN_SOURCE_ROOT");
    int n = 0, at_once = 0, passed = 0, chiral = 0;
    FILE *f;

    ck_assert_ptr_nonnull(root);
    snprintf(path, sizeof path, "%s/data/geom_drugs_test.smi", root);
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    for (int at = 0; n < MANY && fgets(line, sizeof line, f); at++) {
        int32_t fault, first = 0;
        int has_centre, seed;

        line[strcspn(line, "\t \n")] = '\0';
        if (at % 4 || strlen(line) > 70) /* every fourth, of usual size, to save time */
            continue;
        make(line);
        has_centre = first_decidable_atom() != INT32_MAX;
        for (seed = 1; seed <= SEEDS && first >= 0; seed++) {
            ck_assert_msg(embed(seed), "%s", line);
            first = first_fault(&fault);
            mirror();
            ck_assert_msg(!has_centre || first_fault(&fault) >= 0, "%s: mirrored", line);
        }
        n++;
        at_once += first < 0 && seed == 2;
        passed += first < 0;
        chiral += has_centre;
    }
    fclose(f);
    printf("%d molecules, %d with a centre; %d pass at once, %d of %d embeddings\n", n, chiral,
           at_once, passed, SEEDS);
    ck_assert_int_eq(n, MANY);
    ck_assert_int_ge(at_once * 100, n * 75);
    ck_assert_int_ge(passed * 100, n * 92);
    ck_assert_int_ge(chiral, 40);
    drop();
}
END_TEST

/* RDKit's C library gives no bounds: compiling is refused with the reason. */
START_TEST(missing_bounds_are_refused)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;
    cg_geometry *g = NULL;

    ck_assert_int_eq(cg_molecule_parse("CCO", 3, &mol, &err), CG_OK);
    ck_assert_int_eq(cg_geometry_compile(mol, &g, &err), CG_ERR_UNSUPPORTED);
    ck_assert_ptr_null(g);
    ck_assert_ptr_nonnull(strstr(err.msg, "no distance bounds"));
    cg_molecule_destroy(mol);
}
END_TEST

/* ---- relaxation --------------------------------------------------------------------------- */

static uint32_t random_state = 1;

static float random_in(float low, float high)
{
    random_state = random_state * 1664525u + 1013904223u;
    return low + (high - low) * (float)(random_state >> 8) / (1 << 24);
}

/* Relaxes atoms first to last as the executors do, and rounds them as in the text. */
static int relax(int32_t first, int32_t last)
{
    static float move[MAX_ATOMS][3];

    for (int round = 0; round < cg_relaxation_iterations(0, 0); round++) {
        int off = 0;

        for (int32_t i = first; i <= last; i++) {
            cg_correction correction = { .n = 0 };

            cg_relaxation_correct(s.g, (const float(*)[3])s.xyz, first, last, i, 0, 1, &correction);
            cg_correction_displacement(&correction, move[i]);
            off |= correction.unsatisfied;
        }
        for (int32_t i = first; i <= last; i++)
            for (int k = 0; k < 3; k++)
                s.xyz[i][k] = off ? s.xyz[i][k] + move[i][k] : roundf(s.xyz[i][k] * 1e3f) / 1e3f;
        if (!off)
            return 1;
    }
    return 0;
}

/* Repairs a failing atom; 1 on success, and then every moved atom passes. */
static int repair(int32_t atom)
{
    float sampled[MAX_ATOMS][3];

    memcpy(sampled, s.xyz, sizeof sampled);
    for (int level = 0; level < CG_RELAXATION_LEVELS; level++) {
        int32_t first = cg_relaxation_first_atom(atom, level);

        memcpy(s.xyz, sampled, sizeof sampled);
        if (!relax(first, atom))
            continue;
        for (int32_t i = first; i <= atom; i++)
            ck_assert_msg(fault_of(i) == CG_FAULT_NONE, "%s: atom %d of %d to %d: %s",
                          cg_molecule_smiles(s.mol, NULL), i, first, atom,
                          cg_fault_cause_name((cg_fault_cause)CG_FAULT_CAUSE(fault_of(i))));
        return 1;
    }
    return 0;
}

/* Valid conformers in which one atom was displaced. */
START_TEST(displaced_atoms_are_repaired)
{
    static const float wide[] = { 0.4f, 1.5f,
                                  6 }; /* Å from its position, the last from that of atom 0 */
    int tried[3] = { 0 }, repaired[3] = { 0 };

    for (size_t i = 0; i < sizeof isomers / sizeof isomers[0]; i++) {
        float good[MAX_ATOMS][3];

        make(isomers[i].smiles);
        ck_assert(embed(7));
        memcpy(good, s.xyz, sizeof good);
        for (int32_t a = 1; a < s.g->n_atoms; a++)
            for (int how = 0; how < 3; how++) {
                memcpy(s.xyz, good, sizeof good);
                for (int k = 0; k < 3; k++)
                    s.xyz[a][k] =
                        (how < 2 ? s.xyz[a][k] : s.xyz[0][k]) + random_in(-wide[how], wide[how]);
                if (fault_of(a) == CG_FAULT_NONE)
                    continue;
                tried[how]++;
                repaired[how] += repair(a);
            }
    }
    for (int how = 0; how < 3; how++)
        ck_assert_msg(tried[how] > 150 && repaired[how] >= tried[how] * (how < 2 ? 99 : 97) / 100,
                      "%.1f Å: %d of %d", (double)wide[how], repaired[how], tried[how]);
    drop();
}
END_TEST

/*
 * Mirror images, atom by atom. This is harder than a model's conformers: a model conditions on
 * repaired atoms, while here the atoms after a repaired stereocentre stay on the wrong side.
 */
START_TEST(mirror_images_are_repaired)
{
    int tried = 0, repaired = 0;

    for (size_t i = 0; i < sizeof isomers / sizeof isomers[0]; i++) {
        int done = 1;

        if (!isomers[i].chiral)
            continue;
        make(isomers[i].smiles);
        ck_assert(embed(7));
        mirror();
        for (int32_t a = 0; a < s.g->n_atoms && done; a++)
            done = fault_of(a) == CG_FAULT_NONE || repair(a);
        tried++;
        repaired += done;
        if (done)
            expect_pass();
    }
    ck_assert_msg(tried > 20 && repaired >= tried / 2, "%d of %d", repaired, tried);
    drop();
}
END_TEST

/* ---- finished conformers ------------------------------------------------------------------ */

static float scratch[2 * MAX_ATOMS][3];

/* Repairs the subject, which must fail a test before. */
static void repair_finished(const char *what)
{
    cg_repair_counts counts = { 0 }, after = { 0 };
    float before[MAX_ATOMS][3];

    memcpy(before, s.xyz, sizeof before);
    ck_assert_msg(!cg_repair_finished(s.g, 0, s.xyz, scratch, &after), "%s passes", what);
    ck_assert_int_eq(memcmp(before, s.xyz, sizeof before), 0);
    ck_assert_msg(cg_repair_finished(s.g, 1, s.xyz, scratch, &counts), "%s", what);
    ck_assert_int_eq(memcmp(counts.count, after.count, sizeof counts.count), 0);
    ck_assert_int_lt(counts.count[CG_CAUSE_NONE], s.g->n_atoms);
    ck_assert(counts.last_cause != CG_CAUSE_NONE);
    ck_assert_int_gt(counts.moved, 0);
    expect_pass();
    after = (cg_repair_counts) { 0 };
    ck_assert(cg_repair_finished(s.g, 1, s.xyz, scratch, &after));
    ck_assert_int_eq(after.count[CG_CAUSE_NONE], s.g->n_atoms);
    ck_assert_int_eq(after.moved, 0);
}

/* Moves the first stereocentre with three neighbours to the other side of these. */
static void invert_first_centre(void)
{
    for (int32_t i = 0; i < s.g->n_tests; i++) {
        const cg_geometry_test *t = &s.g->tests[i];
        cg_relaxation_start start = { .origin = CG_ORIGIN_REFLECTED,
                                      .atom = { t->atom[1], t->atom[2], t->atom[3] } };
        float to[3];

        if (t->kind != CG_TEST_VOLUME || t->cause != CG_CAUSE_CENTRE)
            continue;
        cg_relaxation_start_position(s.g, &start, (const float(*)[3])s.xyz, t->atom[0], t->atom[0],
                                     to);
        memcpy(s.xyz[t->atom[0]], to, sizeof to);
        ck_assert_int_eq(cg_relaxation_configuration(t, (const float(*)[3])s.xyz), -1);
        return;
    }
}

/* Turns atoms 0 to `last` by 180 degrees about the bond of the first test of a double bond. */
static void turn_double_bond(int32_t last)
{
    for (int32_t i = 0; i < s.g->n_tests; i++) {
        const cg_geometry_test *t = &s.g->tests[i];
        cg_relaxation_start start = { .origin = CG_ORIGIN_ROTATED,
                                      .atom = { t->atom[1], t->atom[2] } };

        if (t->kind != CG_TEST_TORSION || t->cause != CG_CAUSE_DOUBLE)
            continue;
        for (int32_t a = 0; a <= last; a++) {
            float to[3];

            cg_relaxation_start_position(s.g, &start, (const float(*)[3])s.xyz, a, a, to);
            memcpy(s.xyz[a], to, sizeof to);
        }
        ck_assert_int_eq(cg_relaxation_configuration(t, (const float(*)[3])s.xyz), -1);
        return;
    }
}

static void make_embedded(const char *smiles)
{
    int32_t fault;

    make(smiles);
    for (int seed = 1; seed < 20; seed++)
        if (embed(seed) && first_fault(&fault) < 0)
            return;
    ck_abort_msg("%s: no embedding passes", smiles);
}

START_TEST(finished_conformers_are_repaired)
{
    static const char *const molecules[] = {
        "C[C@H](N)C(=O)O",
        "CC(C)[C@@H](C(=O)N[C@@H](C)c1ccccc1)n1cccc1",
        "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
        "C[C@](F)(Cl)c1ccc(C(F)(F)F)cc1",
    };

    for (int i = 0; i < 4; i++) {
        make_embedded(molecules[i]);
        mirror();
        repair_finished(molecules[i]);
        for (int32_t a = 0; a < s.g->n_atoms; a++)
            for (int k = 0; k < 3; k++)
                s.xyz[a][k] += 0.3f * sinf((float)(17 * a + 31 * k + i));
        repair_finished(molecules[i]);
        if (i == 3) /* four neighbours */
            continue;
        make_embedded(molecules[i]);
        invert_first_centre();
        repair_finished(molecules[i]);
    }
    make_embedded("CCC/C=C/c1ccccc1");
    turn_double_bond(2);
    repair_finished("the wrong side of a double bond");
    drop();
}
END_TEST

START_TEST(impossible_conformers_stay_unchanged)
{
    cg_geometry_test *tests;
    cg_repair_counts counts = { 0 };
    float before[MAX_ATOMS][3];

    /* both bridgeheads of norbornane determine one another */
    make_embedded("O=C1C[C@H]2CC[C@@H]1C2");
    tests = (cg_geometry_test *)(uintptr_t)s.g->tests;
    for (int32_t i = 0; i < s.g->n_tests; i++)
        if (tests[i].cause == CG_CAUSE_CENTRE) {
            float low = tests[i].low;

            tests[i].low = -tests[i].high;
            tests[i].high = -low;
            break;
        }
    memcpy(before, s.xyz, sizeof before);
    ck_assert(!cg_repair_finished(s.g, 1, s.xyz, scratch, &counts));
    ck_assert_int_eq(counts.count[CG_CAUSE_CENTRE], 1);
    ck_assert_int_eq(counts.moved, 0);
    ck_assert_int_eq(memcmp(before, s.xyz, sizeof before), 0);
    drop();
}
END_TEST

int main(int argc, char **argv)
{
    int many = argc == 2 && !strcmp(argv[1], "many");
    Suite *suite = suite_create("geometry_tables");
    TCase *tc = tcase_create("tables");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 240);
    if (CG_RDKIT_ADAPTER && many) {
        tcase_add_test(tc, real_molecules);
    } else if (CG_RDKIT_ADAPTER) {
        tcase_add_test(tc, centres_in_every_order);
        tcase_add_test(tc, flat_centres_fail);
        tcase_add_loop_test(tc, isomers_pass_and_mirror_images_do_not, 0,
                            (int)(sizeof isomers / sizeof isomers[0]));
        tcase_add_loop_test(tc, diastereomers_fail, 0, 5);
        tcase_add_test(tc, double_bonds);
        tcase_add_test(tc, rings_twist_double_bonds);
        tcase_add_test(tc, bonds_of_wrong_length_fail);
        tcase_add_test(tc, carboxylate_bonds_are_equal_and_acid_bonds_are_not);
        tcase_add_test(tc, bond_ranges_are_at_most_0_4);
        tcase_add_test(tc, clashes_in_rings_of_8_fail);
        tcase_add_test(tc, bent_angles_fail);
        tcase_add_test(tc, bent_linear_and_straight_trigonal_atoms_fail);
        tcase_add_test(tc, pyramidal_trigonal_atoms_fail);
        tcase_add_test(tc, clashes_fail);
        tcase_add_test(tc, rings_that_do_not_close_fail);
        tcase_add_test(tc, puckered_rings_fail);
        tcase_add_test(tc, displaced_atoms_are_repaired);
        tcase_add_test(tc, mirror_images_are_repaired);
        tcase_add_test(tc, finished_conformers_are_repaired);
        tcase_add_test(tc, impossible_conformers_stay_unchanged);
        tcase_add_test(tc, tests_are_listed_at_their_last_atom);
    } else {
        tcase_add_test(tc, missing_bounds_are_refused);
    }
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
