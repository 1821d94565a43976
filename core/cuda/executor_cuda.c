/* SPDX-License-Identifier: MIT */
/*
 * The executor on a GPU. run() queues a launch - some steps, captured once - and then waits for the
 * launch before it: while the host empties and fills slots, the device is busy with the next steps.
 */
#include "executor_cuda.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "forward.h"
#include "step.h"
#include "device_tables.h"

enum {
    LAUNCH_STEPS = 4,   /* of a full launch */
    DEPTH = 2,          /* launches under way */
    EVENTS = DEPTH + 1, /* those of the launch heard last are still read */
};

/* What the host knows of a place. */
struct place {
    int32_t kind; /* CG_SLOT_* */
    int32_t n_prompt;
    int32_t ended; /* a sequence's end or a prefix's readiness has been heard */
    int32_t reported;
    const cg_program *program;
};

struct launch {
    cudaEvent_t begin, end;
};

struct cuda {
    cg_executor base;
    cg_executor_config config;
    cudaStream_t stream;
    int32_t compute_capability;
    void *cache;
    uint64_t generation; /* of the cache's views when graphs were captured */
    cg_device_tables *tables;
    cg_forward *forward;
    cg_step_state state;
    cg_step_counters *told; /* pinned: the counters after the last launch */
    struct place *slots;
    void **device_blocks, **host_blocks;
    size_t n_device, cap_device, n_host, cap_host;
    int32_t n_head_rows;
    cudaGraphExec_t one, full; /* of one step, of LAUNCH_STEPS; NULL: to be captured */
    struct launch launches[EVENTS];
    int64_t n_queued, n_heard; /* launches */
    cudaEvent_t last_end;      /* of the launch heard last, NULL before */
    cg_executor_stats stats;
    int64_t device_bytes;
};

static cg_status nomem(cg_error *err)
{
    return cg_fail(err, CG_ERR_NOMEM, "executor: out of memory");
}

static struct cuda *get(cg_executor *ex)
{
    struct cuda *c = (struct cuda *)ex;

    cudaSetDevice(c->config.gpu); /* a thread may serve several */
    return c;
}

/* ---- create, destroy ---------------------------------------------------------------------- */

static void forget_graphs(struct cuda *c)
{
    if (c->one)
        cudaGraphExecDestroy(c->one);
    if (c->full)
        cudaGraphExecDestroy(c->full);
    c->one = c->full = NULL;
}

static void cuda_destroy(cg_executor *ex)
{
    struct cuda *c = get(ex);

    if (c->stream)
        cudaStreamSynchronize(c->stream);
    forget_graphs(c);
    cg_forward_destroy(c->forward);
    cg_device_tables_destroy(c->tables);
    if (c->cache)
        c->config.cache->destroy(c->cache);
    for (int i = 0; i < EVENTS; i++) {
        if (c->launches[i].begin)
            cudaEventDestroy(c->launches[i].begin);
        if (c->launches[i].end)
            cudaEventDestroy(c->launches[i].end);
    }
    for (size_t i = 0; i < c->n_device; i++)
        cudaFree(c->device_blocks[i]);
    for (size_t i = 0; i < c->n_host; i++)
        cudaFreeHost(c->host_blocks[i]);
    if (c->stream)
        cudaStreamDestroy(c->stream);
    free(c->device_blocks);
    free(c->host_blocks);
    free(c->slots);
    free(c);
}

/* Zeroed device memory that lives as long as c. */
static cg_status take_device(struct cuda *c, size_t n, size_t size, void *ret_ptr, cg_error *err)
{
    void *p = NULL;
    size_t bytes;
    cg_status status;

    if (cg_mul(n, size, &bytes) ||
        cg_grow((void **)&c->device_blocks, &c->cap_device, c->n_device + 1, sizeof p))
        return nomem(err);
    status = CG_CUDA(cudaMalloc(&p, bytes ? bytes : 1), err);
    if (status != CG_OK)
        return status;
    c->device_blocks[c->n_device++] = p;
    c->device_bytes += (int64_t)bytes;
    memcpy(ret_ptr, &p, sizeof p);
    return CG_CUDA(cudaMemsetAsync(p, 0, bytes, c->stream), err);
}

/* Zeroed pinned memory that kernels write to. */
static cg_status take_host(struct cuda *c, size_t n, size_t size, void *ret_ptr, cg_error *err)
{
    void *p = NULL;
    size_t bytes;
    cg_status status;

    if (cg_mul(n, size, &bytes) ||
        cg_grow((void **)&c->host_blocks, &c->cap_host, c->n_host + 1, sizeof p))
        return nomem(err);
    status = CG_CUDA(cudaHostAlloc(&p, bytes ? bytes : 1, cudaHostAllocMapped), err);
    if (status != CG_OK)
        return status;
    c->host_blocks[c->n_host++] = p;
    memset(p, 0, bytes);
    memcpy(ret_ptr, &p, sizeof p);
    return CG_OK;
}

/*
 * Room for a step: a sampled token and what is forced behind it, which is half a token on average
 * (1.3 to 1.5 in all, by tokenizer). Rows cost time whether they are used or not, so there is room
 * for a little less, and a longer span waits for the next step.
 */
static int32_t choose_step_tokens(const cg_executor_config *config)
{
    int32_t want = config->step_tokens ? config->step_tokens : config->n_slots * 5 / 4;
    int32_t unit = want > 128 || config->deterministic ? 128 : 16;

    return (want + unit - 1) / unit * unit;
}

/* What looking at geometry needs: coordinates of the slots, the token_numbers of tokens. */
static cg_status make_geometry(struct cuda *c, cg_error *err)
{
    cg_step_state *s = &c->state;
    size_t vocab = (size_t)c->config.model->config.vocab;
    cg_token_number *token_numbers = NULL;
    cg_status status =
        take_device(c, 3 * (size_t)s->n_slots * (size_t)s->max_len, sizeof *s->xyz, &s->xyz, err);

    if (status == CG_OK)
        status = take_device(c, vocab, sizeof *token_numbers, &token_numbers, err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMemcpyAsync(token_numbers, c->config.token_numbers,
                                         vocab * sizeof *token_numbers, cudaMemcpyHostToDevice,
                                         c->stream),
                         err);
    s->token_numbers = token_numbers;
    s->geometry = c->config.geometry;
    s->restarts = cg_restart_limit(c->config.sampling.greedy);
    s->decimals = c->config.decimals;
    return status;
}

static cg_status make_state(struct cuda *c, cg_error *err)
{
    const cg_executor_config *config = &c->config;
    cg_step_state *s = &c->state;
    size_t slots = (size_t)config->n_slots, len = (size_t)config->max_len, kv_slots, rows;

    s->n_slots = config->n_slots;
    s->n_kv_slots = config->n_slots + config->n_prompt_slots;
    s->max_len = config->max_len;
    s->step_tokens = choose_step_tokens(config);
    kv_slots = (size_t)s->n_kv_slots;
    rows = (size_t)s->step_tokens;
    c->slots = calloc(kv_slots, sizeof *c->slots);
    if (!c->slots)
        return nomem(err);

    const struct allocation {
        cg_status (*take)(struct cuda *c, size_t n, size_t size, void *ret_ptr, cg_error *err);
        void *ret_ptr; /* address of the pointer */
        size_t n, size;
    } allocations[] = {
        { take_device, &s->slots, kv_slots, sizeof *s->slots },
        { take_device, &s->tokens, kv_slots * len, sizeof *s->tokens },
        { take_device, &s->marks, slots * len, sizeof *s->marks },
        { take_device, &s->first, 1, sizeof *s->first },
        { take_device, &s->counters, 1, sizeof *s->counters },
        { take_device, &s->token, rows, sizeof *s->token },
        { take_device, &s->pos, rows, sizeof *s->pos },
        { take_device, &s->slot, rows, sizeof *s->slot },
        { take_device, &s->q_start, kv_slots + 1, sizeof *s->q_start },
        { take_device, &s->seq_slot, kv_slots, sizeof *s->seq_slot },
        { take_device, &s->kv_len, kv_slots, sizeof *s->kv_len },
        { take_device, &s->out_row, slots, sizeof *s->out_row },
        { take_device, &s->out_slot, slots, sizeof *s->out_slot },
        { take_device, &s->n_out, 1, sizeof *s->n_out },
        { take_host, &s->events, kv_slots, sizeof *s->events },
        { take_host, &s->ended, slots * len, sizeof *s->ended },
        { take_host, &c->told, 1, sizeof *c->told },
        { take_host, &s->failure, 1, sizeof *s->failure },
    };

    for (size_t i = 0; i < sizeof allocations / sizeof *allocations; i++) {
        const struct allocation *a = &allocations[i];

        CG_TRY(a->take(c, a->n, a->size, a->ret_ptr, err));
    }
    return config->geometry != CG_GEOMETRY_OFF ? make_geometry(c, err) : CG_OK;
}

/* Memory that the cache may take: what is free, less the weights and some room to work in. */
static cg_status cache_bound(const struct cuda *c, int64_t *ret_bytes, cg_error *err)
{
    const cg_model *m = c->config.model;
    const cg_model_config *mc = &m->config;
    int64_t q = (int64_t)mc->n_heads * mc->head_dim, kv = (int64_t)mc->n_kv_heads * mc->head_dim;
    int64_t size = cg_dtype_size(c->config.dtype), rows = c->state.step_tokens;
    int64_t layer = mc->hidden * (2 * q + 2 * kv + 3 * (int64_t)mc->intermediate);
    /* embedding, head and the rows of it that are served */
    int64_t weights = (mc->n_layers * layer + 3 * (int64_t)mc->vocab * mc->hidden) * size;
    int64_t work = rows * (3 * mc->hidden + 3 * (int64_t)mc->intermediate + 2 * q + 2 * kv) * 4 +
                   ((int64_t)1 << 30);
    size_t free_bytes = 0, total = 0;
    cg_status status = CG_CUDA(cudaMemGetInfo(&free_bytes, &total), err);

    if (status != CG_OK)
        return status;
    if ((int64_t)free_bytes <= weights + work)
        return cg_fail(err, CG_ERR_DEVICE_NOMEM,
                       "GPU %d has %zu bytes free, the model and a step need about %lld",
                       c->config.gpu, free_bytes, (long long)(weights + work));
    *ret_bytes = (int64_t)free_bytes - weights - work;
    return CG_OK;
}

static cg_status make_cache(struct cuda *c, cg_error *err)
{
    const cg_model_config *mc = &c->config.model->config;
    cg_cache_config config = {
        CG_SIZED(cg_cache_config), .device = CG_DEVICE_CUDA,       .dtype = c->config.dtype,
        .n_layers = mc->n_layers,  .n_slots = c->state.n_kv_slots, .n_kv_heads = mc->n_kv_heads,
        .head_dim = mc->head_dim,  .max_len = c->config.max_len,   .stream = c->stream,
    };
    cg_status status = cache_bound(c, &config.max_bytes, err);

    if (status == CG_OK)
        status = c->config.cache->supports(c->config.host, &config, err);
    if (status == CG_OK)
        status = c->config.cache->create(c->config.host, &config, &c->cache, err);
    return status;
}

static cg_status make_forward(struct cuda *c, cg_error *err)
{
    cg_forward_config config = {
        .model = c->config.model,
        .host = c->config.host,
        .attention = c->config.attention,
        .cache = c->config.cache,
        .cache_self = c->cache,
        .max_len = c->config.max_len,
        .dtype = c->config.dtype,
        .deterministic = c->config.deterministic,
        .compute_capability = c->compute_capability,
        .stream = c->stream,
    };

    return cg_forward_create(&config, &c->state, &c->forward, err);
}

static const struct cg_executor_ops cuda_ops;

cg_status cg_cuda_executor_create(const cg_executor_config *config, cg_executor **ret_executor,
                                  cg_error *err)
{
    int major = 0, minor = 0;
    struct cuda *c;
    cg_status status = cg_cuda_use(config->gpu, err);

    if (status != CG_OK)
        return status;
    if (config->dtype != CG_BF16 && config->dtype != CG_F32)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "element type %d: a GPU computes in bf16, or in f32 for parity",
                       config->dtype);
    c = calloc(1, sizeof *c);
    if (!c)
        return nomem(err);
    c->base.ops = &cuda_ops;
    c->config = *config;
    status = CG_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, config->gpu),
                     err);
    if (status == CG_OK)
        status = CG_CUDA(
            cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, config->gpu), err);
    c->compute_capability = 10 * major + minor;
    if (status == CG_OK)
        status = CG_CUDA(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking), err);
    for (int i = 0; i < EVENTS && status == CG_OK; i++) {
        status = CG_CUDA(cudaEventCreate(&c->launches[i].begin), err);
        if (status == CG_OK)
            status = CG_CUDA(cudaEventCreate(&c->launches[i].end), err);
    }
    if (status == CG_OK)
        status = make_state(c, err);
    if (status == CG_OK)
        status = cg_device_tables_create(config->automaton, c->stream, &c->tables, err);
    if (status == CG_OK)
        status = make_cache(c, err);
    if (status == CG_OK)
        status = make_forward(c, err);
    if (status == CG_OK)
        status = CG_CUDA(cudaStreamSynchronize(c->stream), err);
    if (status != CG_OK) {
        cuda_destroy(&c->base);
        return status;
    }
    *ret_executor = &c->base;
    return CG_OK;
}

/* ---- filling and emptying slots ---------------------------------------------------------- */

/* Make room in the cache; where its memory has moved, graphs must be captured again. */
static cg_status reserve(struct cuda *c, int32_t place, int32_t len, cg_error *err)
{
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    cg_status status = c->config.cache->reserve(c->cache, place, len, err);

    if (status == CG_OK)
        status = c->config.cache->view(c->cache, 0, &view, err);
    if (status == CG_OK && view.generation != c->generation) {
        status = CG_CUDA(cudaStreamSynchronize(c->stream), err);
        forget_graphs(c);
        c->generation = view.generation;
    }
    return status;
}

static cg_status cuda_begin_prefix(cg_executor *ex, int32_t prefix, const int32_t *tokens,
                                   int32_t n, cg_error *err)
{
    struct cuda *c = get(ex);
    int32_t place = c->config.n_slots + prefix;
    void *staged;
    cg_status status;

    if (n < 1 || n >= c->config.max_len)
        return cg_fail(err, CG_ERR_LIMIT, "prompt of %d tokens; 1 to %d fit", n,
                       c->config.max_len - 1);
    status = reserve(c, place, n, err);
    if (status == CG_OK)
        status = cg_device_tables_stage(c->tables, (size_t)n * sizeof *tokens, &staged, err);
    if (status == CG_OK) {
        memcpy(staged, tokens, (size_t)n * sizeof *tokens);
        c->state.events[place] = (cg_slot_event) { 0 };
        status = cg_step_begin_prompt(&c->state, place, staged, n, c->stream, err);
    }
    if (status != CG_OK) {
        c->config.cache->release(c->cache, place);
        return status;
    }
    c->slots[place] = (struct place) { .kind = CG_SLOT_PROMPT, .n_prompt = n };
    return CG_OK;
}

static int cuda_prefix_ready(const cg_executor *ex, int32_t prefix)
{
    const struct cuda *c = (const struct cuda *)ex;
    const struct place *p = &c->slots[c->config.n_slots + prefix];

    return p->kind == CG_SLOT_PROMPT && p->ended;
}

/*
 * What has ended takes no part in steps any more. What has not is stopped, and steps under way,
 * which may still tell of it, are waited for.
 */
static void release_place(struct cuda *c, int32_t i)
{
    struct place *p = &c->slots[i];

    if (p->kind == CG_SLOT_FREE)
        return;
    if (!p->ended && cg_step_release(&c->state, i, c->stream, NULL) == CG_OK)
        cudaStreamSynchronize(c->stream);
    c->config.cache->release(c->cache, i);
    if (p->program)
        cg_device_tables_drop(c->tables, p->program);
    *p = (struct place) { 0 };
}

static void cuda_release_prefix(cg_executor *ex, int32_t prefix)
{
    struct cuda *c = get(ex);

    release_place(c, c->config.n_slots + prefix);
}

static void cuda_release(cg_executor *ex, int32_t slot)
{
    release_place(get(ex), slot);
}

/* Does a program append a token before it chooses one? */
static int begins_forced(const cg_program *p, const cg_automaton *a)
{
    return p->forced_start[1] > p->forced_start[0] ||
           (p->n_fields > 0 && a->row[p->entry[0] + 1] - a->row[p->entry[0]] == 1);
}

static cg_status cuda_admit(cg_executor *ex, int32_t slot, int32_t prefix,
                            const cg_sequence_job *job, cg_error *err)
{
    struct cuda *c = get(ex);
    const cg_cache_ops *cache = c->config.cache;
    const cg_program *prog = job->program;
    int32_t from = c->config.n_slots + prefix, n_prompt = c->slots[from].n_prompt;
    int32_t n_kv = begins_forced(prog, c->config.automaton) ? n_prompt : n_prompt - 1;
    int64_t limit = (int64_t)n_prompt + prog->max_tokens;
    cg_program program;
    cg_geometry geometry;
    cg_status status =
        cg_device_tables_use(c->tables, prog, job->geometry, &program, &geometry, err);

    if (status != CG_OK)
        return status;
    if (limit > c->config.max_len)
        limit = c->config.max_len;
    if (prog->n_head_rows > c->n_head_rows) {
        status = cg_forward_set_head_rows(
            c->forward, cg_device_tables_automaton(c->tables)->head_token, prog->n_head_rows, err);
        if (status == CG_OK) {
            forget_graphs(c);
            c->n_head_rows = prog->n_head_rows;
        }
    }
    if (status == CG_OK && n_kv > 0)
        status = cache->share_prefix(c->cache, slot, from, n_kv, err);
    if (status == CG_OK)
        status = reserve(c, slot, (int32_t)limit, err);
    if (status == CG_OK) {
        c->state.events[slot] = (cg_slot_event) { 0 };
        status = cg_step_admit(&c->state, cg_device_tables_automaton(c->tables), slot, from,
                               &job->key, &program, &geometry, c->stream, err);
    }
    if (status != CG_OK) {
        cache->release(c->cache, slot);
        cg_device_tables_drop(c->tables, prog);
        return status;
    }
    c->slots[slot] =
        (struct place) { .kind = CG_SLOT_SEQUENCE, .n_prompt = n_prompt, .program = prog };
    return CG_OK;
}

static int cuda_collect(cg_executor *ex, cg_sequence_result *ret_result)
{
    struct cuda *c = get(ex);

    for (int32_t i = 0; i < c->config.n_slots; i++) {
        struct place *p = &c->slots[i];
        const cg_slot_event *event = &c->state.events[i];

        if (p->kind != CG_SLOT_SEQUENCE || !p->ended || p->reported)
            continue;
        p->reported = 1;
        c->stats.forced += event->n_tokens - event->n_sampled;
        *ret_result = (cg_sequence_result) {
            i,
            event->done,
            event->n_tokens,
            event->n_sampled,
            c->state.ended + (int64_t)i * c->config.max_len,
            event->repair,
        };
        return 1;
    }
    return 0;
}

/* ---- launches ----------------------------------------------------------------------------- */

static cg_status queue_step(struct cuda *c, cg_error *err)
{
    int64_t stride;
    int32_t n_head_rows;
    const float *logits;
    cg_status status = cg_step_gather(&c->state, c->stream, err);

    if (status == CG_OK)
        status = cg_forward_run(c->forward, err);
    if (status != CG_OK || !c->n_head_rows) /* no program yet: only prompts */
        return status;
    logits = cg_forward_logits(c->forward, &stride, &n_head_rows);
    return cg_step_sample(&c->state, logits, stride, cg_device_tables_automaton(c->tables),
                          &c->config.sampling, n_head_rows, c->stream, err);
}

static cg_status capture(struct cuda *c, int32_t steps, cudaGraphExec_t *ret_exec, cg_error *err)
{
    cudaGraph_t graph = NULL;
    cg_status ended,
        status = CG_CUDA(cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal), err);

    if (status != CG_OK)
        return status;
    for (int32_t i = 0; i < steps && status == CG_OK; i++)
        status = queue_step(c, err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMemcpyAsync(c->told, c->state.counters, sizeof *c->told,
                                         cudaMemcpyDeviceToHost, c->stream),
                         err);
    ended = CG_CUDA(cudaStreamEndCapture(c->stream, &graph), status == CG_OK ? err : NULL);
    if (status == CG_OK)
        status = ended;
    if (status == CG_OK)
        status = CG_CUDA(cudaGraphInstantiate(ret_exec, graph, 0), err);
    if (graph)
        cudaGraphDestroy(graph);
    return status;
}

static cg_status queue_launch(struct cuda *c, int32_t max_steps, cg_error *err)
{
    struct launch *l = &c->launches[c->n_queued % EVENTS];
    cudaGraphExec_t *exec = max_steps >= LAUNCH_STEPS ? &c->full : &c->one;
    cg_status status = CG_OK;

    if (!*exec)
        status = capture(c, max_steps >= LAUNCH_STEPS ? LAUNCH_STEPS : 1, exec, err);
    if (status == CG_OK)
        status = CG_CUDA(cudaEventRecord(l->begin, c->stream), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaGraphLaunch(*exec, c->stream), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaEventRecord(l->end, c->stream), err);
    if (status == CG_OK)
        c->n_queued++;
    return status;
}

/* Wait for the oldest launch and hear what it told. */
static cg_status hear(struct cuda *c, cg_error *err)
{
    struct launch *l = &c->launches[c->n_heard % EVENTS];
    float ms = 0;
    cg_status status = CG_CUDA(cudaEventSynchronize(l->end), err);

    if (status == CG_OK)
        status = CG_CUDA(cudaEventElapsedTime(&ms, l->begin, l->end), err);
    if (status != CG_OK)
        return status;
    c->stats.device_seconds += (double)ms * 1e-3;
    if (c->last_end && cudaEventElapsedTime(&ms, c->last_end, l->begin) == cudaSuccess && ms > 0)
        c->stats.idle_seconds += (double)ms * 1e-3;
    c->last_end = l->end;
    c->n_heard++;
    if (*c->state.failure)
        return cg_fail(err, CG_ERR_FORMAT,
                       "the model's logits are not finite: its weights are damaged or overflow");
    for (int32_t i = 0; i < c->state.n_kv_slots; i++)
        if (c->slots[i].kind != CG_SLOT_FREE && c->state.events[i].done)
            c->slots[i].ended = 1;
    return CG_OK;
}

/* Has something ended that was not collected yet? */
static int has_news(const struct cuda *c)
{
    for (int32_t i = 0; i < c->config.n_slots; i++)
        if (c->slots[i].ended && !c->slots[i].reported)
            return 1;
    return 0;
}

static cg_status cuda_run(cg_executor *ex, int32_t max_steps, cg_error *err)
{
    struct cuda *c = get(ex);
    double t = cg_now();
    cg_status status = CG_OK;

    if (max_steps > 0 && !has_news(c)) {
        status = queue_launch(c, max_steps, err);
        if (status == CG_OK && c->n_queued - c->n_heard == DEPTH)
            status = hear(c, err);
    }
    c->stats.seconds += cg_now() - t;
    return status;
}

/* Wait for all that is queued. */
static cg_status settle_all(struct cuda *c, cg_error *err)
{
    cg_status status = CG_OK;

    while (c->n_heard < c->n_queued && status == CG_OK)
        status = hear(c, err);
    return status == CG_OK ? CG_CUDA(cudaStreamSynchronize(c->stream), err) : status;
}

/* The cache keeps the room that was reserved for the whole sequence. */
static cg_status cuda_roll_back(cg_executor *ex, int32_t slot, int32_t atom, cg_error *err)
{
    struct cuda *c = get(ex);
    struct place *p = &c->slots[slot];
    cg_slot_state now;
    int32_t per = p->program ? p->program->fields_per_atom : 0;
    cg_status status = settle_all(c, err);

    if (status == CG_OK)
        status = CG_CUDA(
            cudaMemcpy(&now, &c->state.slots[slot], sizeof now, cudaMemcpyDeviceToHost), err);
    if (status != CG_OK)
        return status;
    if (p->kind != CG_SLOT_SEQUENCE || !per || atom < 0 || atom > now.seq.field / per ||
        atom >= p->program->n_fields / per)
        return cg_fail(err, CG_ERR_USAGE, "roll-back to atom %d: the sequence has not reached it",
                       atom);
    c->state.events[slot] = (cg_slot_event) { 0 };
    p->ended = p->reported = 0;
    return cg_step_roll_back(&c->state, cg_device_tables_automaton(c->tables), slot, atom,
                             c->stream, err);
}

static void cuda_stats(const cg_executor *ex, cg_executor_stats *ret_stats)
{
    const struct cuda *c = (const struct cuda *)ex;
    const cg_step_counters *told = c->told;
    cg_cache_stats cache = { CG_SIZED(cg_cache_stats) };

    c->config.cache->stats(c->cache, &cache);
    *ret_stats = c->stats;
    ret_stats->steps = told->steps;
    ret_stats->prompt_tokens = told->prompt_tokens;
    ret_stats->tokens = told->tokens;
    ret_stats->sampled = told->sampled;
    ret_stats->attended = told->attended;
    ret_stats->step_rows = told->steps * c->state.step_tokens;
    ret_stats->head_rows = c->n_head_rows;
    ret_stats->device_bytes =
        c->device_bytes + cg_forward_bytes(c->forward) + cache.bytes_allocated;
}

static void cuda_cache_stats(const cg_executor *ex, cg_cache_stats *ret_stats)
{
    const struct cuda *c = (const struct cuda *)ex;

    c->config.cache->stats(c->cache, ret_stats);
}

static const struct cg_executor_ops cuda_ops = {
    .name = "cuda",
    .destroy = cuda_destroy,
    .begin_prompt = cuda_begin_prefix,
    .prompt_ready = cuda_prefix_ready,
    .release_prompt = cuda_release_prefix,
    .admit = cuda_admit,
    .run = cuda_run,
    .collect = cuda_collect,
    .release = cuda_release,
    .roll_back = cuda_roll_back,
    .stats = cuda_stats,
    .cache_stats = cuda_cache_stats,
};

/* ---- one text, for tests ------------------------------------------------------------------ */

/* Rows [from, from + n) of the text as the batch of a step; logits wanted after some of them. */
static cg_status set_batch(struct cuda *c, const int32_t *tokens, int32_t from, int32_t n,
                           const int32_t *out_row, int32_t n_out, cg_error *err)
{
    const cg_step_state *s = &c->state;
    int32_t *host =
        cg_alloc_array((size_t)s->step_tokens * 3 + (size_t)s->n_kv_slots * 3 + 1, sizeof *host);
    int32_t *pos = host + s->step_tokens, *slot = pos + s->step_tokens;
    int32_t *q_start = slot + s->step_tokens, *seq_slot = q_start + s->n_kv_slots + 1;
    int32_t *kv_len = seq_slot + s->n_kv_slots;
    size_t rows = (size_t)s->step_tokens * sizeof *host,
           slots = (size_t)s->n_kv_slots * sizeof *host;
    cg_status status;

    if (!host)
        return nomem(err);
    for (int32_t t = 0; t < s->step_tokens; t++) {
        host[t] = t < n ? tokens[from + t] : -1;
        pos[t] = t < n ? from + t : 0;
        slot[t] = t < n ? 0 : -1;
    }
    for (int32_t i = 0; i <= s->n_kv_slots; i++)
        q_start[i] = i ? n : 0;
    for (int32_t i = 0; i < s->n_kv_slots; i++) {
        seq_slot[i] = 0;
        kv_len[i] = from + n;
    }
    status = CG_CUDA(cudaMemcpy(s->token, host, rows, cudaMemcpyHostToDevice), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMemcpy(s->pos, pos, rows, cudaMemcpyHostToDevice), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMemcpy(s->slot, slot, rows, cudaMemcpyHostToDevice), err);
    if (status == CG_OK)
        status = CG_CUDA(
            cudaMemcpy(s->q_start, q_start, slots + sizeof *host, cudaMemcpyHostToDevice), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMemcpy(s->seq_slot, seq_slot, slots, cudaMemcpyHostToDevice), err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMemcpy(s->kv_len, kv_len, slots, cudaMemcpyHostToDevice), err);
    if (status == CG_OK && n_out)
        status = CG_CUDA(cudaMemcpy(s->out_row, out_row, (size_t)n_out * sizeof *out_row,
                                    cudaMemcpyHostToDevice),
                         err);
    if (status == CG_OK)
        status = CG_CUDA(cudaMemcpy(s->n_out, &n_out, sizeof n_out, cudaMemcpyHostToDevice), err);
    free(host);
    return status;
}

/* All tokens of the vocabulary as columns. */
static cg_status set_all_columns(struct cuda *c, cg_error *err)
{
    int32_t vocab = c->config.model->config.vocab, *ids, *device = NULL;
    cg_status status = take_device(c, (size_t)vocab, sizeof *ids, &device, err);

    if (status != CG_OK)
        return status;
    ids = cg_alloc_array((size_t)vocab, sizeof *ids);
    if (!ids)
        return nomem(err);
    for (int32_t i = 0; i < vocab; i++)
        ids[i] = i;
    status = CG_CUDA(cudaStreamSynchronize(c->stream), err);
    if (status == CG_OK)
        status = CG_CUDA(
            cudaMemcpy(device, ids, (size_t)vocab * sizeof *ids, cudaMemcpyHostToDevice), err);
    if (status == CG_OK)
        status = cg_forward_set_head_rows(c->forward, device, vocab, err);
    free(ids);
    return status;
}

cg_status cg_cuda_logits(const cg_executor_config *config, const int32_t *tokens, int32_t n_tokens,
                         const int32_t *positions, int32_t n_positions, float *ret_logits,
                         cg_error *err)
{
    size_t vocab = (size_t)config->model->config.vocab;
    cg_executor *ex = NULL;
    struct cuda *c;
    int32_t next = 0; /* of positions */
    cg_status status;

    if (n_positions > config->n_slots)
        return cg_fail(err, CG_ERR_USAGE, "%d positions in %d slots", n_positions, config->n_slots);
    status = cg_cuda_executor_create(config, &ex, err);
    if (status != CG_OK)
        return status;
    c = get(ex);
    status = set_all_columns(c, err);
    if (status == CG_OK)
        status = reserve(c, 0, n_tokens, err);
    for (int32_t from = 0, n; from < n_tokens && status == CG_OK; from += n) {
        int32_t out_row[64], n_out = 0, stop;
        int64_t stride;

        n = n_tokens - from < c->state.step_tokens ? n_tokens - from : c->state.step_tokens;
        stop = next;
        while (stop < n_positions && positions[stop] < from + n && n_out < 64) {
            out_row[n_out++] = positions[stop] - from;
            stop++;
        }
        status = set_batch(c, tokens, from, n, out_row, n_out, err);
        if (status == CG_OK)
            status = cg_forward_run(c->forward, err);
        if (status == CG_OK)
            status = CG_CUDA(cudaStreamSynchronize(c->stream), err);
        for (; next < stop && status == CG_OK; next++) {
            int32_t n_head_rows;
            const float *logits = cg_forward_logits(c->forward, &stride, &n_head_rows);

            status = CG_CUDA(cudaMemcpy(ret_logits + (size_t)next * vocab,
                                        logits + (next - (stop - n_out)) * stride,
                                        vocab * sizeof *ret_logits, cudaMemcpyDeviceToHost),
                             err);
        }
    }
    cuda_destroy(ex);
    return status;
}
