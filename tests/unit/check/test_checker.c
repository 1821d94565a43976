/* SPDX-License-Identifier: MIT */
/* Checks of single conformers: valid ones pass, each kind of damage fails its test. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/rdkit_c.h"
#include "check/checker.h"
#include "stereo_table.h"

#define BIT(test) (1u << CG_CHECK_##test)

/* A molecule, its checker, and a conformer from RDKit. */
struct subject {
    cg_molecule *mol;
    cg_checker *checker;
    size_t n;
    float (*xyz)[3];
};

static void embed(struct subject *s)
{
    size_t size;
    char *pkl = get_mol(cg_molecule_smiles(s->mol, NULL), &size, "{}"), *block, *line;

    ck_assert_int_eq(add_hs(&pkl, &size), 1);
    ck_assert_msg(set_3d_coords(&pkl, &size, "{\"randomSeed\":7}") > 0, "%s",
                  cg_molecule_smiles(s->mol, NULL));
    block = get_molblock(pkl, size, "{}");
    line = block;
    for (int i = 0; i < 4; i++)
        line = strchr(line, '\n') + 1;
    for (size_t i = 0; i < s->n; i++, line = strchr(line, '\n') + 1) {
        float *p = s->xyz[i];

        ck_assert_int_eq(sscanf(line, "%f %f %f", &p[0], &p[1], &p[2]), 3);
    }
    free_ptr(block);
    free_ptr(pkl);
}

static struct subject make(const char *smiles)
{
    struct subject s = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_molecule_parse(smiles, strlen(smiles), &s.mol, &err) == CG_OK, "%s", err.msg);
    ck_assert_msg(cg_checker_create(s.mol, &s.checker, &err) == CG_OK, "%s", err.msg);
    s.n = cg_molecule_n_atoms(s.mol);
    s.xyz = calloc(s.n, sizeof *s.xyz);
    embed(&s);
    return s;
}

static void drop(struct subject *s)
{
    cg_checker_destroy(s->checker);
    cg_molecule_destroy(s->mol);
    free(s->xyz);
}

static cg_verdict run(const struct subject *s)
{
    cg_error err = CG_ERROR_INIT;
    cg_verdict v;

    ck_assert_msg(cg_checker_run(s->checker, (const float(*)[3])s->xyz, &v, &err) == CG_OK, "%s",
                  err.msg);
    ck_assert_uint_eq(v.failed & ~v.done, 0);
    ck_assert_uint_eq(v.unchecked & v.done, 0);
    ck_assert_int_eq(v.failed == 0, v.detail[0] == '\0');
    return v;
}

static void move(float p[3], float x, float y, float z)
{
    p[0] += x;
    p[1] += y;
    p[2] += z;
}

/* Unit normal of the plane of three atoms. */
static void normal_of(const struct subject *s, int a, int b, int c, float ret[3])
{
    float u[3], v[3], l = 0;

    for (int i = 0; i < 3; i++) {
        u[i] = s->xyz[b][i] - s->xyz[a][i];
        v[i] = s->xyz[c][i] - s->xyz[a][i];
    }
    for (int i = 0; i < 3; i++) {
        ret[i] = u[(i + 1) % 3] * v[(i + 2) % 3] - u[(i + 2) % 3] * v[(i + 1) % 3];
        l += ret[i] * ret[i];
    }
    for (int i = 0; i < 3; i++)
        ret[i] /= sqrtf(l);
}

enum {
    ALWAYS = 1u << CG_CHECK_SANITIZE | 1u << CG_CHECK_CONNECTED | 1u << CG_CHECK_BOND_LENGTHS,
    CHAIN = ALWAYS | 1u << CG_CHECK_BOND_ANGLES | 1u << CG_CHECK_CLASH,
};

static const struct {
    const char *smiles;
    uint32_t done;
} valid[] = {
    { "C", BIT(SANITIZE) | BIT(CONNECTED) },
    { "CC", ALWAYS },
    { "CCO", ALWAYS | BIT(BOND_ANGLES) },
    { "CCCC", CHAIN },
    { "c1ccccc1", CHAIN | BIT(AROMATIC_FLAT) },
    { "c1ccsc1", ALWAYS | BIT(BOND_ANGLES) | BIT(AROMATIC_FLAT) },
    { "c1ccc2[nH]ccc2c1", CHAIN | BIT(AROMATIC_FLAT) },
    { "C/C=C/C", CHAIN | BIT(DOUBLE_FLAT) | BIT(STEREO) },
    { "C=CC", ALWAYS | BIT(BOND_ANGLES) },
    { "CC(C)=C(C)C", CHAIN | BIT(DOUBLE_FLAT) },
    { "CC=C=CC", CHAIN },
    { "C[C@H](N)C(=O)O", CHAIN | BIT(STEREO) },
    { "C[C@H](O)[C@@H](C)O", CHAIN | BIT(STEREO) },
    { "C[C@H]1CC[C@@H](C)CC1", CHAIN | BIT(RING_FLAT) | BIT(STEREO) },
    { "[2H]C([2H])([2H])OC", CHAIN },
    { "[2H][C@](C)(F)Cl", ALWAYS | BIT(BOND_ANGLES) | BIT(STEREO) },
    { "[2H][C@H](C)F", ALWAYS | BIT(BOND_ANGLES) | BIT(STEREO) },
    { "[H]/N=C(\\N)c1ccccc1", CHAIN | BIT(AROMATIC_FLAT) | BIT(STEREO) },
    { "[H]/N=N/C", CHAIN | BIT(STEREO) },
    { "[H]/N=C(C)/CC", CHAIN | BIT(STEREO) },
    { "[2H]/C=C/C", CHAIN | BIT(STEREO) },
    { "C1C2CC3CC1CC(C2)C3", CHAIN },
    { "C1CC1", ALWAYS | BIT(BOND_ANGLES) },
    { "O=[N+]([O-])c1ccc(C(=O)[O-])cc1", CHAIN | BIT(AROMATIC_FLAT) },
    { "CC(O)C(F)Cl", CHAIN }, /* unspecified stereocentres are not tested */
};

START_TEST(valid_conformers_pass)
{
    struct subject s = make(valid[_i].smiles);
    cg_verdict v = run(&s);

    ck_assert_msg(v.failed == 0, "%s: %s", valid[_i].smiles, v.detail);
    ck_assert_msg(v.done == valid[_i].done, "%s: %#x, not %#x", valid[_i].smiles, v.done,
                  valid[_i].done);
    drop(&s);
}
END_TEST

START_TEST(a_salt_may_be_in_fragments)
{
    struct subject s = make("CC(=O)[O-].[Na+]");

    ck_assert_uint_eq(cg_molecule_graph(s.mol)->atoms[4].element, 11);
    for (int i = 0; i < 3; i++) /* RDKit's embedding may place fragments on top of each other */
        s.xyz[4][i] = s.xyz[0][i];
    ck_assert_uint_eq(run(&s).failed, BIT(CLASH));
    move(s.xyz[4], 0, 0, 4.5F);
    ck_assert_uint_eq(run(&s).failed, 0);
    ck_assert_uint_eq(run(&s).done, CHAIN);
    move(s.xyz[4], 0, 0, 12);
    ck_assert_uint_eq(run(&s).failed, BIT(CONNECTED));
    ck_assert_msg(!strncmp(run(&s).detail, "fragment 2 is 1", 15), "%s", run(&s).detail);
    drop(&s);
}
END_TEST

START_TEST(stretched_bonds_fail)
{
    struct subject s = make("CC");
    cg_verdict v;

    /* bounds of C-C are 1.505 to 1.525 Å or so, the margin a quarter */
    for (int i = 0; i < 3; i++)
        s.xyz[0][i] = s.xyz[1][i] = 0;
    s.xyz[1][0] = 1.85f;
    ck_assert_uint_eq(run(&s).failed, 0);
    s.xyz[1][0] = 1.97f;
    v = run(&s);
    ck_assert_uint_eq(v.failed, BIT(BOND_LENGTHS));
    ck_assert_msg(!strncmp(v.detail, "bond 1-2 1.97 Å, at most 1.9", 29), "%s", v.detail);
    s.xyz[1][0] = 1.09f;
    v = run(&s);
    ck_assert_uint_eq(v.failed, BIT(BOND_LENGTHS));
    ck_assert_msg(!strncmp(v.detail, "bond 1-2 1.09 Å, at least 1.1", 30), "%s", v.detail);
    s.xyz[1][0] = 1.17f;
    ck_assert_uint_eq(run(&s).failed, 0);
    drop(&s);
}
END_TEST

START_TEST(bent_angles_fail)
{
    struct subject s = make("CCC");
    cg_verdict v;

    for (int i = 0; i < 3; i++)
        s.xyz[0][i] = s.xyz[1][i] = s.xyz[2][i] = 0;
    s.xyz[0][0] = 1.52f;
    s.xyz[2][0] = 1.52f * cosf(1.2f);
    s.xyz[2][1] = 1.52f * sinf(1.2f);
    v = run(&s);
    ck_assert_uint_eq(v.failed, BIT(BOND_ANGLES));
    ck_assert_msg(!strncmp(v.detail, "angle ends 1-3 1.72 Å, at least", 31), "%s", v.detail);
    drop(&s);
}
END_TEST

/* Distances are in range, the angle is not. */
START_TEST(bent_linear_atoms_fail)
{
    struct subject s = make("CC#N");
    cg_verdict v;

    for (int degrees = 110; degrees <= 180; degrees += 2) {
        float a = (float)degrees * 3.14159265F / 180;

        for (int i = 0; i < 9; i++)
            ((float *)s.xyz)[i] = 0;
        s.xyz[0][0] = 1.46F;
        s.xyz[2][0] = 1.16F * cosf(a);
        s.xyz[2][1] = 1.16F * sinf(a);
        v = run(&s);
        if (degrees != 160)
            ck_assert_uint_eq(v.failed, degrees < 160 ? BIT(BOND_ANGLES) : 0);
        if (degrees == 128)
            ck_assert_str_eq(v.detail, "angle 1-2-3 128.0 degrees, at least 160");
    }
    drop(&s);
}
END_TEST

START_TEST(pyramidal_trigonal_atoms_fail)
{
    struct subject s = make("CC(C)=O");
    float up[3];

    ck_assert_uint_eq(run(&s).failed, 0);
    normal_of(&s, 0, 2, 3, up);
    move(s.xyz[1], 0.2F * up[0], 0.2F * up[1], 0.2F * up[2]);
    ck_assert_uint_eq(run(&s).failed, 0);
    move(s.xyz[1], 0.2F * up[0], 0.2F * up[1], 0.2F * up[2]);
    ck_assert_uint_eq(run(&s).failed, BIT(BOND_ANGLES));
    ck_assert_str_eq(run(&s).detail, "atom 2 is pyramidal, not trigonal");
    drop(&s);
}
END_TEST

START_TEST(clashes_fail)
{
    struct subject s = make("CCCCCCC");

    for (int i = 0; i < 3; i++)
        s.xyz[6][i] = s.xyz[0][i];
    move(s.xyz[6], 0.5f, 0, 0);
    ck_assert_uint_ne(run(&s).failed & BIT(CLASH), 0);
    drop(&s);
}
END_TEST

START_TEST(puckered_rings_fail)
{
    static const struct {
        const char *smiles;
        int ring[3], moved;
    } rings[] = {
        { "c1ccccc1", { 1, 2, 3 }, 0 },
        { "c1ccsc1", { 1, 2, 3 }, 0 },
        { "c1ccc2[nH]ccc2c1", { 0, 1, 2 }, 8 }, /* the six-membered ring of a fused pair */
    };
    struct subject s = make(rings[_i].smiles);
    float up[3];

    normal_of(&s, rings[_i].ring[0], rings[_i].ring[1], rings[_i].ring[2], up);
    move(s.xyz[rings[_i].moved], 0.3f * up[0], 0.3f * up[1], 0.3f * up[2]);
    ck_assert_uint_eq(run(&s).failed, 0);
    move(s.xyz[rings[_i].moved], 0.5f * up[0], 0.5f * up[1], 0.5f * up[2]);
    ck_assert_uint_eq(run(&s).failed & ~(BIT(BOND_LENGTHS) | BIT(BOND_ANGLES)), BIT(AROMATIC_FLAT));
    drop(&s);
}
END_TEST

/* A flat ring fails where it is never flat in truth, and is unchecked elsewhere. */
START_TEST(flat_rings_do_not_pass)
{
    static const struct {
        const char *smiles;
        float side; /* Å */
        uint32_t done, failed, unchecked;
    } rings[] = {
        { "C1CCCCC1", 1.52F, BIT(RING_FLAT), BIT(RING_FLAT), 0 },
        { "C1CCOCC1", 1.46F, BIT(RING_FLAT), BIT(RING_FLAT), 0 },
        { "C1=CCC=CC1", 1.44F, 0, 0, BIT(RING_FLAT) },
        { "C1=CNC=CC1", 1.42F, 0, 0, BIT(RING_FLAT) },
        { "C1=COC=CO1", 1.40F, 0, 0, 0 }, /* PoseBusters permits this one */
    };
    struct subject s = make(rings[_i].smiles);
    cg_verdict v;

    for (int k = 0; k < 6; k++) {
        const float angle = (float)k * 3.14159265F / 3;

        s.xyz[k][0] = rings[_i].side * cosf(angle);
        s.xyz[k][1] = rings[_i].side * sinf(angle);
        s.xyz[k][2] = 0;
    }
    v = run(&s);
    ck_assert_msg(v.failed == rings[_i].failed && v.unchecked == rings[_i].unchecked,
                  "%s: %#x failed, %#x unchecked, %s", rings[_i].smiles, v.failed, v.unchecked,
                  v.detail);
    ck_assert_uint_eq(v.done & BIT(RING_FLAT), rings[_i].done);
    if (v.failed)
        ck_assert_str_eq(v.detail, "ring of 1-2 is flat: 0.000 Å out of plane");
    for (int k = 0; k < 6; k++) /* a chair: all atoms are this far from the plane */
        s.xyz[k][2] = k % 2 ? 0.049F : -0.049F;
    ck_assert_uint_eq(run(&s).failed | run(&s).unchecked, rings[_i].failed | rings[_i].unchecked);
    for (int k = 0; k < 6; k++)
        s.xyz[k][2] = k % 2 ? 0.053F : -0.053F;
    ck_assert_uint_eq(run(&s).failed | run(&s).unchecked, 0);
    drop(&s);
}
END_TEST

/* PoseBusters fails it: its Cl-C bound of 3.9 Å holds in rings of 8, whose torsions RDKit knows. */
START_TEST(bounds_of_rings_of_8_are_rdkits)
{
    struct subject s = make("ClN1/C=C\\C=C/C=C2/C[C@H]21");
    float d[3], l = 0;

    ck_assert_uint_eq(run(&s).failed & BIT(CLASH), 0);
    for (int i = 0; i < 3; i++) {
        d[i] = s.xyz[0][i] - s.xyz[3][i];
        l += d[i] * d[i];
    }
    for (int i = 0; i < 3; i++)
        s.xyz[0][i] = s.xyz[3][i] + d[i] * 2.65F / sqrtf(l);
    ck_assert_uint_eq(run(&s).failed & BIT(CLASH), BIT(CLASH));
    drop(&s);
}
END_TEST

/* A T-shaped iodine: carbon at a right angle to the axis of O and Cl. What only RDKit's bounds of
 * the axis refuse is unchecked; a pair across the iodine that they refuse fails. */
START_TEST(pairs_at_hypervalent_atoms_are_judged_by_rdkits_bounds)
{
    static const struct {
        float angle;   /* C-O-I, degrees */
        float stretch; /* of the axis */
        uint32_t failed, unchecked;
    } shapes[] = {
        { 112, 1, 0, 0 },
        { 100, 1, 0, 0 },         /* C-C 2.4 Å */
        { 91, 1, BIT(CLASH), 0 }, /* C-C 2.2 Å */
        { 112, 1.12F, 0, BIT(BOND_ANGLES) },
    };
    struct subject s = make("COI(C)Cl");
    const float angle = shapes[_i].angle * 3.14159265F / 180, stretch = shapes[_i].stretch;
    const float xyz[5][3] = { { 2.05F * stretch - 1.4F * cosf(angle), 1.4F * sinf(angle), 0 },
                              { 2.05F * stretch, 0, 0 },
                              { 0, 0, 0 },
                              { 0, 2.1F, 0 },
                              { -2.42F * stretch, 0, 0 } };
    cg_verdict v;

    ck_assert_str_eq(cg_molecule_smiles(s.mol, NULL), "COI(C)Cl");
    memcpy(s.xyz, xyz, sizeof xyz);
    v = run(&s);
    ck_assert_msg(v.failed == shapes[_i].failed && v.unchecked == shapes[_i].unchecked,
                  "%d: %#x failed, %#x unchecked, %s", _i, v.failed, v.unchecked, v.detail);
    drop(&s);
}
END_TEST

/* Rotates one atom about the double bond of atoms 1 and 2. */
static void twist(struct subject *s, int atom, float angle)
{
    float axis[3], l = 0, p[3], out[3], d = 0;

    for (int i = 0; i < 3; i++) {
        axis[i] = s->xyz[2][i] - s->xyz[1][i];
        l += axis[i] * axis[i];
    }
    for (int i = 0; i < 3; i++) {
        axis[i] /= sqrtf(l);
        p[i] = s->xyz[atom][i] - s->xyz[2][i];
        d += axis[i] * p[i];
    }
    for (int i = 0; i < 3; i++)
        out[i] = p[i] * cosf(angle) +
                 (axis[(i + 1) % 3] * p[(i + 2) % 3] - axis[(i + 2) % 3] * p[(i + 1) % 3]) *
                     sinf(angle) +
                 axis[i] * d * (1 - cosf(angle));
    for (int i = 0; i < 3; i++)
        s->xyz[atom][i] = s->xyz[2][i] + out[i];
}

START_TEST(twisted_double_bonds_fail)
{
    struct subject s = make("C/C=C/C");

    twist(&s, 3, 0.2f);
    ck_assert_uint_eq(run(&s).failed, 0);
    twist(&s, 3, 0.4f); /* 0.6 in total: an atom or its hydrogen is 0.3 Å out of plane */
    ck_assert_uint_eq(run(&s).failed, BIT(DOUBLE_FLAT));
    twist(&s, 3, 1.4f); /* 2.0 in total: past a right angle, cis */
    ck_assert_uint_eq(run(&s).failed, BIT(DOUBLE_FLAT) | BIT(STEREO));
    twist(&s, 3, 1.14f); /* 3.14 in total: planar and cis */
    ck_assert_uint_eq(run(&s).failed, BIT(STEREO));
    ck_assert_str_eq(run(&s).detail, "double bond 2-3 is not trans");
    drop(&s);
}
END_TEST

static const struct {
    const char *smiles;
    int same; /* its mirror image is the same molecule */
} mirrors[] = {
    { "C[C@H](N)C(=O)O", 0 },
    { "C[C@H](O)[C@@H](C)O", 1 }, /* meso */
    { "C[C@H](O)[C@H](C)O", 0 },
    { "C[C@H]1CC[C@@H](C)CC1", 1 },
    { "O[C@H]1CC[C@H](O)CC1", 1 },
    { "C[C@@H]1C[C@H](C)C[C@@H](C)C1", 1 },
    { "CC(O)[C@H](F)Cl", 0 }, /* one of two stereocentres is specified */
    { "CC(F)C", 1 },
    { "C/C=C/C", 1 },
    { "C[S@](=O)CC", 0 },
    { "[2H][C@](F)(Cl)C", 0 },
    { "[2H][C@H](C)O", 0 },
    { "C[C@H]1CCC[S@+]1C", 0 }, /* a ring closure among three neighbours */
    { "C[C@H]1CCC[P@]1C", 0 },
    { "O[C@H](/C=C/C)[C@@H](O)/C=C/C", 1 },
    { "C/C=C/[C@H](O)/C=C\\C", 0 }, /* its arms differ only by their double bonds */
    { "C[C@H](O)C(/F)=C(\\F)[C@@H](C)O", 1 },
};

START_TEST(mirror_images_fail_unless_meso)
{
    struct subject s = make(mirrors[_i].smiles);
    cg_verdict v;

    for (size_t i = 0; i < s.n; i++)
        s.xyz[i][2] = -s.xyz[i][2];
    v = run(&s);
    ck_assert_msg(v.failed == (mirrors[_i].same ? 0 : BIT(STEREO)), "%s: %s", mirrors[_i].smiles,
                  v.detail);
    drop(&s);
}
END_TEST

static uint32_t stereo_verdict(const struct stereo_row *row, const float (*xyz)[3])
{
    cg_error err = CG_ERROR_INIT;
    cg_checker *checker = NULL;
    cg_verdict v = { 0 };

    ck_assert_msg(cg_checker_create(row->mol, &checker, &err) == CG_OK, "%s", err.msg);
    ck_assert_msg(cg_checker_run(checker, xyz, &v, &err) == CG_OK, "%s", err.msg);
    ck_assert_msg(!(v.unchecked & ~BIT(RING_FLAT)) && (v.done & BIT(STEREO)), "%s", row->smiles);
    ck_assert_msg(!(v.failed & BIT(SANITIZE)), "%s", row->smiles);
    cg_checker_destroy(checker);
    return v.failed & BIT(STEREO);
}

/* Coordinates of RDKit from PyPI: see stereo_table.h. */
START_TEST(every_kind_of_stereo_is_judged)
{
    struct stereo_row row = { 0 };
    FILE *f = stereo_table_open();

    while (stereo_row_read(f, &row)) {
        ck_assert_msg(!stereo_verdict(&row, (const float(*)[3])row.xyz), "%s", row.smiles);
        stereo_row_mirror(&row);
        ck_assert_msg((stereo_verdict(&row, (const float(*)[3])row.xyz) == 0) == row.mirror_is_same,
                      "%s: its mirror image", row.smiles);
        if (row.n_bonds && row.has_swapped)
            ck_assert_msg((stereo_verdict(&row, (const float(*)[3])row.swapped) == 0) ==
                              row.swapped_is_same,
                          "%s: its double bonds inverted", row.smiles);
    }
    fclose(f);
}
END_TEST

START_TEST(planar_stereocentres_fail)
{
    struct subject s = make("C[C@H](O)[C@@H](C)O"); /* meso does not excuse it */

    for (size_t i = 0; i < s.n; i++)
        s.xyz[i][2] = 0;
    ck_assert_uint_ne(run(&s).failed & BIT(STEREO), 0);
    drop(&s);
}
END_TEST

START_TEST(collapsed_conformers_fail)
{
    struct subject s = make("CC(/C=C/c1ccccc1)[C@H](F)Cl");
    cg_verdict v;

    for (size_t i = 0; i < s.n; i++)
        s.xyz[i][0] = s.xyz[i][1] = s.xyz[i][2] = 0;
    v = run(&s); /* all atoms in one point: planar, but all other tests fail */
    ck_assert_uint_eq(v.failed, BIT(BOND_LENGTHS) | BIT(BOND_ANGLES) | BIT(CLASH) | BIT(STEREO));
    s.xyz[0][0] = 1e30f;
    ck_assert_uint_ne(run(&s).failed & BIT(BOND_LENGTHS), 0);
    drop(&s);
    cg_checker_destroy(NULL);
}
END_TEST

START_TEST(names_and_descriptions)
{
    char text[CG_CHECK_NAMES_MAX], small[8];

    for (int i = 0; i < CG_CHECK_COUNT; i++) {
        ck_assert_uint_gt(strlen(cg_check_name((cg_check_id)i)), 3);
        ck_assert_uint_gt(strlen(cg_check_description((cg_check_id)i)), 20);
    }
    cg_check_join_names(0, text, sizeof text);
    ck_assert_str_eq(text, "");
    cg_check_outcome(0, 0, text, sizeof text);
    ck_assert_str_eq(text, "pass");
    cg_check_outcome(0, BIT(STEREO), text, sizeof text);
    ck_assert_str_eq(text, "unchecked");
    cg_check_outcome(BIT(CLASH), BIT(STEREO), text, sizeof text);
    ck_assert_str_eq(text, "internal_clash");
    cg_check_join_names(BIT(BOND_LENGTHS) | BIT(STEREO), text, sizeof text);
    ck_assert_str_eq(text, "bond_lengths,stereo");
    cg_check_join_names((1u << CG_CHECK_COUNT) - 1, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, ",stereo"));
    cg_check_join_names((1u << CG_CHECK_COUNT) - 1, small, sizeof small);
    ck_assert_str_eq(small, "sanitiz");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("check_checker");
    TCase *tc = tcase_create("checks");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, valid_conformers_pass, 0, (int)(sizeof valid / sizeof valid[0]));
    tcase_add_test(tc, a_salt_may_be_in_fragments);
    tcase_add_test(tc, stretched_bonds_fail);
    tcase_add_test(tc, bent_angles_fail);
    tcase_add_test(tc, bent_linear_atoms_fail);
    tcase_add_test(tc, pyramidal_trigonal_atoms_fail);
    tcase_add_test(tc, clashes_fail);
    tcase_add_loop_test(tc, puckered_rings_fail, 0, 3);
    tcase_add_loop_test(tc, flat_rings_do_not_pass, 0, 5);
    tcase_add_test(tc, bounds_of_rings_of_8_are_rdkits);
    tcase_add_loop_test(tc, pairs_at_hypervalent_atoms_are_judged_by_rdkits_bounds, 0, 4);
    tcase_add_test(tc, twisted_double_bonds_fail);
    tcase_add_loop_test(tc, mirror_images_fail_unless_meso, 0,
                        (int)(sizeof mirrors / sizeof mirrors[0]));
    tcase_add_test(tc, every_kind_of_stereo_is_judged);
    tcase_add_test(tc, planar_stereocentres_fail);
    tcase_add_test(tc, collapsed_conformers_fail);
    tcase_add_test(tc, names_and_descriptions);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
