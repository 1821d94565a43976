/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "constraints/common/compile_checks.h"
#include "constraints/common/automaton_builder.h"

/* ---- a host that counts its allocations and may run out of memory
 * ------------------------------------------ */

struct memory {
    int live;          /* allocations that are not freed */
    int until_failure; /* allocations that succeed before one fails; negative: all */
};

static struct memory memory;

static void *counted_alloc(void *ctx, size_t bytes)
{
    struct memory *m = ctx;
    void *p;

    if (m->until_failure == 0)
        return NULL;
    m->until_failure--;
    p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    ck_assert_ptr_nonnull(p);
    memset(p, 0xa5, bytes);
    m->live++;
    return p;
}

static void counted_free(void *ctx, void *p)
{
    if (p)
        ((struct memory *)ctx)->live--;
    free(p);
}

static const cg_host host = {
    CG_SIZED(cg_host),      .workers = 1,         .ctx = &memory,
    .alloc = counted_alloc, .free = counted_free, .fail = cg_fail,
};

static cg_automaton_builder t;
static cg_error err;

static void init(int32_t states, int32_t transitions)
{
    memory = (struct memory) { 0, -1 };
    err = (cg_error)CG_ERROR_INIT;
    ck_assert_int_eq(cg_automaton_builder_init(&t, "test", &host, 100, states, transitions, &err),
                     CG_OK);
}

static void setup(void)
{
    init(64, 256);
}

static void teardown(void)
{
    cg_automaton_builder_finish(&t);
    ck_assert_int_eq(memory.live, 0);
}

static int32_t state(int32_t n, const int32_t *token, const int32_t *next)
{
    int32_t s = -1;

    ck_assert_msg(cg_automaton_builder_state(&t, n, token, next, &s, &err) == CG_OK, "%s", err.msg);
    return s;
}

/* ---- states --------------------------------------------------------------------------------- */

START_TEST(equal_states_are_one)
{
    int32_t a = state(2, (int32_t[]) { 3, 7 }, (int32_t[]) { CG_EXIT, CG_EXIT });
    int32_t b = state(2, (int32_t[]) { 3, 8 }, (int32_t[]) { CG_EXIT, CG_EXIT });
    int32_t c = state(2, (int32_t[]) { 3, 7 }, (int32_t[]) { CG_EXIT, a });
    int32_t d = state(1, (int32_t[]) { 3 }, (int32_t[]) { CG_EXIT });

    ck_assert_int_ne(a, b);
    ck_assert_int_ne(a, c);
    ck_assert_int_ne(a, d);
    ck_assert_int_eq(t.n_states, 4);
    ck_assert_int_eq(t.n_transitions, 7);
    ck_assert_int_eq(state(2, (int32_t[]) { 3, 7 }, (int32_t[]) { CG_EXIT, CG_EXIT }), a);
    ck_assert_int_eq(state(2, (int32_t[]) { 3, 7 }, (int32_t[]) { CG_EXIT, a }), c);
    ck_assert_int_eq(t.n_states, 4);
    ck_assert_int_eq(t.automaton.row[c], 4);
    ck_assert_int_eq(t.automaton.next[5], a);
}
END_TEST

START_TEST(head_rows_are_for_sampled_tokens)
{
    int32_t forced = state(1, (int32_t[]) { 50 }, (int32_t[]) { CG_EXIT });
    int32_t first = state(2, (int32_t[]) { 9, 40 }, (int32_t[]) { forced, CG_EXIT });
    int32_t second = state(3, (int32_t[]) { 2, 40, 99 }, (int32_t[]) { first, first, CG_EXIT });
    const cg_automaton *a = &t.automaton;

    ck_assert_int_eq(a->head_row[a->row[forced]], -1);
    ck_assert_int_eq(t.n_head_rows, 4); /* 9, 40, 2, 99: in order of first use */
    ck_assert_int_eq(a->head_row[a->row[first]], 0);
    ck_assert_int_eq(a->head_row[a->row[first] + 1], 1);
    ck_assert_int_eq(a->head_row[a->row[second]], 2);
    ck_assert_int_eq(a->head_row[a->row[second] + 1], 1);
    ck_assert_int_eq(a->head_token[3], 99);
    ck_assert_int_eq(t.longest[second], 3);
}
END_TEST

START_TEST(equal_loops_are_one)
{
    const int32_t token[] = { 5, 6 }, next[] = { CG_BUILDER_SELF, CG_EXIT };
    int32_t s = state(2, token, next), after;

    ck_assert_int_eq(t.automaton.next[t.automaton.row[s]], s);
    ck_assert_int_eq(t.longest[s], CG_BUILDER_CYCLE);
    ck_assert_int_eq(state(2, token, next), s);
    after = state(1, (int32_t[]) { 1 }, (int32_t[]) { s });
    ck_assert_int_eq(t.longest[after], CG_BUILDER_CYCLE);
}
END_TEST

START_TEST(full_tables_are_unchanged)
{
    const int32_t exits[] = { CG_EXIT, CG_EXIT, CG_EXIT };
    const int32_t many[] = { 1, 2, 3 };
    int32_t s = -1;

    teardown();
    init(2, 4);
    state(2, (int32_t[]) { 1, 2 }, exits);
    ck_assert_int_eq(cg_automaton_builder_state(&t, 3, many, exits, &s, &err), CG_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "test: the automaton needs more than 4 transitions"));
    ck_assert_int_eq(t.n_states, 1);
    ck_assert_int_eq(t.n_transitions, 2);
    ck_assert_int_eq(t.n_head_rows, 2);
    state(2, (int32_t[]) { 1, 3 }, exits);
    ck_assert_int_eq(cg_automaton_builder_state(&t, 1, many, exits, &s, &err), CG_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "test: the automaton needs more than 2 states"));
    ck_assert_int_eq(state(2, (int32_t[]) { 1, 3 }, exits), 1); /* existing states are found */
    ck_assert_int_eq(s, -1);
}
END_TEST

START_TEST(every_state_is_found_by_hash)
{
    int32_t s[1000];

    teardown();
    init(1000, 3000);
    for (int round = 0; round < 2; round++)
        for (int32_t i = 0; i < 1000; i++) {
            int32_t n =
                state(2, (int32_t[]) { i % 30, 30 + i / 30 }, (int32_t[]) { CG_EXIT, CG_EXIT });

            ck_assert_int_eq(round ? s[i] : i, n);
            s[i] = n;
        }
    ck_assert_int_eq(t.n_states, 1000);
}
END_TEST

/* ---- paths ---------------------------------------------------------------------------------- */

/* Is ids[0, n) accepted from s? */
static int accepted(int32_t s, const int32_t *ids, int32_t n)
{
    const cg_automaton *a = &t.automaton;

    for (int32_t i = 0; i < n; i++) {
        int32_t k;

        if (s == CG_EXIT)
            return 0;
        for (k = a->row[s]; k < a->row[s + 1] && a->token[k] != ids[i]; k++)
            ;
        if (k == a->row[s + 1])
            return 0;
        s = a->next[k];
    }
    return s == CG_EXIT;
}

START_TEST(paths_become_the_smallest_automaton)
{
    static const int32_t text[][3] = {
        { 4, 9, 2 }, { 1, 9, 2 }, { 1, 9, 3 }, { 4, 9, 3 }, { 7, 8 }
    };
    cg_path paths[5];
    int32_t s, reordered;

    for (int i = 0; i < 5; i++)
        paths[i] = (cg_path) { text[i], i < 4 ? 3 : 2, CG_EXIT };
    ck_assert_int_eq(cg_automaton_builder_paths(&t, paths, 5, &s, &err), CG_OK);
    /* {2, 3}, {9}, {8}, and the start: 1 and 4 share the rest */
    ck_assert_int_eq(t.n_states, 4);
    ck_assert_int_eq(t.n_transitions, 7);
    for (int i = 0; i < 5; i++)
        ck_assert_msg(accepted(s, text[i], i < 4 ? 3 : 2), "path %d", i);
    ck_assert(!accepted(s, (int32_t[]) { 4, 9 }, 2));
    ck_assert(!accepted(s, (int32_t[]) { 7, 9, 2 }, 3));
    ck_assert_int_eq(t.longest[s], 3);
    /* the same set in another order is the same state */
    for (int i = 0; i < 5; i++)
        paths[i] = (cg_path) { text[4 - i], i ? 3 : 2, CG_EXIT };
    ck_assert_int_eq(cg_automaton_builder_paths(&t, paths, 5, &reordered, &err), CG_OK);
    ck_assert_int_eq(reordered, s);
}
END_TEST

START_TEST(paths_lead_to_states)
{
    int32_t digits = state(2, (int32_t[]) { 10, 11 }, (int32_t[]) { CG_EXIT, CG_EXIT });
    const int32_t plus[] = { 1 }, minus[] = { 2, 3 };
    cg_path paths[] = { { minus, 2, digits }, { plus, 1, CG_EXIT } };
    int32_t s;

    ck_assert_int_eq(cg_automaton_builder_paths(&t, paths, 2, &s, &err), CG_OK);
    ck_assert(accepted(s, (int32_t[]) { 2, 3, 11 }, 3));
    ck_assert(accepted(s, (int32_t[]) { 1 }, 1));
    ck_assert(!accepted(s, (int32_t[]) { 2, 3 }, 2));
}
END_TEST

START_TEST(ambiguous_paths_are_refused)
{
    static const int32_t text[] = { 5, 6, 7 };
    cg_path prefix[] = { { text, 3, CG_EXIT }, { text, 2, CG_EXIT } };
    cg_path twice[] = { { text, 2, CG_EXIT }, { text, 2, CG_EXIT } };
    int32_t s = -1;

    ck_assert_int_eq(cg_automaton_builder_paths(&t, prefix, 2, &s, &err), CG_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "where numbers end"));
    ck_assert_int_eq(cg_automaton_builder_paths(&t, twice, 2, &s, &err), CG_ERR_UNSUPPORTED);
    ck_assert_int_eq(s, -1);
}
END_TEST

START_TEST(a_path_may_be_a_prefix_if_the_next_token_shows_it)
{
    static const int32_t text[] = { 5, 6, 7 };
    int32_t after = state(2, (int32_t[]) { 4, 9 }, (int32_t[]) { CG_EXIT, CG_EXIT });
    cg_path paths[] = { { text, 3, after }, { text, 1, after }, { text, 2, after } };
    cg_path others[] = { { text, 3, CG_EXIT }, { (int32_t[]) { 8 }, 1, CG_EXIT } };
    int32_t s;

    ck_assert_int_eq(cg_automaton_builder_paths(&t, paths, 3, &s, &err), CG_OK);
    ck_assert(accepted(s, (int32_t[]) { 5, 4 }, 2));
    ck_assert(accepted(s, (int32_t[]) { 5, 6, 9 }, 3));
    ck_assert(accepted(s, (int32_t[]) { 5, 6, 7, 4 }, 4));
    ck_assert(!accepted(s, (int32_t[]) { 5, 6, 7 }, 3));
    ck_assert(!accepted(s, (int32_t[]) { 5, 7 }, 2));
    ck_assert_int_eq(t.longest[s], 4);
    for (int32_t i = 0; i < t.n_transitions - 1; i++) /* ascending in every state */
        for (int32_t r = 0; r < t.n_states; r++)
            if (i >= t.row[r] && i + 1 < t.row[r + 1])
                ck_assert_int_lt(t.token[i], t.token[i + 1]);
    ck_assert(cg_paths_have_prefixes(paths, 3));
    ck_assert(!cg_paths_have_prefixes(others, 2));
}
END_TEST

START_TEST(a_prefix_that_the_next_token_does_not_show_is_refused)
{
    static const int32_t text[] = { 5, 6, 7 };
    int32_t after = state(2, (int32_t[]) { 4, 6 }, (int32_t[]) { CG_EXIT, CG_EXIT });
    cg_path paths[] = { { text, 3, after }, { text, 1, after } };
    int32_t s = -1;

    ck_assert_int_eq(cg_automaton_builder_paths(&t, paths, 2, &s, &err), CG_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "where numbers end"));
    ck_assert_int_eq(s, -1);
}
END_TEST

/* ---- programs ------------------------------------------------------------------------------- */

START_TEST(program_is_one_allocation_of_copies)
{
    int32_t exit_state = state(2, (int32_t[]) { 1, 2 }, (int32_t[]) { CG_EXIT, CG_EXIT });
    int32_t longer = state(2, (int32_t[]) { 3, 4 }, (int32_t[]) { exit_state, CG_EXIT });
    int32_t entry[] = { longer, exit_state }, forced_start[] = { 0, 2, 3, 5 };
    int32_t forced_token[] = { 90, 91, 92, 93, 94 };
    cg_program *p = NULL;
    int live = memory.live;

    ck_assert_int_eq(
        cg_automaton_builder_program(&t, 2, entry, forced_start, forced_token, 1, 0, &p, &err),
        CG_OK);
    ck_assert_int_eq(memory.live, live + 1);
    entry[0] = forced_start[1] = forced_token[0] = -7;
    ck_assert_int_eq(p->n_fields, 2);
    ck_assert_int_eq(p->fields_per_atom, 1);
    ck_assert_int_eq(p->n_states, 2);
    ck_assert_int_eq(p->n_transitions, 4);
    ck_assert_int_eq(p->n_head_rows, 4);
    ck_assert_int_eq(p->max_tokens, 5 + 2 + 1);
    ck_assert_int_eq(p->entry[0], longer);
    ck_assert_int_eq(p->entry[1], exit_state);
    ck_assert_int_eq(p->forced_start[1], 2);
    ck_assert_int_eq(p->forced_start[3], 5);
    ck_assert_int_eq(p->forced_token[0], 90);
    ck_assert_int_eq(p->forced_token[4], 94);
    state(1, (int32_t[]) { 60 }, (int32_t[]) { longer });
    ck_assert_int_eq(p->n_states, 2); /* not the builder's later count */
    cg_host_free(&host, p);
}
END_TEST

START_TEST(unbounded_fields_use_the_bound)
{
    int32_t loop = state(2, (int32_t[]) { 1, 2 }, (int32_t[]) { CG_BUILDER_SELF, CG_EXIT });
    const int32_t forced_start[] = { 0, 3, 3 }, forced_token[] = { 7, 8, 9 };
    cg_program *p = NULL;

    ck_assert_int_eq(
        cg_automaton_builder_program(&t, 1, &loop, forced_start, forced_token, 0, 500, &p, &err),
        CG_OK);
    ck_assert_int_eq(p->max_tokens, 503);
    cg_host_free(&host, p);
    p = NULL;
    ck_assert_int_eq(cg_automaton_builder_program(&t, 1, &loop, forced_start, forced_token, 0,
                                                  INT32_MAX, &p, &err),
                     CG_ERR_LIMIT);
    ck_assert_ptr_null(p);
}
END_TEST

/* ---- memory --------------------------------------------------------------------------------- */

START_TEST(sizes_are_checked)
{
    unsigned char *zeroed = cg_host_zalloc(&host, 3, 5);

    for (int i = 0; i < 15; i++)
        ck_assert_uint_eq(zeroed[i], 0);
    cg_host_free(&host, zeroed);
    cg_host_free(&host, NULL);
    ck_assert_ptr_null(cg_host_zalloc(&host, SIZE_MAX / 4 + 2, 4));
}
END_TEST

START_TEST(every_failed_allocation_is_survived)
{
    static const int32_t text[][2] = { { 1, 2 }, { 1, 3 }, { 4, 5 } };
    const int32_t forced_start[] = { 0, 0, 0 };
    int succeeded = 0;

    teardown();
    for (int k = 0; k < 100 && !succeeded; k++) {
        cg_path paths[3];
        cg_program *p = NULL;
        cg_status st;
        int32_t s;

        memory = (struct memory) { 0, k };
        st = cg_automaton_builder_init(&t, "test", &host, 100, 64, 256, &err);
        if (st == CG_OK) {
            for (int i = 0; i < 3; i++)
                paths[i] = (cg_path) { text[i], 2, CG_EXIT };
            st = cg_automaton_builder_paths(&t, paths, 3, &s, &err);
            if (st == CG_OK)
                st = cg_automaton_builder_program(&t, 1, &s, forced_start, NULL, 1, 0, &p, &err);
            cg_host_free(&host, p);
            cg_automaton_builder_finish(&t);
        }
        ck_assert_int_eq(memory.live, 0);
        ck_assert_msg(st == CG_OK || st == CG_ERR_NOMEM, "allocation %d: %d", k, st);
        succeeded = st == CG_OK;
    }
    ck_assert(succeeded);
    setup();
}
END_TEST

/* ---- formats and literals ------------------------------------------------------------------ */

/* One token a byte; "<end>" is token 99. */
static cg_status encode_bytes(const void *ctx, const char *text, uint32_t len, int32_t *ret_ids,
                              cg_range *ret_ranges, int32_t cap, int32_t *ret_n, cg_error *e)
{
    *ret_n = len == 5 && !memcmp(text, "<end>", 5) ? 1 : (int32_t)len;
    if (*ret_n > cap)
        return cg_fail(e, CG_ERR_LIMIT, "%d tokens", *ret_n);
    for (int32_t i = 0; i < *ret_n; i++)
        ret_ids[i] = *ret_n == 1 ? 99 : text[i];
    return CG_OK;
}

static const cg_vocabulary vocabulary = { CG_SIZED(cg_vocabulary), .n_tokens = 100,
                                          .encode = encode_bytes };

static const char *const listed[] = { "1", "22" };
static const char *const with_empty[] = { "1", "" };
static const char *const with_null[] = { "1", NULL };

static const struct {
    cg_text_format format;
    cg_status status;
    int32_t stop;
    const char *text;
} formats[] = {
    { { .decimals = 3, .max_integer_digits = 2, .begin = "b", .end = "e", .stop = "<end>" },
      CG_OK,
      99,
      "" },
    { { .decimals = 5, .max_integer_digits = 4, .begin = "", .end = "", .stop = "" },
      CG_OK,
      -1,
      "" },
    { { .decimals = 0, .max_integer_digits = 2, .begin = "", .end = "", .stop = "" },
      CG_ERR_UNSUPPORTED,
      0,
      "max_integer_digits 2 (supported: 1 to 4) and decimals 0 (1 to 5)" },
    { { .decimals = 6, .max_integer_digits = 2, .begin = "", .end = "", .stop = "" },
      CG_ERR_UNSUPPORTED,
      0,
      "max_integer_digits 2 (supported: 1 to 4) and decimals 6 (1 to 5)" },
    { { .decimals = 3, .max_integer_digits = 5, .begin = "", .end = "", .stop = "" },
      CG_ERR_UNSUPPORTED,
      0,
      "max_integer_digits 5 (supported: 1 to 4)" },
    { { .decimals = 3, .max_integer_digits = 2, .begin = "", .end = NULL, .stop = "" },
      CG_ERR_UNSUPPORTED,
      0,
      "without its texts" },
    { { .decimals = 3, .max_integer_digits = 2, .begin = "", .end = "", .stop = "two" },
      CG_ERR_UNSUPPORTED,
      0,
      "'two' is not one token" },
    { { CG_SIZED(cg_text_format), .begin = "", .end = "", .stop = "", .numbers = listed,
        .n_numbers = 2 },
      CG_OK,
      -1,
      "" },
    { { CG_SIZED(cg_text_format), .begin = "", .end = "", .stop = "", .numbers = listed },
      CG_ERR_UNSUPPORTED,
      0,
      "lists 0 numbers; 1 to 65536" },
    { { CG_SIZED(cg_text_format), .begin = "", .end = "", .stop = "", .numbers = with_empty,
        .n_numbers = 2 },
      CG_ERR_UNSUPPORTED,
      0,
      "listed number 1 has 0 bytes; 1 to 47" },
    { { CG_SIZED(cg_text_format), .begin = "", .end = "", .stop = "", .numbers = with_null,
        .n_numbers = 2 },
      CG_ERR_UNSUPPORTED,
      0,
      "listed number 1 has 0 bytes" },
    { { CG_SIZED(cg_text_format), .begin = "", .end = "", .stop = "", .numbers = listed,
        .n_numbers = 2, .fields_per_literal = 2 },
      CG_ERR_UNSUPPORTED,
      0,
      "2 numbers between two literals, wanted 3 or 1" },
    { { CG_SIZED(cg_text_format), .decimals = 3, .max_integer_digits = 2, .begin = "", .end = "",
        .stop = "",
        .separator = "0123456789012345678901234567890123456789012345678901234567890123" },
      CG_ERR_UNSUPPORTED,
      0,
      "separator of numbers has 64 bytes, wanted at most 63" },
};

START_TEST(formats_are_checked)
{
    int32_t stop = -5;

    ck_assert_int_eq(
        cg_constraint_check_format("us", &host, &vocabulary, &formats[_i].format, &stop, &err),
        formats[_i].status);
    if (formats[_i].status == CG_OK) {
        ck_assert_int_eq(stop, formats[_i].stop);
    } else {
        ck_assert_msg(strstr(err.msg, formats[_i].text) && !strncmp(err.msg, "us: ", 4), "%s",
                      err.msg);
        ck_assert_int_eq(stop, -5);
    }
}
END_TEST

START_TEST(members_that_older_hosts_lack_have_defaults)
{
    cg_text_format format = { .struct_size = offsetof(cg_text_format, fields_per_literal),
                              .fields_per_literal = 9,
                              .strip_zeros = 1,
                              .separator = ";",
                              .numbers = listed,
                              .n_numbers = 2 };
    cg_constraint_numbers n = cg_constraint_numbers_of(&format);

    ck_assert(n.fields_per_literal == 3 && !n.strip_zeros && !n.listed && !n.n_listed);
    ck_assert_str_eq(n.separator, ",");
    format.struct_size = sizeof format;
    n = cg_constraint_numbers_of(&format);
    ck_assert(n.fields_per_literal == 9 && n.listed == listed && n.n_listed == 2);
    ck_assert_int_eq(n.strip_zeros, 0); /* listed numbers are written as they are */
    ck_assert_str_eq(n.separator, ";");
    format = (cg_text_format) { CG_SIZED(cg_text_format), .strip_zeros = 1 };
    n = cg_constraint_numbers_of(&format);
    ck_assert(n.fields_per_literal == 3 && n.strip_zeros && !n.listed);
    ck_assert_str_eq(n.separator, ",");
}
END_TEST

START_TEST(literals_are_checked)
{
    const cg_range good[] = { { 0, 4 }, { 4, 4 }, { 4, 9 } }, torn[] = { { 0, 4 }, { 5, 9 } };
    const cg_range back[] = { { 3, 0 }, { 0, 3 } }, huge[] = { { 0, 4 }, { 4, UINT32_MAX } };
    const struct {
        int32_t n_atoms;
        const cg_range *literal;
        cg_status status;
    } cases[] = { { 2, good, CG_OK },
                  { 0, good, CG_ERR_INPUT },
                  { -1, good, CG_ERR_INPUT },
                  { 1, torn, CG_ERR_INPUT },
                  { 1, back, CG_ERR_INPUT },
                  { 1, huge, CG_ERR_INPUT },
                  { INT32_MAX, good, CG_ERR_INPUT } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cg_literals text = { CG_SIZED(cg_literals), cases[i].n_atoms, "", cases[i].literal };

        ck_assert_msg(cg_constraint_check_literals("us", &host, &text, &err) == cases[i].status,
                      "case %zu", i);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("automaton builder");
    TCase *tables = tcase_create("tables"), *checks = tcase_create("checks");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tables, setup, teardown);
    tcase_add_test(tables, equal_states_are_one);
    tcase_add_test(tables, head_rows_are_for_sampled_tokens);
    tcase_add_test(tables, equal_loops_are_one);
    tcase_add_test(tables, full_tables_are_unchanged);
    tcase_add_test(tables, every_state_is_found_by_hash);
    tcase_add_test(tables, paths_become_the_smallest_automaton);
    tcase_add_test(tables, paths_lead_to_states);
    tcase_add_test(tables, ambiguous_paths_are_refused);
    tcase_add_test(tables, a_path_may_be_a_prefix_if_the_next_token_shows_it);
    tcase_add_test(tables, a_prefix_that_the_next_token_does_not_show_is_refused);
    tcase_add_test(tables, program_is_one_allocation_of_copies);
    tcase_add_test(tables, unbounded_fields_use_the_bound);
    tcase_add_test(tables, sizes_are_checked);
    tcase_add_test(tables, every_failed_allocation_is_survived);
    suite_add_tcase(suite, tables);
    tcase_add_loop_test(checks, formats_are_checked, 0, sizeof formats / sizeof *formats);
    tcase_add_test(checks, members_that_older_hosts_lack_have_defaults);
    tcase_add_test(checks, literals_are_checked);
    suite_add_tcase(suite, checks);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
