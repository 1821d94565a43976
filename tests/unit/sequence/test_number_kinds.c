/* SPDX-License-Identifier: MIT */
/* Reading and writing atoms in every kind of text format, and the cells of coarse numbers. */
#include <math.h>
#include <stdio.h>

#include "number_text_made.h"
#include "sequence/coordinate.h"
#include "sequence/number_path.h"

static uint32_t random_state = 1;

static uint32_t below(uint32_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(random_state >> 8) * n >> 24);
}

static float uniform(float low, float high)
{
    return low + (high - low) * (float)below(1 << 20) / (1 << 20);
}

/* ---- symbols of tokens -------------------------------------------------------------------- */

/* NEXT is ',', BEGIN '<' and TEXT '~'. */
static void symbols_of(cg_token_number t, char *out)
{
    for (; t; t >>= CG_SYMBOL_BITS)
        *out++ = " 0123456789.-,<~"[t & CG_SYMBOL_MASK];
    *out = '\0';
}

static const struct {
    const char *format, *token, *symbols;
} tokens_of_formats[] = {
    { "molgen-v3", ",-12.", ",-12." },
    { "molgen-v3", "<", "<" },
    { "molgen-v3", ">[", "~" },
    { "molgen-v3", "]<-", "~<-" },
    { "molgen-v3", ">[13CH3]<-1.", "~<-1." },
    { "molgen-v3", "13CH3", "13~3" },
    { "molgen-v3", "0123456789", "0123456789" },
    { "molgen-v3", "5>[O]<", "5~<" },
    { "molgen-v3", "=-]<", "~<" },
    { "molgen-v3", "", "" },
    { "molgen-v3", "[CONFORMER]", "~" },
    { "molgen-v3", "12345678901234567", "~" }, /* too long */
    { "molgen-v3", "1a1a1a1a1a1a1a1a1a", "~" },
    { "molgen-v1", "N<", "~<" },
    { "molgen-v2", ",-", ",-" },
    { "molgen-binned-13", "113", "113" },
    { "molgen-binned-13", "<113,-", "<113,~" }, /* no signs */
    { "molgen-binned-13", "1.", "1~" },
    { "molgen-binned-258", "[N]", "~<" }, /* numbers begin behind the bracket */
    { "molgen-binned-258", "113130144;[", "113130144~" },
    { "molgen-binned-258", "[13C]1", "~<1" },
};

START_TEST(tokens_become_symbols)
{
    char symbols[CG_TOKEN_NUMBER_SYMBOLS + 1];
    const char *token = tokens_of_formats[_i].token;
    cg_conformer_format f = made_format_named(tokens_of_formats[_i].format);

    symbols_of(cg_token_number_of(&f, token, strlen(token)), symbols);
    ck_assert_str_eq(symbols, tokens_of_formats[_i].symbols);
}
END_TEST

START_TEST(formats_that_cannot_be_read_are_named)
{
    cg_conformer_format f = made_format_named("molgen-fsq");

    ck_assert_str_eq(cg_token_number_problem(&f),
                     "the codes of the text format are no coordinates");
    for (int i = 0; cg_conformer_format_name(i); i++) {
        f = made_format_named(cg_conformer_format_name(i));
        if (f.number.kind != CG_NUMBER_CODE)
            ck_assert_msg(!cg_token_number_problem(&f), "%s", f.name);
    }
    f = made_format_named("molgen-v3");
    strcpy(f.separator, "<|");
    ck_assert_ptr_nonnull(strstr(cg_token_number_problem(&f), "character before the numbers"));
    strcpy(f.separator, "--");
    ck_assert_ptr_nonnull(strstr(cg_token_number_problem(&f), "character of numbers"));
    strcpy(f.separator, ",");
    strcpy(f.close, ".");
    ck_assert_ptr_nonnull(strstr(cg_token_number_problem(&f), "behind the numbers"));
    f = made_format_named("molgen-binned-258");
    strcpy(f.separator, "--"); /* bins have no sign */
    ck_assert_ptr_null(cg_token_number_problem(&f));
    f.layout = CG_LAYOUT_SMILES;
    strcpy(f.close, "");
    ck_assert_ptr_nonnull(strstr(cg_token_number_problem(&f), "where the numbers of an atom"));
}
END_TEST

/* ---- reading ------------------------------------------------------------------------------ */

enum { MAX_PIECES = 64 };

/* Values of molgen-binned-13: bin i has its centre at -13.052 + 0.104 i; of -258: half a bin below
 * edge i, where edge 0 is -10.5748 and 256 bins make 21.0849 Å. */
static const struct {
    const char *format, *open, *separator, *close;
    int is_text;
    const char *pieces[MAX_PIECES];
    float xyz[3];
} atoms[] = {
    { "molgen-binned-13",
      "<",
      ",",
      ">",
      0,
      { "113", ",", "130", ",", "144", ">[" },
      { -1.3f, 0.468f, 1.924f } },
    { "molgen-binned-13",
      "<",
      ",",
      ">",
      0,
      { "1", "1", "3", ",", "1", "30", ",14", "4>[O]<", "999" },
      { -1.3f, 0.468f, 1.924f } },
    { "molgen-binned-13",
      "<",
      ",",
      ">",
      1,
      { "1]", "3", "[13", "C", "]<", "113", ",", "130", ",", "144" },
      { -1.3f, 0.468f, 1.924f } },
    { "molgen-binned-13",
      "<",
      ",",
      ">",
      0,
      { "000", ",", "001", ",", "250" },
      { -13, -12.948f, 12.948f } },
    { "molgen-binned-21",
      "<",
      ",",
      ">",
      0,
      { "0500", ",", "0501", ",", "1000" },
      { -0.021f, 0.021f, 20.979f } },
    { "molgen-binned-258",
      "",
      "",
      ";",
      0,
      { "113130144;", "[O]", "001001001;" },
      { -1.308931f, 0.0912396f, 1.2443213f } },
    { "molgen-binned-258",
      "",
      "",
      ";",
      0,
      { "1", "1", "3", "1", "3", "0", "1", "4", "4", ";", "1" },
      { -1.308931f, 0.0912396f, 1.2443213f } },
    { "molgen-binned-258",
      "",
      "",
      ";",
      1,
      { ";1", "2345678901", "=[13", "C", "]", "113", "130", "144", ";[" },
      { -1.308931f, 0.0912396f, 1.2443213f } },
    { "molgen-binned-258",
      "",
      "",
      ";",
      0,
      { "11", "31", "301", "44", "1" },
      { -1.308931f, 0.0912396f, 1.2443213f } },
    /* marks of several characters, and those of SMILES */
    { "molgen-v3",
      "((",
      "||",
      "))",
      1,
      { ")=[13C", "](", "(-1.0000", "|", "|2.5000", "||-", "3.0000", "))" },
      { -1, 2.5f, -3 } },
    { "molgen-v3",
      "[",
      ":",
      "]",
      1,
      { "](1)", "[13C:1]", "[", "1.0000", ":", "2.5000", ":-", "3.0000", "]1" },
      { 1, 2.5f, -3 } },
    { "molgen-v3",
      "<",
      ",",
      "",
      0,
      { "1.0000", ",", "2.5000", ",-", "3.00001", "[C]" },
      { 1, 2.5f, -3 } },
    { "molgen-v2",
      "<",
      ",",
      ">",
      0,
      { "-1.5", ",", "-", "2", ",0", ".25", ">1" },
      { -1.5f, -2, 0.25f } },
    { "molgen-v2",
      "<",
      ",",
      ">",
      0,
      { "-", "12", ",-", "0", ".", "5", ",", "3", ">[" },
      { -12, -0.5f, 3 } },
    { "molgen-v2", "<", ",", ">", 0, { "5,-1", "2,0.2", "5>[O]<" }, { 5, -12, 0.25f } },
    { "integer",
      "<",
      ",",
      ">",
      0,
      { "-0150", ",", "0", "0", "2", "5", ",1000", ">" },
      { -1.5f, 0.25f, 10 } },
};

static cg_conformer_format format_of_case(int i)
{
    cg_conformer_format f = strcmp(atoms[i].format, "integer") ? made_format_named(atoms[i].format)
                                                               : made_format_of(MADE_INTEGERS);

    strcpy(f.open, atoms[i].open);
    strcpy(f.separator, atoms[i].separator);
    strcpy(f.close, atoms[i].close);
    return f;
}

START_TEST(atoms_are_read_back)
{
    cg_conformer_format f = format_of_case(_i);
    cg_token_number token_numbers[MAX_PIECES];
    int32_t tokens[MAX_PIECES], n = 0;
    float xyz[3] = { NAN, NAN, NAN };

    for (; atoms[_i].pieces[n]; n++) {
        tokens[n] = n;
        token_numbers[n] = cg_token_number_of(&f, atoms[_i].pieces[n], strlen(atoms[_i].pieces[n]));
    }
    ck_assert_int_eq(
        cg_geometry_read_xyz(tokens, n, token_numbers, &f.number, atoms[_i].is_text, xyz), 1);
    for (int k = 0; k < 3; k++)
        ck_assert_msg(fabsf(xyz[k] - atoms[_i].xyz[k]) <= 2e-5f, "number %d: %.7f, wanted %.7f", k,
                      (double)xyz[k], (double)atoms[_i].xyz[k]);
    for (n = 0; n < 3 && atoms[_i].is_text == 0; n++) /* incomplete atoms */
        ck_assert_int_eq(
            cg_geometry_read_xyz(tokens, n == 2 ? 0 : n, token_numbers, &f.number, 0, xyz),
            n == 1 && strlen(atoms[_i].pieces[0]) > 9);
}
END_TEST

/* ---- writing ------------------------------------------------------------------------------ */

enum { ATOMS = 4, LIMIT = 512 };

static int32_t tokens[LIMIT];
static cg_atom_mark marks[ATOMS];
static cg_sequence seq;

static cg_sequence_text text_of_sequence(void)
{
    return (cg_sequence_text) { &made.tables.automaton,
                                made.token_numbers,
                                &made.format.number,
                                &made.program,
                                &seq,
                                tokens,
                                marks };
}

static int write_field(const cg_sequence_text *text, const float xyz[3], int32_t n_threads)
{
    static cg_number_path path;
    int result;

    memset(&path, 0x55, sizeof path);
    if (!cg_number_path_begin(&path, text, xyz))
        return 0;
    do {
        int32_t least = INT32_MAX;

        for (int32_t t = n_threads; t-- > 0;) {
            int32_t mine =
                cg_number_path_find(&path, text->automaton, text->token_numbers, t, n_threads);

            least = mine < least ? mine : least;
        }
        result = cg_number_path_step(&path, text->automaton, text->token_numbers, least);
    } while (result == CG_NUMBER_PATH_RUNNING);
    if (result == CG_NUMBER_PATH_FOUND)
        cg_number_path_append(&path, text);
    return result == CG_NUMBER_PATH_FOUND;
}

static int write_atom(const cg_sequence_text *text, const float xyz[3])
{
    for (int32_t k = 0; k < made.program.fields_per_atom; k++)
        if (!write_field(text, xyz, below(2) ? 1 : 32))
            return 0;
    return 1;
}

/* The text of an atom's numbers and their coordinates. */
static char *expect_numbers(char *at, const float xyz[3], float ret_want[3])
{
    const cg_conformer_format *f = &made.format;

    for (int k = 0; k < 3; k++) {
        cg_decimal n;

        ck_assert(cg_number_from_coordinate(&f->number, (double)xyz[k], CG_ROUND_NEAREST, &n));
        ret_want[k] = (float)cg_number_to_coordinate(&f->number, &n);
        at = stpcpy(at, k ? f->separator : "");
        at += cg_number_write(&n, at);
    }
    return stpcpy(at, f->close);
}

static void start_sequence(void)
{
    tokens[0] = made_id_of("@", 1);
    seq = (cg_sequence) { .n_tokens = 1, .limit = LIMIT };
    cg_sequence_begin(&seq, &made.program, &made.tables.automaton, tokens, marks);
}

/* A position whose numbers are as likely of any length, not between two of them. */
static void any_position(float xyz[3])
{
    const cg_number_format *f = &made.format.number;

    for (int k = 0; k < 3; k++) {
        float size = f->kind == CG_NUMBER_BIN ? 14 : (float[]) { 0.1f, 1, 10, 99 }[below(4)];

        xyz[k] = uniform(-size, size);
        if (f->kind != CG_NUMBER_BIN)
            xyz[k] = (roundf(xyz[k] * 100) + 0.1f) / 100;
    }
}

START_TEST(atoms_are_written_and_read_back)
{
    cg_sequence_text text;

    made_begin((enum made_kind)_i, ATOMS);
    text = text_of_sequence();
    for (int round = 0; round < 300; round++) {
        char want[1024], *at = want;
        float xyz[ATOMS][3], number[ATOMS][3], got[3];

        at = stpcpy(at, "@");
        if (_i == MADE_TRIPLES)
            at = stpcpy(at, "[C][C][C][C]|");
        start_sequence();
        for (int32_t i = 0; i < ATOMS; i++) {
            any_position(xyz[i]);
            at = stpcpy(at, _i == MADE_TRIPLES ? "" : "[C]");
            at = stpcpy(at, made.format.open);
            at = expect_numbers(at, xyz[i], number[i]);
            ck_assert_int_eq(seq.field, i * made.program.fields_per_atom);
            ck_assert_msg(write_atom(&text, xyz[i]), "%s: no path for '%s'", made.name, want);
        }
        ck_assert_int_eq(seq.done, CG_SEQUENCE_COMPLETE);
        ck_assert_str_eq(made_text_of(tokens, seq.n_tokens), want);
        for (int32_t i = 0; i < ATOMS; i++) {
            ck_assert_msg(cg_geometry_read_atom(&text, i, got), "%s, atom %d: '%s'", made.name, i,
                          want);
            for (int k = 0; k < 3; k++)
                ck_assert_msg(fabsf(got[k] - number[i][k]) <= 2e-6f * fmaxf(1, fabsf(got[k])),
                              "%s, atom %d, number %d: %.7f, wanted %.7f: '%s'", made.name, i, k,
                              (double)got[k], (double)number[i][k], want);
        }
        /* the last two atoms once more */
        cg_sequence_roll_back(&seq, &made.program, &made.tables.automaton, ATOMS - 2, marks);
        for (int32_t i = ATOMS - 2; i < ATOMS; i++)
            ck_assert(write_atom(&text, xyz[i]));
        ck_assert_str_eq(made_text_of(tokens, seq.n_tokens), want);
    }
}
END_TEST

START_TEST(numbers_outside_the_format_have_no_text)
{
    const float far[3] = { 0, 0, 100 }, none[3] = { NAN, 0, 0 };
    int is_bin = _i >= MADE_BINS;
    cg_sequence_text text;

    made_begin((enum made_kind)_i, ATOMS);
    text = text_of_sequence();
    start_sequence();
    ck_assert_int_eq(write_atom(&text, far), is_bin); /* the last bin */
    start_sequence();
    ck_assert_int_eq(write_atom(&text, none), 0);
}
END_TEST

/* ---- cells -------------------------------------------------------------------------------- */

START_TEST(coarse_numbers)
{
    static const struct {
        int32_t kind, decimals, per_angstrom, coarse;
    } cases[] = { { CG_NUMBER_DECIMAL, 4, 0, 0 },    { CG_NUMBER_DECIMAL, 3, 0, 0 },
                  { CG_NUMBER_DECIMAL, 2, 0, 1 },    { CG_NUMBER_DECIMAL, 1, 0, 1 },
                  { CG_NUMBER_INTEGER, 0, 1000, 0 }, { CG_NUMBER_INTEGER, 0, 100, 1 },
                  { CG_NUMBER_BIN, 0, 0, 1 } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cg_number_format f = { .kind = cases[i].kind,
                                     .decimals = cases[i].decimals,
                                     .per_angstrom = cases[i].per_angstrom };

        ck_assert_int_eq(cg_number_is_coarse(&f), cases[i].coarse);
    }
}
END_TEST

static float distance(const float a[3], const float b[3])
{
    return sqrtf((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                 (a[2] - b[2]) * (a[2] - b[2]));
}

/* The 27 centres are distinct, coordinates of the text, around the position, the nearest first. */
START_TEST(centres_are_around_the_position)
{
    cg_conformer_format f = made_format_of((enum made_kind)_i);
    float width = _i == MADE_TRIPLES               ? 0.042f
                  : _i == MADE_ADJACENT            ? 0.08237f
                  : _i == MADE_FEW_BINS            ? 0.1f
                  : f.number.kind == CG_NUMBER_BIN ? 0.104f
                                                   : 0.01f;

    for (int round = 0; round < 500; round++) {
        float xyz[3] = { uniform(-2, 2), uniform(-2, 2), uniform(-2, 2) };
        float centre[CG_NEIGHBOUR_CELLS][3], same;

        for (int32_t i = 0; i < CG_NEIGHBOUR_CELLS; i++) {
            ck_assert(cg_cell_centre(&f.number, xyz, i, centre[i]));
            for (int k = 0; k < 3; k++) {
                cg_decimal n;

                ck_assert(cg_coordinate_to_number(&f.number, centre[i][k], &n));
                same = cg_coordinate_of(&f.number, &n);
                ck_assert(same == centre[i][k]); /* as read back */
                ck_assert(fabsf(centre[i][k] - xyz[k]) < 1.51f * width);
            }
            ck_assert(distance(centre[i], xyz) > distance(centre[0], xyz) - 1e-5f);
            if (i == 1 || i == 2 || i == 3) /* one coordinate is that of the neighbour */
                ck_assert(distance(centre[i], xyz) < 1.4f * width);
            for (int32_t j = 0; j < i; j++)
                ck_assert(distance(centre[i], centre[j]) > 0.9f * width);
        }
    }
}
END_TEST

START_TEST(there_are_no_cells_outside_of_the_text)
{
    cg_conformer_format f = made_format_of((enum made_kind)_i);
    int is_bin = f.number.kind == CG_NUMBER_BIN, n_inside = 0;
    float end = is_bin ? (float)f.number.edge[f.number.n_edges - 1] - 0.01f : 99.99f;
    float xyz[3] = { end, 0.001f, 0.001f }, centre[3];

    for (int32_t i = 0; i < CG_NEIGHBOUR_CELLS; i++)
        n_inside += cg_cell_centre(&f.number, xyz, i, centre);
    ck_assert_int_eq(n_inside, 18);
    xyz[0] = 1000; /* bins: the last one and the one before it */
    n_inside = 0;
    for (int32_t i = 0; i < CG_NEIGHBOUR_CELLS; i++)
        n_inside += cg_cell_centre(&f.number, xyz, i, centre);
    ck_assert_int_eq(n_inside, is_bin ? 18 : 0);
    xyz[1] = NAN;
    for (int32_t i = 0; i < CG_NEIGHBOUR_CELLS; i++)
        ck_assert(!cg_cell_centre(&f.number, xyz, i, centre) || is_bin);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("number kinds");
    TCase *tc = tcase_create("reading"), *writing = tcase_create("writing"),
          *cells = tcase_create("cells");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, tokens_become_symbols, 0,
                        (int)(sizeof tokens_of_formats / sizeof *tokens_of_formats));
    tcase_add_test(tc, formats_that_cannot_be_read_are_named);
    tcase_add_loop_test(tc, atoms_are_read_back, 0, (int)(sizeof atoms / sizeof *atoms));
    suite_add_tcase(s, tc);
    tcase_add_checked_fixture(writing, NULL, made_finish);
    tcase_set_timeout(writing, 60);
    tcase_add_loop_test(writing, atoms_are_written_and_read_back, 0, MADE_KINDS);
    tcase_add_loop_test(writing, numbers_outside_the_format_have_no_text, 0, MADE_KINDS);
    suite_add_tcase(s, writing);
    tcase_add_test(cells, coarse_numbers);
    tcase_add_loop_test(cells, centres_are_around_the_position, 0, MADE_KINDS);
    tcase_add_loop_test(cells, there_are_no_cells_outside_of_the_text, 0, MADE_KINDS);
    suite_add_tcase(s, cells);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
