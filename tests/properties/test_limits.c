/* SPDX-License-Identifier: MIT */
/*
 * Limits of the grammar plugin: an unlimited number of distinct literals is compiled in bounded
 * memory; a literal that is too long is refused; 4 integer digits and 5 decimals are supported.
 *
 *     test_limits PLUGIN.so
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/byte_vocabulary.h"
#include "plugin/host.h"
#include "plugin/registry.h"
#include "tables_check.h"

enum {
    LITERAL = 4000,    /* bytes of a literal between two atoms */
    LITERALS = 4200,   /* distinct ones: more than the plugin caches */
    MEMORY = 96 << 20, /* bytes, ample for the tables and the cache */
};

static const char *plugin_path;
static cg_plugin_host base;
static int64_t live; /* bytes */

static void *counted_alloc(void *ctx, size_t bytes)
{
    size_t *p = base.host.alloc(base.host.ctx, bytes + 64);

    if (!p)
        return NULL;
    *p = bytes;
    live += (int64_t)bytes;
    return (char *)p + 64;
}

static void counted_free(void *ctx, void *ptr)
{
    if (!ptr)
        return;
    live -= (int64_t) * (size_t *)((char *)ptr - 64);
    base.host.free(base.host.ctx, (char *)ptr - 64);
}

static cg_host host;
static cg_registry *registry;
static cg_vocabulary *vocabulary;
static const cg_constraint_ops *ops;
static cg_text_format format;
static void *self;
static cg_error err;

static void setup(void)
{
    const cg_plugin *plugin = NULL;

    err = (cg_error)CG_ERROR_INIT;
    live = 0;
    cg_plugin_host_init(&base, NULL, NULL, NULL, CG_LOG_WARNING);
    host = base.host;
    host.alloc = counted_alloc;
    host.free = counted_free;
    ck_assert_int_eq(cg_registry_create(&base.host, &registry, &err), CG_OK);
    ck_assert_msg(cg_registry_add_file(registry, plugin_path, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(cg_registry_find(registry, CG_PLUGIN_CONSTRAINT, "grammar", &plugin, &err),
                     CG_OK);
    ops = plugin->ops;
    vocabulary = byte_vocabulary_create(&base.host);
    ck_assert_ptr_nonnull(vocabulary);
    format = (cg_text_format) {
        CG_SIZED(cg_text_format), .decimals = 3,         .max_integer_digits = 2,
        .begin = "[CONFORMER]",   .end = "[/CONFORMER]", .stop = "<|endoftext|>",
    };
}

static void create(void)
{
    ck_assert_msg(ops->create(&host, vocabulary, &format, &self, &err) == CG_OK, "%s", err.msg);
}

static void teardown(void)
{
    ops->destroy(self);
    ck_assert_int_eq(live, 0);
    base.host.free(base.host.ctx, vocabulary);
    cg_registry_destroy(registry);
    self = NULL;
}

/* Compiles two atoms with a literal of `len` bytes between them that encodes `number`. */
static cg_status compile(uint32_t len, int number, cg_program **ret)
{
    char *text = malloc(len + 16);
    cg_range literal[3];
    cg_literals t = { CG_SIZED(cg_literals), .n_atoms = 2, .text = text, .literal = literal };
    cg_status st;

    ck_assert_ptr_nonnull(text);
    strcpy(text, "[C]<");
    memset(text + 4, 'x', len);
    text[4] = '>';
    for (int i = 0; number; i++, number /= 26)
        text[5 + i] = (char)('a' + number % 26);
    strcpy(text + 4 + len - 1, "<>");
    literal[0] = (cg_range) { 0, 4 };
    literal[1] = (cg_range) { 4, 4 + len };
    literal[2] = (cg_range) { 4 + len, 5 + len };
    st = ops->compile(self, &t, ret, &err);
    free(text);
    return st;
}

START_TEST(distinct_literals_take_bounded_memory)
{
    cg_program *first = NULL, *again = NULL, *last = NULL, *twice = NULL;

    create();
    ck_assert_int_eq(compile(LITERAL, 1, &first), CG_OK);
    for (int i = 2; i < LITERALS; i++) {
        cg_program *p = NULL;

        ck_assert_msg(compile(LITERAL, i, &p) == CG_OK, "text %d: %s", i, err.msg);
        ck_assert_msg(live < MEMORY, "text %d: %lld bytes", i, (long long)live);
        ops->release(self, p);
    }
    ck_assert_int_gt(live, MEMORY / 2); /* otherwise nothing was tested */
    ck_assert_int_eq(compile(LITERAL, 1, &again), CG_OK);
    ck_assert(tables_same(ops->automaton(self), first, ops->automaton(self), again));
    ck_assert_int_eq(compile(LITERAL, LITERALS, &last), CG_OK);
    ck_assert_int_eq(compile(LITERAL, LITERALS, &twice), CG_OK);
    ck_assert(tables_same(ops->automaton(self), last, ops->automaton(self), twice));
    ck_assert(!tables_same(ops->automaton(self), last, ops->automaton(self), first));
    ops->release(self, first);
    ops->release(self, again);
    ops->release(self, last);
    ops->release(self, twice);
}
END_TEST

START_TEST(a_literal_that_is_too_long_is_refused)
{
    cg_program *p = NULL;

    create();
    ck_assert_int_eq(compile(4096, 1, &p), CG_OK);
    ops->release(self, p);
    p = NULL;
    ck_assert_int_eq(compile(4097, 1, &p), CG_ERR_LIMIT);
    ck_assert_ptr_null(p);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "4097 bytes of SMILES text beside atom 2, wanted at most 4096"));
    ck_assert_int_eq(compile(20, 2, &p), CG_OK); /* others still compile */
    ops->release(self, p);
}
END_TEST

START_TEST(the_longest_numbers_are_supported)
{
    tables_facts facts = { .vocabulary = vocabulary };
    cg_program *p = NULL;

    format.decimals = 5;
    format.max_integer_digits = 4;
    create();
    facts.automaton = ops->automaton(self);
    ck_assert_int_eq(compile(20, 1, &p), CG_OK);
    ck_assert_msg(tables_learn(&facts, p, 2), "%s", facts.text);
    for (int32_t f = 0; f < p->n_fields; f++)
        ck_assert_uint_eq(facts.paths[p->entry[f]], 2 * 1000000000ull - 1);
    tables_facts_finish(&facts);
    ops->release(self, p);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("limits of grammar");
    TCase *tcase = tcase_create("limits");
    SRunner *runner;
    int failed;

    if (argc != 2)
        return 2;
    plugin_path = argv[1];
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, distinct_literals_take_bounded_memory);
    tcase_add_test(tcase, a_literal_that_is_too_long_is_refused);
    tcase_add_test(tcase, the_longest_numbers_are_supported);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
