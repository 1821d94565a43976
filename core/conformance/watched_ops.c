/* SPDX-License-Identifier: MIT */
#include "watched_ops.h"

#include "call_watch.h"

/* Observes `call`, a call of the plugin's function of this name. */
#define WATCH(name, forbidden, call)                                                               \
    do {                                                                                           \
        call_watch_begin(name "()", forbidden);                                                    \
        call;                                                                                      \
        call_watch_end();                                                                          \
    } while (0)

/* What functions may not do: those that need memory, and those that must do without. */
static uint32_t usual_rules, no_memory_rules;

static void set_rules(int on_gpu)
{
    usual_rules = on_gpu ? 0 : CALL_NO_THREADS;
    no_memory_rules =
        on_gpu ? CALL_NO_HOST_MEMORY : CALL_NO_HOST_MEMORY | CALL_NO_MEMORY | CALL_NO_THREADS;
}

/* Copies the part of a plugin's table that this confgen knows. */
static void copy_table(void *ret, const void *from, uint32_t known)
{
    uint32_t size;

    memcpy(&size, from, sizeof size);
    size = size < known ? size : known;
    memset(ret, 0, known);
    memcpy(ret, from, size);
    memcpy(ret, &size, sizeof size);
}

/* ---- attention ---------------------------------------------------------------------------------
 */

static const cg_attention_ops *attention;

static cg_status attention_supports(const cg_host *host, const cg_attention_problem *problem,
                                    cg_error *err)
{
    cg_status st;

    WATCH("supports", no_memory_rules, st = attention->supports(host, problem, err));
    return st;
}

static cg_status attention_plan(const cg_host *host, const cg_attention_problem *problem,
                                void **ret_plan, cg_error *err)
{
    cg_status st;

    WATCH("plan", usual_rules, st = attention->plan(host, problem, ret_plan, err));
    return st;
}

static size_t attention_workspace_size(const void *plan)
{
    size_t bytes;

    WATCH("workspace_size", no_memory_rules, bytes = attention->workspace_size(plan));
    return bytes;
}

static cg_status attention_run(void *plan, const cg_attention_args *args, cg_error *err)
{
    cg_status st;

    WATCH("run", no_memory_rules, st = attention->run(plan, args, err));
    return st;
}

static void attention_destroy(void *plan)
{
    WATCH("destroy", usual_rules, attention->destroy(plan));
}

static cg_status attention_prepare(void *plan, const cg_attention_args *args,
                                   const int32_t *q_start, const int32_t *kv_len, cg_error *err)
{
    cg_status st;

    WATCH("prepare", usual_rules, st = attention->prepare(plan, args, q_start, kv_len, err));
    return st;
}

const cg_attention_ops *watch_attention(const cg_attention_ops *ops, int on_gpu)
{
    static cg_attention_ops table;

    attention = ops;
    set_rules(on_gpu);
    copy_table(&table, ops, sizeof table);
    table.supports = attention_supports;
    table.plan = attention_plan;
    table.workspace_size = attention_workspace_size;
    table.run = attention_run;
    table.destroy = attention_destroy;
    if (CG_HAS(&table, prepare))
        table.prepare = attention_prepare;
    return &table;
}

/* ---- cache -------------------------------------------------------------------------------------
 */

static const cg_cache_ops *cache;

static cg_status cache_supports(const cg_host *host, const cg_cache_config *config, cg_error *err)
{
    cg_status st;

    WATCH("supports", no_memory_rules, st = cache->supports(host, config, err));
    return st;
}

static cg_status cache_create(const cg_host *host, const cg_cache_config *config, void **ret_self,
                              cg_error *err)
{
    cg_status st;

    WATCH("create", usual_rules, st = cache->create(host, config, ret_self, err));
    return st;
}

static void cache_destroy(void *self)
{
    WATCH("destroy", usual_rules, cache->destroy(self));
}

static cg_status cache_reserve(void *self, int32_t slot, int32_t len, cg_error *err)
{
    cg_status st;

    WATCH("reserve", usual_rules, st = cache->reserve(self, slot, len, err));
    return st;
}

static cg_status cache_append(void *self, int32_t layer, const cg_cache_append *args, cg_error *err)
{
    cg_status st;

    WATCH("append", no_memory_rules, st = cache->append(self, layer, args, err));
    return st;
}

static cg_status cache_share_prefix(void *self, int32_t dst, int32_t src, int32_t len,
                                    cg_error *err)
{
    cg_status st;

    WATCH("share_prefix", usual_rules, st = cache->share_prefix(self, dst, src, len, err));
    return st;
}

static cg_status cache_truncate(void *self, int32_t slot, int32_t len, cg_error *err)
{
    cg_status st;

    WATCH("truncate", usual_rules, st = cache->truncate(self, slot, len, err));
    return st;
}

static void cache_release(void *self, int32_t slot)
{
    WATCH("release", usual_rules, cache->release(self, slot));
}

static cg_status cache_view(void *self, int32_t layer, cg_kv_view *ret_view, cg_error *err)
{
    cg_status st;

    WATCH("view", usual_rules, st = cache->view(self, layer, ret_view, err));
    return st;
}

static void cache_stats(const void *self, cg_cache_stats *ret_stats)
{
    WATCH("stats", usual_rules, cache->stats(self, ret_stats));
}

static cg_status cache_gather(void *self, int32_t slot, int32_t from, const int32_t *keep,
                              int32_t n_keep, cg_error *err)
{
    cg_status st;

    WATCH("gather", usual_rules, st = cache->gather(self, slot, from, keep, n_keep, err));
    return st;
}

const cg_cache_ops *watch_cache(const cg_cache_ops *ops, int on_gpu)
{
    static cg_cache_ops table;

    cache = ops;
    set_rules(on_gpu);
    copy_table(&table, ops, sizeof table);
    table.supports = cache_supports;
    table.create = cache_create;
    table.destroy = cache_destroy;
    table.reserve = cache_reserve;
    table.append = cache_append;
    table.share_prefix = cache_share_prefix;
    table.truncate = cache_truncate;
    table.release = cache_release;
    table.view = cache_view;
    table.stats = cache_stats;
    if (CG_HAS(&table, gather))
        table.gather = cache_gather;
    return &table;
}

/* ---- constraint --------------------------------------------------------------------------------
 */

static const cg_constraint_ops *constraint;

static cg_status constraint_create(const cg_host *host, const cg_vocabulary *vocabulary,
                                   const cg_text_format *format, void **ret_self, cg_error *err)
{
    cg_status st;

    WATCH("create", usual_rules, st = constraint->create(host, vocabulary, format, ret_self, err));
    return st;
}

static void constraint_destroy(void *self)
{
    WATCH("destroy", usual_rules, constraint->destroy(self));
}

static const cg_automaton *constraint_automaton(const void *self)
{
    const cg_automaton *a;

    WATCH("automaton", usual_rules, a = constraint->automaton(self));
    return a;
}

static cg_status constraint_compile(void *self, const cg_literals *text, cg_program **ret_program,
                                    cg_error *err)
{
    cg_status st;

    WATCH("compile", usual_rules, st = constraint->compile(self, text, ret_program, err));
    return st;
}

static void constraint_release(void *self, cg_program *program)
{
    WATCH("release", usual_rules, constraint->release(self, program));
}

const cg_constraint_ops *watch_constraint(const cg_constraint_ops *ops)
{
    static cg_constraint_ops table;

    constraint = ops;
    set_rules(0);
    copy_table(&table, ops, sizeof table);
    table.create = constraint_create;
    table.destroy = constraint_destroy;
    table.automaton = constraint_automaton;
    table.compile = constraint_compile;
    table.release = constraint_release;
    return &table;
}
