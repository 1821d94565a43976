/* SPDX-License-Identifier: MIT-0 */
/*
 * @NAME@: an attention plugin of confgen.
 *
 * The plugin is complete and correct, and slow: two passes over the keys, one item of work per
 * sequence and head. Change in this order:
 *
 *   1. supports() and CAPS: what the plugin computes and promises;
 *   2. attend(): the computation;
 *   3. run_item() and run(): how a call is divided among the threads.
 *
 * The contract is <confgen/attention.h>.
 */
#include <math.h>

#include <confgen/attention.h>
#include <confgen/attention_check.h>

#ifdef WITH_CUDA /* the build adds it where @NAME@.cu is present */
#include "@NAME@_cuda.h"
#endif

/* Promises of every plan; `confgen plugins check` tests them. */
enum { CAPS = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT };

/* All that is known before the first call. A plugin keeps its state here, never in globals. */
struct plan {
    const cg_host *host;
    cg_attention_problem problem;
};

/* The host asks before it allocates anything. A refusal states the reason; the user reads it. */
static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    CG_TRY(cg_attention_check_problem(host, p, err));
#ifdef WITH_CUDA
    if (p->device == CG_DEVICE_CUDA)
        return cuda_supports(host, p, err);
#endif
    if (p->device != CG_DEVICE_CPU)
        return host->fail(err, CG_ERR_UNSUPPORTED, "@NAME@ does not compute on device %s",
                          cg_device_name(p->device));
    if (p->dtype != CG_F32 || p->kv_dtype != CG_F32)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "q of %s over a cache of %s: @NAME@ computes f32 on the CPU",
                          cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype));
    if (p->flags & ~(uint32_t)CAPS)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "@NAME@ cannot be captured into a CUDA graph on the CPU");
    return CG_OK;
}

static cg_status plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                      cg_error *err)
{
    struct plan *self;

    CG_TRY(supports(host, p, err));
#ifdef WITH_CUDA
    if (p->device == CG_DEVICE_CUDA)
        CG_TRY(cuda_check_kernel(host, p, err));
#endif
    self = host->alloc(host->ctx, sizeof *self);
    if (!self)
        return host->fail(err, CG_ERR_NOMEM, "@NAME@: out of memory");
    self->host = host;
    self->problem = cg_attention_keep_problem(p); /* p itself may be gone when plan() returns */
    *ret_plan = self;
    return CG_OK;
}

static void destroy(void *plan)
{
    struct plan *self = plan;

    if (self)
        self->host->free(self->host->ctx, self);
}

/* Memory for run(), which must not allocate: the host owns it and passes it to each call. */
static size_t workspace_size(const void *plan)
{
    (void)plan;
    return 0;
}

struct call {
    const cg_attention_problem *problem;
    const cg_attention_args *args;
};

/* scale * q . K[pos] */
static float score(const struct call *call, int32_t slot, int32_t kv_head, int32_t pos,
                   const float *q)
{
    const cg_kv_view *kv = call->args->kv;
    const float *k = (const float *)((const char *)kv->k + cg_kv_offset(kv, slot, kv_head, pos));
    float dot = 0;

    for (int32_t d = 0; d < call->problem->head_dim; d++)
        dot += q[d] * k[d];
    return call->problem->scale * dot;
}

/*
 * One row and query head: softmax(scale * q . K) V over the tokens up to the row's position. The
 * order of the sums depends on nothing but the row: that is batch invariance.
 */
static void attend(const struct call *call, int32_t seq, int32_t row, int32_t head)
{
    const cg_attention_problem *p = call->problem;
    const cg_attention_args *a = call->args;
    const cg_kv_view *kv = a->kv;
    const float *q = (const float *)((const char *)a->q + row * a->q_stride) + head * p->head_dim;
    float *out = (float *)((char *)a->out + row * a->out_stride) + head * p->head_dim;
    int32_t kv_head = head / (p->n_heads / p->n_kv_heads), slot = a->slot[seq];
    int32_t pos = a->kv_len[seq] - a->q_start[seq + 1] + row;
    int32_t first = p->window && pos >= p->window ? pos - p->window + 1 : 0;
    float max = -INFINITY, sum = 0;

    for (int32_t j = first; j <= pos; j++) {
        float s = score(call, slot, kv_head, j, q);

        max = s > max ? s : max;
    }
    for (int32_t d = 0; d < p->head_dim; d++)
        out[d] = 0;
    for (int32_t j = first; j <= pos; j++) {
        const float *v = (const float *)((const char *)kv->v + cg_kv_offset(kv, slot, kv_head, j));
        float weight = expf(score(call, slot, kv_head, j, q) - max); /* without max: overflow */

        sum += weight;
        for (int32_t d = 0; d < p->head_dim; d++)
            out[d] += weight * v[d];
    }
    for (int32_t d = 0; d < p->head_dim; d++)
        out[d] /= sum;
}

/* Item: one sequence and query head, on any worker. */
static void run_item(void *arg, int64_t item, int32_t worker)
{
    const struct call *call = arg;
    int32_t seq = (int32_t)(item / call->problem->n_heads);
    int32_t head = (int32_t)(item % call->problem->n_heads);

    (void)worker; /* for scratch memory of its own: host->workers rows of the workspace */
    for (int32_t row = call->args->q_start[seq]; row < call->args->q_start[seq + 1]; row++)
        attend(call, seq, row, head);
}

/* Allocates nothing and keeps nothing: addresses, page tables and lengths differ in each call. */
static cg_status run(void *plan, const cg_attention_args *args, cg_error *err)
{
    struct plan *self = plan;
    struct call call = { &self->problem, args };

#ifdef WITH_CUDA
    if (self->problem.device == CG_DEVICE_CUDA)
        return cuda_run(self->host, &self->problem, args, err);
#endif
    CG_TRY(cg_attention_check_args(self->host, &self->problem, args, err));
    self->host->parallel_for(self->host->ctx, (int64_t)args->n_seqs * self->problem.n_heads,
                             run_item, &call);
    return CG_OK;
}

/*
 * .features is 0: the plugin knows none of CG_ATTENTION_SOFTCAP and following. A host never uses a
 * feature whose bit is absent, so their members can be ignored.
 */
static const cg_attention_ops ops = {
    CG_SIZED(cg_attention_ops),       .caps = CAPS, .supports = supports, .plan = plan,
    .workspace_size = workspace_size, .run = run,   .destroy = destroy,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_ATTENTION),          .name = "@NAME@", .version = "0.1",
    .description = "plain attention in two passes", .ops = &ops,
};

/* The one exported symbol. */
cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
