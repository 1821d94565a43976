/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin_dir.h"
#include "plugin/host.h"
#include "plugin/loader.h"
#include "plugin/pairing.h"
#include "plugin/registry.h"

#undef fail /* a macro of Check, and a member of cg_host */

static cg_plugin_host host;
static char log_text[256];

static void keep_line(void *ctx, int32_t level, const char *text)
{
    (void)ctx;
    (void)level;
    strncpy(log_text, text, sizeof log_text - 1);
}

static cg_registry *registry_of_built_plugins(void)
{
    cg_error err = CG_ERROR_INIT;
    cg_registry *r = NULL;

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    ck_assert_int_eq(cg_registry_create(&host.host, &r, &err), CG_OK);
    ck_assert_msg(cg_registry_add_dir(r, built_plugin_dir(), &err) == CG_OK, "%s", err.msg);
    return r;
}

struct sum {
    const cg_host *host;
    int64_t items[1000];
};

static void add_item(void *arg, int64_t i, int32_t worker)
{
    struct sum *s = arg;

    ck_assert_int_ge(worker, 0);
    ck_assert_int_lt(worker, s->host->workers);
    s->items[i] += i;
}

START_TEST(host_services_work)
{
    cg_error err = CG_ERROR_INIT;
    struct sum s = { .host = &host.host };
    cg_team *team = NULL;
    void *p;

    log_text[0] = '\0'; /* without CK_FORK the process is shared */
    ck_assert_int_eq(cg_team_create(_i + 1, &team, &err), CG_OK);
    cg_plugin_host_init(&host, _i ? team : NULL, keep_line, NULL, CG_LOG_WARNING);
    ck_assert(cg_host_is_complete(&host.host));
    ck_assert(!cg_host_is_complete(NULL));
    ck_assert_int_eq(host.host.workers, _i + 1);
    for (size_t bytes = 0; bytes < (size_t)40 << 20; bytes = bytes * 7 + 1) {
        p = host.host.alloc(host.host.ctx, bytes);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        memset(p, 1, bytes);
        host.host.free(host.host.ctx, p);
    }
    ck_assert_ptr_null(host.host.alloc(host.host.ctx, SIZE_MAX));
    host.host.free(host.host.ctx, NULL);
    host.host.parallel_for(host.host.ctx, 1000, add_item, &s);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(s.items[i], i);
    host.host.log(host.host.ctx, CG_LOG_INFO, "above the level");
    ck_assert_str_eq(log_text, "");
    host.host.log(host.host.ctx, CG_LOG_WARNING, "at the level");
    ck_assert_str_eq(log_text, "at the level");
    ck_assert_int_eq(host.host.fail(&err, CG_ERR_IO, "%d of %s", 7, "nine"), CG_ERR_IO);
    ck_assert_str_eq(err.msg, "7 of nine");
    ck_assert_int_eq(cg_host_abi_minor(&host.host), CG_PLUGIN_ABI_MINOR);
    ck_assert_str_eq(host.host.query(host.host.ctx, CG_HOST_RELEASE), CG_VERSION_STRING);
    ck_assert_ptr_null(host.host.query(host.host.ctx, "confgen.weather"));
    host.host.struct_size = offsetof(cg_host, abi_minor); /* a host of 1.1 */
    ck_assert_int_eq(cg_host_abi_minor(&host.host), 0);
    cg_team_destroy(team);
}
END_TEST

START_TEST(registry_lists_and_finds)
{
    static const char *const names[] = {
#ifdef WITH_CUDNN
        "cudnn",
#endif
        "eager",   "efficient", "flash",
#ifdef WITH_HOPPER
        "hopper",
#endif
        "dynamic", "paged",     "static",
    };
    enum { N_NAMES = sizeof names / sizeof *names };
    cg_registry *r = registry_of_built_plugins();
    const cg_registry_entry *entries;
    const cg_registry_refusal *refusals;
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *plugin = NULL;
    int32_t n = cg_registry_entries(r, &entries), seen = 0;

    /* confgen's plugins in this order; constraints may follow */
    ck_assert_int_ge(n, N_NAMES);
    for (int32_t i = 0; i < N_NAMES; i++, seen++)
        ck_assert_str_eq(entries[i].plugin->name, names[i]);
    for (int32_t i = N_NAMES; i < n; i++)
        ck_assert_int_eq(entries[i].plugin->kind, CG_PLUGIN_CONSTRAINT);
    ck_assert_int_eq(cg_registry_refusals(r, &refusals), 0);
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_CACHE, "paged", &plugin, &err), CG_OK);
    ck_assert_ptr_eq(plugin, entries[N_NAMES - 2].plugin);
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_CACHE, "flash", &plugin, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg,
                     "cache 'flash': no such plugin: 'flash' is an attention plugin; there "
                     "are: dynamic, paged, static; aliases: fp8, int8, window");
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_CACHE, "int8", &plugin, &err), CG_OK);
    ck_assert_str_eq(plugin->name, "paged");
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_ATTENTION, "flash_attention_2", &plugin, &err),
                     CG_OK);
    ck_assert_str_eq(plugin->name, "flash");
    /* a second scan loads nothing: every file is known */
    ck_assert_int_eq(cg_registry_add_dir(r, built_plugin_dir(), &err), CG_OK);
    ck_assert_int_eq(cg_registry_entries(r, &entries), n);
    cg_registry_destroy(r);
    cg_registry_destroy(NULL);
}
END_TEST

START_TEST(registry_reads_the_path_variable)
{
    cg_registry *r = NULL;
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *plugin = NULL;
    char path[2048];

    cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
    snprintf(path, sizeof path, "::%s:%s", built_plugin_dir(), built_plugin_dir());
    ck_assert_int_eq(setenv("CONFGEN_PLUGIN_PATH", path, 1), 0);
    ck_assert_msg(cg_registry_open(&host.host, NULL, 0, &r, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_ATTENTION, "flash", &plugin, &err), CG_OK);
    cg_registry_destroy(r);
}
END_TEST

static cg_attention_problem make_problem(void)
{
    return (cg_attention_problem) {
        CG_SIZED(cg_attention_problem),
        .n_heads = 8,
        .n_kv_heads = 4,
        .head_dim = 64,
        .max_tokens = 64,
        .max_seqs = 16,
        .max_kv_len = 300,
        .scale = 0.125f,
        .flags = CG_ATTENTION_BATCH_INVARIANT,
    };
}

static cg_cache_config make_config(void)
{
    return (cg_cache_config) {
        CG_SIZED(cg_cache_config), .n_layers = 2,  .n_slots = 16,
        .n_kv_heads = 4,           .head_dim = 64, .max_len = 300,
    };
}

static void find_pair(const cg_registry *r, const char *attention, const char *cache,
                      const cg_plugin **ret_attention, const cg_plugin **ret_cache)
{
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_ATTENTION, attention, ret_attention, &err),
                     CG_OK);
    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_CACHE, cache, ret_cache, &err), CG_OK);
}

START_TEST(all_own_pairs_match)
{
    static const char *const attentions[] = { "eager", "efficient", "flash" };
    cg_attention_problem problem = make_problem();
    cg_cache_config config = make_config();
    cg_registry *r = registry_of_built_plugins();
    cg_pairing *cells = NULL;
    cg_error err = CG_ERROR_INIT;
    int32_t n = 0, first = 0;

    ck_assert_int_eq(cg_pairing_matrix(r, &host.host, &problem, 1, &config, &cells, &n, &err),
                     CG_OK);
#ifdef WITH_CUDNN
    for (; first < 3 && first < n; first++) {
        ck_assert_str_eq(cells[first].attention->name, "cudnn");
        ck_assert_int_eq(cells[first].status, CG_ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(
            strstr(cells[first].reason, "cudnn needs CUDA, but the device is cpu"));
    }
#endif
#ifdef WITH_HOPPER
    ck_assert_int_eq(n, first + 9 + 3);
    for (int32_t i = first + 9; i < n; i++) {
        ck_assert_str_eq(cells[i].attention->name, "hopper");
        ck_assert_int_eq(cells[i].status, CG_ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(cells[i].reason, "hopper needs cuda, but the device is cpu"));
    }
#else
    ck_assert_int_eq(n, first + 9);
#endif
    for (int32_t i = first; i < first + 9; i++) {
        ck_assert_msg(cells[i].status == CG_OK, "%s", cells[i].reason);
        ck_assert_str_eq(cells[i].reason, "");
        ck_assert_str_eq(cells[i].attention->name, attentions[(i - first) / 3]);
    }
    cg_pairing_matrix_free(cells, n);
    cg_pairing_matrix_free(NULL, 0);
    cg_registry_destroy(r);
}
END_TEST

static cg_status supports_no_window(const cg_host *h, const cg_attention_problem *p, cg_error *err)
{
    return p->window ? h->fail(err, CG_ERR_UNSUPPORTED, "a window of %d tokens", p->window) : CG_OK;
}

/* A model with windows in some layers has two problems; a plugin must serve both. */
START_TEST(every_problem_of_a_model_is_checked)
{
    static const cg_attention_ops ops = { CG_SIZED(cg_attention_ops),
                                          .supports = supports_no_window };
    static const cg_plugin full = { CG_SIZED(cg_plugin), .kind = CG_PLUGIN_ATTENTION,
                                    .name = "full", .ops = &ops };
    cg_attention_problem problems[2] = { make_problem(), make_problem() }, filled[2];
    cg_cache_config config = make_config();
    cg_registry *r = registry_of_built_plugins();
    const cg_plugin *attention = NULL, *cache = NULL;
    cg_error err = CG_ERROR_INIT;

    problems[1].window = 24;
    find_pair(r, "flash", "paged", &attention, &cache);
    ck_assert_int_eq(
        cg_pairing_check(&host.host, attention, cache, problems, 2, &config, filled, &err), CG_OK);
    ck_assert(filled[0].paged && filled[1].paged && filled[1].window == 24);
    ck_assert_int_eq(cg_pairing_check(&host.host, &full, cache, problems, 1, &config, NULL, &err),
                     CG_OK);
    ck_assert_int_eq(cg_pairing_check(&host.host, &full, cache, problems, 2, &config, NULL, &err),
                     CG_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.msg, "attention 'full': a window of 24 tokens");
    cg_registry_destroy(r);
}
END_TEST

static cg_status supports_any_problem(const cg_host *h, const cg_attention_problem *p,
                                      cg_error *err)
{
    (void)h;
    (void)p;
    (void)err;
    return CG_OK;
}

static cg_status supports_any_cache(const cg_host *h, const cg_cache_config *c, cg_error *err)
{
    (void)h;
    (void)c;
    (void)err;
    return CG_OK;
}

/* A plugin gets a feature only if its operation table is long enough to declare it, and does. */
START_TEST(features_that_a_plugin_does_not_declare_are_refused)
{
    cg_attention_ops attention_ops = { CG_SIZED(cg_attention_ops),
                                       .supports = supports_any_problem };
    cg_cache_ops cache_ops = { CG_SIZED(cg_cache_ops), .supports = supports_any_cache };
    const cg_plugin attention = { CG_PLUGIN_HEADER(CG_PLUGIN_ATTENTION), .name = "full",
                                  .ops = &attention_ops };
    const cg_plugin cache = { CG_PLUGIN_HEADER(CG_PLUGIN_CACHE), .name = "flat",
                              .ops = &cache_ops };
    cg_error err = CG_ERROR_INIT;

    for (int bit = 0; bit < 32; bit++) {
        cg_attention_problem problem = make_problem();
        cg_cache_config config = make_config();

        cg_plugin_host_init(&host, NULL, NULL, NULL, 0);
        problem.features = 1u << bit;
        attention_ops.struct_size = sizeof attention_ops;
        attention_ops.features = 1u << bit;
        ck_assert_int_eq(
            cg_pairing_check(&host.host, &attention, &cache, &problem, 1, &config, NULL, &err),
            CG_OK);
        attention_ops.features = ~(1u << bit);
        ck_assert_int_eq(
            cg_pairing_check(&host.host, &attention, &cache, &problem, 1, &config, NULL, &err),
            CG_ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(err.msg, "attention 'full' (plugin ABI 1."));
        attention_ops.features = 1u << bit; /* behind the end of a table of 1.1 */
        attention_ops.struct_size = offsetof(cg_attention_ops, features);
        ck_assert_int_eq(
            cg_pairing_check(&host.host, &attention, &cache, &problem, 1, &config, NULL, &err),
            CG_ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(err.msg, "does not have the feature \""));

        problem.features = 0;
        config.features = 1u << bit;
        cache_ops.struct_size = sizeof cache_ops;
        cache_ops.features = 1u << bit;
        ck_assert_int_eq(
            cg_pairing_check(&host.host, &attention, &cache, &problem, 1, &config, NULL, &err),
            CG_OK);
        cache_ops.struct_size = offsetof(cg_cache_ops, kv_layout);
        ck_assert_int_eq(
            cg_pairing_check(&host.host, &attention, &cache, &problem, 1, &config, NULL, &err),
            1u << bit == CG_CACHE_WINDOW ? CG_OK : CG_ERR_UNSUPPORTED); /* a window is an offer */
        ck_assert_ptr_nonnull(strstr(err.msg, 1u << bit == CG_CACHE_WINDOW
                                                  ? "does not have the feature"
                                                  : "cache 'flat' (plugin ABI 1."));
        cache_ops.features = 0;
    }
}
END_TEST

START_TEST(refused_match_has_a_reason)
{
    cg_attention_problem problem = make_problem(), filled;
    cg_cache_config config = make_config();
    cg_registry *r = registry_of_built_plugins();
    const cg_plugin *attention = NULL, *cache = NULL;
    cg_error err = CG_ERROR_INIT;

    find_pair(r, "flash", "paged", &attention, &cache);
    ck_assert_int_eq(
        cg_pairing_check(&host.host, attention, cache, &problem, 1, &config, &filled, &err), CG_OK);
    ck_assert_int_eq(filled.paged, 1);
    ck_assert_int_eq(filled.block_tokens, 16);

    problem.head_dim = config.head_dim = 600;
    ck_assert_int_eq(
        cg_pairing_check(&host.host, attention, cache, &problem, 1, &config, NULL, &err),
        CG_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.msg, "attention 'flash': head size 600, wanted at most 576");

    config.head_dim = 64;
    ck_assert_int_eq(
        cg_pairing_check(&host.host, attention, cache, &problem, 1, &config, NULL, &err),
        CG_ERR_MISMATCH);
    ck_assert_str_eq(err.msg, "attention over 4 key/value heads of 600 elements, but the cache "
                              "holds 4 of 64");
    problem = make_problem();
    problem.device = config.device = 7;
    ck_assert_int_eq(
        cg_pairing_check(&host.host, attention, cache, &problem, 1, &config, NULL, &err),
        CG_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.msg, "cache 'paged': this cache supports cpu and cuda, not unknown "
                              "device");
    problem.device = CG_DEVICE_CPU;
    ck_assert_int_eq(
        cg_pairing_check(&host.host, attention, cache, &problem, 1, &config, NULL, &err),
        CG_ERR_MISMATCH);
    config.device = CG_DEVICE_CPU;
    config.dtype = CG_I8;
    ck_assert_int_eq(
        cg_pairing_check(&host.host, attention, cache, &problem, 1, &config, NULL, &err),
        CG_ERR_UNSUPPORTED);
    ck_assert_str_eq(err.msg, "cache 'paged': keys and values of i8 need scales, which the host "
                              "does not ask for");
    config.dtype = CG_F32;
    problem.max_kv_len = 301;
    ck_assert_int_eq(
        cg_pairing_check(&host.host, attention, cache, &problem, 1, &config, NULL, &err),
        CG_ERR_MISMATCH);
    ck_assert_int_eq(
        cg_pairing_check(&host.host, cache, attention, &problem, 1, &config, NULL, &err),
        CG_ERR_INTERNAL);
    cg_registry_destroy(r);
}
END_TEST

/* With or without a GPU or CUDA, a cache on a GPU is created, or refused with a reason. */
START_TEST(refused_cache_on_a_gpu_has_a_reason)
{
    static const char *const names[] = { "dynamic", "static", "paged" };
    cg_registry *r = registry_of_built_plugins();
    const cg_plugin *plugin = NULL;
    cg_cache_config config = make_config(), odd;
    const cg_cache_ops *ops;
    cg_error err = CG_ERROR_INIT;
    void *self = NULL;
    cg_status st;

    ck_assert_int_eq(cg_registry_find(r, CG_PLUGIN_CACHE, names[_i], &plugin, &err), CG_OK);
    ops = plugin->ops;
    config.device = CG_DEVICE_CUDA;
    config.dtype = CG_BF16;
    st = ops->supports(&host.host, &config, &err);
    if (st != CG_OK) {
        ck_assert_int_eq(st, CG_ERR_UNSUPPORTED);
        ck_assert_str_eq(err.msg, "this cache was built without CUDA: it does not support cuda");
    } else {
        ck_assert_int_eq(ops->flags, CG_CACHE_STORE_BY_VIEW | CG_CACHE_STORE_SCALED);
        odd = config;
        odd.dtype = CG_F8_E4M3;
        ck_assert_int_eq(ops->supports(&host.host, &odd, &err), CG_ERR_UNSUPPORTED);
        ck_assert_str_eq(err.msg, "keys and values of f8_e4m3 need scales, which the host does "
                                  "not ask for");
        odd = config;
        odd.head_dim = 60;
        ck_assert_int_eq(ops->supports(&host.host, &odd, &err), CG_ERR_UNSUPPORTED);
        ck_assert_str_eq(err.msg, "keys of 60 and values of 60 elements of bf16: on a GPU this "
                                  "cache stores multiples of 16 bytes");
        odd = config;
        odd.n_kv_heads = odd.head_dim = 1 << 20;
        ck_assert_int_eq(ops->supports(&host.host, &odd, &err), CG_ERR_UNSUPPORTED);
    }
    err = (cg_error)CG_ERROR_INIT;
    st = ops->create(&host.host, &config, &self, &err);
    if (st == CG_OK) {
        ck_assert_ptr_nonnull(self);
    } else {
        ck_assert_int_eq(st, CG_ERR_UNSUPPORTED);
        ck_assert_msg(strlen(err.msg) > 20 && !strchr(err.msg, '\n'), "'%s'", err.msg);
        ck_assert_ptr_null(self);
        printf("%s: %s\n", names[_i], err.msg);
    }
    ops->destroy(self);
    cg_registry_destroy(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plugins");
    TCase *tc = tcase_create("host, registry, matching");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, host_services_work, 0, 3);
    tcase_add_test(tc, registry_lists_and_finds);
    tcase_add_test(tc, registry_reads_the_path_variable);
    tcase_add_test(tc, all_own_pairs_match);
    tcase_add_test(tc, every_problem_of_a_model_is_checked);
    tcase_add_test(tc, features_that_a_plugin_does_not_declare_are_refused);
    tcase_add_test(tc, refused_match_has_a_reason);
    tcase_add_loop_test(tc, refused_cache_on_a_gpu_has_a_reason, 0, 3);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
