/* SPDX-License-Identifier: MIT */
/*
 * The helpers of the headers for structs of another minor: cg_fill_struct(), cg_cache_view(),
 * cg_cache_get_stats(), CG_HAS().
 */
#include <check.h>
#include <confgen/cache.h>
#include <stdlib.h>

enum { SMALL = 24, LARGE = 40, FILLER = 0xa5 };

struct small {
    uint32_t struct_size, a;
    uint64_t b;
    const char *text;
};

struct large {
    uint32_t struct_size, a;
    uint64_t b;
    const char *text;
    uint64_t c, d;
};

/* Fills a struct of `room` bytes in memory of the same size. */
static unsigned char *fill(uint32_t room, const void *from)
{
    unsigned char *ret = malloc(room);

    memset(ret, FILLER, room);
    memcpy(ret, &room, sizeof room);
    cg_fill_struct(ret, from);
    ck_assert_mem_eq(ret, &room, sizeof room);
    return ret;
}

START_TEST(the_callers_struct_is_filled)
{
    struct large from = { sizeof from, 1, 2, "text", 3, 4 };
    const char zeros[LARGE] = { 0 };

    for (uint32_t room = 4; room <= 2 * LARGE; room++) {
        unsigned char *ret = fill(room, &from);
        size_t n = room < LARGE ? room : LARGE;

        ck_assert_mem_eq(ret + 4, (const char *)&from + 4, n - 4);
        ck_assert_mem_eq(ret + n, zeros, room - n);
        free(ret);
    }
}
END_TEST

START_TEST(a_longer_struct_is_cleared_behind_a_shorter_one)
{
    struct small from = { sizeof from, 1, 2, "text" };
    struct large *ret = (struct large *)fill(sizeof *ret, &from);

    ck_assert_uint_eq(ret->b, 2);
    ck_assert_ptr_eq(ret->text, from.text);
    ck_assert_uint_eq(ret->c + ret->d, 0);
    free(ret);
}
END_TEST

START_TEST(members_are_there_or_not)
{
    struct large s = { sizeof s, 1, 2, "text", 3, 4 };

    ck_assert(CG_HAS(&s, text) && CG_HAS_SIZE(&s, d));
    s.struct_size = SMALL;
    ck_assert(CG_HAS(&s, text) && !CG_HAS_SIZE(&s, c));
    s.struct_size = SMALL - 1;
    ck_assert(!CG_HAS(&s, text) && CG_HAS_SIZE(&s, b));
    s.struct_size = sizeof s;
    s.text = NULL;
    ck_assert(!CG_HAS(&s, text));
}
END_TEST

/* ---- caches of other minors ----------------------------------------------------------------- */

/* How a plugin fills a result: the bytes that it writes, and the struct_size that it leaves. */
static const struct style {
    uint32_t written;
    int64_t struct_size; /* -1: the host's */
} styles[] = {
    { offsetof(cg_kv_view, v_head_dim), offsetof(cg_kv_view, v_head_dim) }, /* 1.0 and 1.1 */
    { offsetof(cg_kv_view, v_head_dim), -1 },                               /* member by member */
    { offsetof(cg_kv_view, v_head_dim), 0 },                                /* forgotten */
    { sizeof(cg_kv_view), sizeof(cg_kv_view) },                             /* this minor */
    { sizeof(cg_kv_view), -1 },
    { CG_CACHE_RESULT_ROOM, CG_CACHE_RESULT_ROOM }, /* a newer one */
    { CG_CACHE_RESULT_ROOM, 0 },
};
enum { N_STYLES = sizeof styles / sizeof styles[0] };

static void write_result(const struct style *s, uint32_t known, void *ret)
{
    uint32_t size;

    memcpy(&size, ret, sizeof size);
    ck_assert_uint_eq(size, known);
    memset(ret, FILLER, s->written);
    if (s->struct_size >= 0)
        size = (uint32_t)s->struct_size;
    memcpy(ret, &size, sizeof size);
}

static cg_status view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    ck_assert_int_eq(layer, 3);
    if (!self) {
        err->code = CG_ERR_USAGE;
        return CG_ERR_USAGE;
    }
    write_result(self, sizeof *ret_view, ret_view);
    return CG_OK;
}

static void stats(const void *self, cg_cache_stats *ret_stats)
{
    struct style s = *(const struct style *)self;

    if (s.written < CG_CACHE_RESULT_ROOM)
        s.written = sizeof *ret_stats;
    write_result(&s, sizeof *ret_stats, ret_stats);
}

START_TEST(results_of_caches_are_of_the_hosts_minor)
{
    const cg_cache_ops ops = { CG_SIZED(cg_cache_ops), .view = view, .stats = stats };
    const uint32_t old = offsetof(cg_kv_view, v_head_dim);
    struct style s = styles[_i];
    cg_error err = CG_ERROR_INIT;
    cg_kv_view *v = malloc(sizeof *v);
    cg_cache_stats *st = malloc(sizeof *st);
    const unsigned char *bytes = (const unsigned char *)v;
    uint32_t newest = s.written < sizeof *v ? s.written : sizeof *v;

    if (s.written > old && s.struct_size == 0)
        newest = old; /* the plugin's minor is not known */
    ck_assert_int_eq(cg_cache_view(&ops, &s, 3, v, &err), CG_OK);
    ck_assert_uint_eq(v->struct_size, sizeof *v);
    for (uint32_t i = 4; i < sizeof *v; i++)
        ck_assert_msg(bytes[i] == (i < newest ? FILLER : 0), "byte %u is %u", i, bytes[i]);
    cg_cache_get_stats(&ops, &s, st);
    ck_assert_uint_eq(st->struct_size, sizeof *st);
    bytes = (const unsigned char *)st;
    for (uint32_t i = 4; i < sizeof *st; i++)
        ck_assert_uint_eq(bytes[i], FILLER);
    free(v);
    free(st);
}
END_TEST

START_TEST(a_failed_view_is_unchanged)
{
    const cg_cache_ops ops = { CG_SIZED(cg_cache_ops), .view = view };
    cg_kv_view v = { CG_SIZED(cg_kv_view), .head_dim = 7 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_cache_view(&ops, NULL, 3, &v, &err), CG_ERR_USAGE);
    ck_assert_int_eq(v.head_dim, 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("structs");
    TCase *tc = tcase_create("structs");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, the_callers_struct_is_filled);
    tcase_add_test(tc, a_longer_struct_is_cleared_behind_a_shorter_one);
    tcase_add_test(tc, members_are_there_or_not);
    tcase_add_loop_test(tc, results_of_caches_are_of_the_hosts_minor, 0, N_STYLES);
    tcase_add_test(tc, a_failed_view_is_unchanged);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
