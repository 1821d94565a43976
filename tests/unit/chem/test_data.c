/* SPDX-License-Identifier: MIT */
/* Parsing and writing of whole lists: the 1000 GEOM-Drugs molecules, 200 texts in the training
 * format, and random unusual molecules. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "chem/enriched.h"
#include "chem/hydrogens.h"
#include "chem/molblock.h"
#include "chem/rdkit_c.h"
#include "format_made.h"

enum { MAX_ATOMS = 600, MAX_TEXT = 1 << 16 };

static uint64_t rng_state;

/* Random integer in [0, n). */
static uint32_t random_below(uint32_t n)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((rng_state >> 33) % n);
}

static FILE *open_source_file(const char *name)
{
    char path[4096];
    const char *root = getenv("CONFGEN_SOURCE_ROOT");
    FILE *f;

    ck_assert_msg(root != NULL, "CONFGEN_SOURCE_ROOT is not set");
    snprintf(path, sizeof path, "%s/%s", root, name);
    f = fopen(path, "r");
    ck_assert_msg(f != NULL, "cannot open %s", path);
    return f;
}

static cg_molecule *parse_ok(const char *smiles, size_t len)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;

    ck_assert_msg(cg_molecule_parse(smiles, len, &mol, &err) == CG_OK, "'%.*s': %s", (int)len,
                  smiles, err.msg);
    return mol;
}

/* Random coordinates -> text -> both parsers -> the same text and SMILES. */
static void check_round_trip(const cg_molecule *mol)
{
    static double xyz[MAX_ATOMS][3], back[MAX_ATOMS][3];
    static char text[MAX_TEXT], rewritten[MAX_TEXT];
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split split = { 0 };
    cg_enriched e = { 0 };
    int decimals = 3 + (int)random_below(2);
    size_t len, len2;

    ck_assert_msg(cg_enriched_split_molecule(mol, format_of_decimals(4, 2), &split, &err) == CG_OK,
                  "'%s': %s", cg_molecule_smiles(mol, NULL), err.msg);
    ck_assert_uint_eq(split.n_atoms, cg_molecule_n_atoms(mol));
    for (size_t i = 0; i < split.n_atoms; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] = ((double)random_below(400001) - 200000.0) / (random_below(4) ? 2e3 : 2e5);
    xyz[0][0] = -0.0;
    ck_assert_int_eq(cg_enriched_write(&split, format_of_decimals(decimals, 3),
                                       (const double(*)[3])xyz, text, sizeof text, &len, &err),
                     CG_OK);
    ck_assert_ptr_null(strstr(text, "-0.0000"));
    ck_assert_msg(cg_enriched_parse(text, len, format_of_decimals(decimals, 3), &e, &err) == CG_OK,
                  "'%s': %s", text, err.msg);
    ck_assert_str_eq(e.smiles, cg_molecule_smiles(mol, NULL));
    ck_assert_uint_eq(e.n_atoms, split.n_atoms);
    ck_assert_int_eq(
        cg_enriched_read(&split, format_of_decimals(decimals, 3), text, len, back, &err), CG_OK);
    ck_assert_mem_eq(back, e.xyz, e.n_atoms * sizeof *back);
    for (size_t i = 0; i < e.n_atoms; i++)
        for (int k = 0; k < 3; k++)
            ck_assert_double_eq_tol(back[i][k], xyz[i][k], decimals == 3 ? 1.001e-3 : 1.001e-4);
    ck_assert_int_eq(cg_enriched_write(&split, format_of_decimals(decimals, 3),
                                       (const double(*)[3])back, rewritten, sizeof rewritten, &len2,
                                       &err),
                     CG_OK);
    ck_assert_str_eq(rewritten, text);
    cg_enriched_finish(&e);
    cg_enriched_split_finish(&split);
}

/* The canonical SMILES is a fixed point and its scan agrees with RDKit's molblock. */
static void check_molecule(const cg_molecule *mol)
{
    size_t len;
    const char *smiles = cg_molecule_smiles(mol, &len);
    cg_molecule *reparsed = parse_ok(smiles, len);
    cg_molblock *block = NULL;
    cg_error err = CG_ERROR_INIT;

    ck_assert_str_eq(cg_molecule_smiles(reparsed, NULL), smiles);
    ck_assert_msg(cg_molblock_create(mol, &block, &err) == CG_OK, "%s", err.msg);
    ck_assert_uint_eq(cg_molblock_n_atoms(block), cg_molecule_n_atoms(mol));
    cg_molblock_destroy(block);
    cg_molecule_destroy(reparsed);
}

START_TEST(lists_are_stable_and_round_trip)
{
    static const char *lists[] = { "data/geom_drugs_test.smi", "data/geom_drugs_test_corrected.smi",
                                   "data/geom_drugs_sample.smi" };
    static const int rows[] = { 1000, 1000, 12 };
    FILE *f = open_source_file(lists[_i]);
    char line[4096];
    int n = 0;
    long k_sum = 0;

    rng_state = 1;
    while (fgets(line, sizeof line, f)) {
        char *name = strchr(line, '\t');
        char *count = name ? strchr(name + 1, '\t') : NULL;
        cg_molecule *mol;

        ck_assert_msg(count != NULL, "%s line %d has fewer than three columns", lists[_i], n + 1);
        mol = parse_ok(line, (size_t)(name - line));
        check_round_trip(mol);
        check_molecule(mol);
        cg_molecule_destroy(mol);
        k_sum += strtol(count + 1, NULL, 10);
        n++;
    }
    fclose(f);
    ck_assert_int_eq(n, rows[_i]);
    ck_assert_int_eq(k_sum, _i == 2 ? 166 : 106778);
}
END_TEST

struct smiles_list {
    char *in[1000];
    char *serial[1000];
    char *parallel[1000];
};

static void parse_item(void *ctx, int64_t i, int worker)
{
    struct smiles_list *b = ctx;
    cg_molecule *mol = NULL;
    cg_error err = CG_ERROR_INIT;

    (void)worker;
    if (cg_molecule_parse(b->in[i], strlen(b->in[i]), &mol, &err) == CG_OK)
        b->parallel[i] = strdup(cg_molecule_smiles(mol, NULL));
    cg_molecule_destroy(mol);
}

START_TEST(parallel_parsing_gives_serial_results)
{
    static struct smiles_list b;
    FILE *f = open_source_file("data/geom_drugs_test.smi");
    cg_error err = CG_ERROR_INIT;
    cg_team *team = NULL;
    char line[4096];

    for (int i = 0; i < 1000; i++) {
        cg_molecule *mol;

        ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
        line[strcspn(line, "\t")] = '\0';
        b.in[i] = strdup(line);
        mol = parse_ok(line, strlen(line));
        b.serial[i] = strdup(cg_molecule_smiles(mol, NULL));
        cg_molecule_destroy(mol);
    }
    fclose(f);
    ck_assert_int_eq(cg_team_create(4, &team, &err), CG_OK);
    cg_team_loop(team, 1000, parse_item, &b);
    cg_team_destroy(team);
    for (int i = 0; i < 1000; i++) {
        ck_assert_ptr_nonnull(b.parallel[i]);
        ck_assert_str_eq(b.parallel[i], b.serial[i]);
        free(b.in[i]);
        free(b.serial[i]);
        free(b.parallel[i]);
    }
}
END_TEST

static size_t count_stereo(const char *smiles)
{
    size_t n = 0;

    for (; *smiles; smiles++)
        n += *smiles == '@' || *smiles == '/' || *smiles == '\\';
    return n;
}

/* The SMILES without stereo and isotopes; free_ptr(). */
static char *flat_smiles(const char *smiles)
{
    size_t size = 0;
    char *pkl = get_mol(smiles, &size, "{\"removeHs\":false}");
    char *flat = get_smiles(pkl, size, "{\"doIsomericSmiles\":false}");

    ck_assert_ptr_nonnull(flat);
    free_ptr(pkl);
    return flat;
}

/* A block with added hydrogens is perceived as `smiles`, except for imines: their added hydrogen
 * gives the double bond a configuration. */
static void check_with_hydrogens(const cg_molecule *mol, const double (*xyz)[3], const char *smiles)
{
    static char text[MAX_TEXT];
    cg_error err = CG_ERROR_INIT;
    cg_hydrogens *h = NULL;
    cg_molblock *block = NULL;
    cg_molecule *perceived = NULL;
    double(*all)[3];
    size_t len;

    if (!CG_RDKIT_ADAPTER)
        return;
    ck_assert_msg(cg_hydrogens_create(mol, &h, &err) == CG_OK, "%s", err.msg);
    all = calloc(cg_molecule_n_atoms(cg_hydrogens_molecule(h)), sizeof *all);
    memcpy(all, xyz, cg_molecule_n_atoms(mol) * sizeof *all);
    ck_assert_msg(cg_hydrogens_place(h, all, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(cg_molblock_create(cg_hydrogens_molecule(h), &block, &err), CG_OK);
    ck_assert_int_eq(
        cg_molblock_write(block, "", 0, (const double(*)[3])all, text, sizeof text, &len, &err),
        CG_OK);
    ck_assert_msg(cg_molecule_from_molblock(text, &perceived, &err) == CG_OK, "'%s': %s", smiles,
                  err.msg);
    if (!strstr(cg_molecule_smiles(perceived, NULL), "[H]"))
        ck_assert_str_eq(cg_molecule_smiles(perceived, NULL), smiles);
    cg_molecule_destroy(perceived);
    cg_molblock_destroy(block);
    free(all);
    cg_hydrogens_destroy(h);
}

START_TEST(training_texts_round_trip_and_become_molblocks)
{
    static char line[MAX_TEXT], text[MAX_TEXT], block_text[MAX_TEXT];
    FILE *f = open_source_file("tests/data/chem/val_enriched_200.txt");
    cg_error err = CG_ERROR_INIT;
    int n = 0, with_stereo = 0, n_equal = 0;

    while (fgets(line, sizeof line, f)) {
        char *enriched = strchr(line, '\t');
        cg_enriched e = { 0 };
        cg_enriched_split split = { 0 };
        cg_molecule *mol;
        cg_molblock *block = NULL;
        cg_molecule *perceived = NULL;
        char *flat, *flat_want;
        const char *full;
        size_t len;

        ck_assert_ptr_nonnull(enriched);
        *enriched++ = '\0';
        enriched[strcspn(enriched, "\n")] = '\0';
        ck_assert_msg(cg_enriched_parse(enriched, strlen(enriched), format_of_decimals(3, 2), &e,
                                        &err) == CG_OK,
                      "line %d: %s", n + 1, err.msg);
        ck_assert_str_eq(e.smiles, line);
        mol = parse_ok(line, strlen(line));
        if (CG_RDKIT_ADAPTER) /* else ring stereo may be written differently: rdkit_extras.c */
            ck_assert_str_eq(cg_molecule_smiles(mol, NULL), line);
        ck_assert_int_eq(
            cg_enriched_split_smiles(line, strlen(line), format_of_decimals(4, 2), &split, &err),
            CG_OK);
        ck_assert_int_eq(cg_enriched_write(&split, format_of_decimals(3, 2),
                                           (const double(*)[3])e.xyz, text, sizeof text, &len,
                                           &err),
                         CG_OK);
        ck_assert_str_eq(text, enriched);

        ck_assert_int_eq(cg_molblock_create(mol, &block, &err), CG_OK);
        ck_assert_int_eq(cg_molblock_write(block, "x", 1, (const double(*)[3])e.xyz, block_text,
                                           sizeof block_text, &len, &err),
                         CG_OK);
        ck_assert_msg(cg_molecule_from_molblock(block_text, &perceived, &err) == CG_OK,
                      "line %d: %s", n + 1, err.msg);
        flat = flat_smiles(cg_molecule_smiles(perceived, NULL));
        flat_want = flat_smiles(line);
        ck_assert_str_eq(flat, flat_want);
        free_ptr(flat);
        free_ptr(flat_want);
        /* Coordinates may determine stereo that the text leaves open; marks must agree. */
        full = cg_molecule_smiles(perceived, NULL);
        if (count_stereo(full) == count_stereo(line)) {
            ck_assert_str_eq(full, cg_molecule_smiles(mol, NULL));
            with_stereo += count_stereo(line) > 0;
            n_equal++;
        } else {
            ck_assert_uint_gt(count_stereo(full), count_stereo(line));
        }
        check_with_hydrogens(mol, (const double(*)[3])e.xyz, full);
        cg_molecule_destroy(perceived);
        cg_molblock_destroy(block);
        cg_enriched_split_finish(&split);
        cg_enriched_finish(&e);
        cg_molecule_destroy(mol);
        n++;
    }
    fclose(f);
    ck_assert_int_eq(n, 200);
    ck_assert_int_gt(n_equal, 100);
    ck_assert_int_gt(with_stereo, 30);
}
END_TEST

/* Concatenates random fragments (rings of all kinds) into one molecule and appends ions. */
static size_t random_molecule(char *out)
{
    static const char *fragments[] = {
        "C",
        "N",
        "O",
        "S",
        "CC",
        "C(=O)",
        "C(C)",
        "C(Cl)",
        "C(Br)",
        "C(F)(F)",
        "[C@H](O)",
        "[C@@H](N)",
        "[C@](C)(F)",
        "[13CH2]",
        "[15NH]",
        "C([2H])",
        "[NH2+]",
        "[N+](C)(C)",
        "[SiH2]",
        "[Si](C)(C)",
        "[SeH0]",
        "P(=O)(O)",
        "[P@](=O)(C)",
        "S(=O)(=O)",
        "[S@](=O)",
        "B(O)",
        "[B-](F)(F)",
        "/C=C/",
        "/C=C\\",
        "C#C",
        "C([O-])",
        "c1ccc(cc1)",
        "c1cc[nH]c1",
        "c1ccsc1",
        "c1ccoc1",
        "c1cnc[nH]1",
        "C1CC1",
        "C%11CCC%11",
        "C%(100)CCCC%(100)",
        "C%(12345)CC%(12345)",
        "[CH2:1]",
        "[CH:42](C)",
        "N(O)",
        "C(=NO)",
        "[N+](=O)([O-])C",
        "C1(CCC1)",
        "[As](C)",
        "[TeH0]",
        "n1cccc1",
        "c1ccc2ccccc2c1",
        "C12CC(C1)C2",
        "[nH]1cccc1",
    };
    static const char *ions[] = { "[Na+]",        "[Cl-]",     "[Ca+2]", "[NH4+]", "O",
                                  "[Br-]",        "[2H]O[2H]", "[K+]",   "F",      "[I-]",
                                  "C[N+](C)(C)C", "[18F-]",    "[13CH4]" };
    size_t len = (size_t)sprintf(out, "%s", random_below(2) ? "C" : "N");
    uint32_t n = 1 + random_below(8);

    for (uint32_t i = 0; i < n; i++)
        len += (size_t)sprintf(out + len, "%s",
                               fragments[random_below(sizeof fragments / sizeof *fragments)]);
    len += (size_t)sprintf(out + len, "%s", random_below(2) ? "C" : "O");
    while (random_below(4) == 0)
        len += (size_t)sprintf(out + len, ".%s", ions[random_below(sizeof ions / sizeof *ions)]);
    return len;
}

START_TEST(random_molecules_are_stable_and_round_trip)
{
    enum { WANTED = 1500 };
    char text[1024];
    int accepted = 0, tried = 0, unsupported = 0;

    rng_state = 77;
    while (accepted < WANTED) {
        size_t len = random_molecule(text);
        cg_error err = CG_ERROR_INIT;
        cg_molecule *mol = NULL;
        cg_enriched_split split = { 0 };
        cg_status st;

        ck_assert_int_lt(++tried, 6 * WANTED);
        st = cg_molecule_parse(text, len, &mol, &err);
        if (st != CG_OK) { /* not every chain of fragments is a molecule: RDKit must agree */
            size_t size;

            ck_assert_msg(st == CG_ERR_INPUT, "'%s': %s", text, err.msg);
            ck_assert_msg(get_mol(text, &size, "{}") == NULL, "'%s': %s", text, err.msg);
            continue;
        }
        if (cg_enriched_split_molecule(mol, format_of_decimals(4, 2), &split, &err) ==
            CG_ERR_UNSUPPORTED) {
            unsupported++;
        } else {
            cg_enriched_split_finish(&split);
            check_round_trip(mol);
            check_molecule(mol);
            accepted++;
        }
        cg_molecule_destroy(mol);
    }
    ck_assert_int_lt(unsupported, WANTED / 5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chem_data");
    TCase *tc = tcase_create("lists");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 110);
    tcase_add_loop_test(tc, lists_are_stable_and_round_trip, 0, 3);
    tcase_add_test(tc, parallel_parsing_gives_serial_results);
    tcase_add_test(tc, training_texts_round_trip_and_become_molblocks);
    tcase_add_test(tc, random_molecules_are_stable_and_round_trip);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
