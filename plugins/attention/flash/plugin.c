/* SPDX-License-Identifier: MIT */
/* flash: tiled attention with an online softmax. This file asks the half of the problem's device.
 */
#include <confgen/attention.h>
#include <confgen/attention_check.h>

#include "sides.h"

static cg_status pick_side(const cg_host *host, const cg_attention_problem *p,
                           const cg_attention_ops **ret_side, cg_error *err)
{
    cg_status st = cg_attention_check_problem(host, p, err);

    if (st != CG_OK)
        return st;
    switch (p->device) {
    case CG_DEVICE_CPU:
        *ret_side = &flash_cpu_ops;
        return CG_OK;
    case CG_DEVICE_CUDA:
#ifdef CG_WITH_CUDA
        *ret_side = &flash_cuda_ops;
        return CG_OK;
#else
        return host->fail(err, CG_ERR_UNSUPPORTED, "this flash was built without CUDA");
#endif
    default:
        return host->fail(err, CG_ERR_UNSUPPORTED, "device %d: flash runs on CPU and CUDA",
                          p->device);
    }
}

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    const cg_attention_ops *side = NULL;
    cg_status st = pick_side(host, p, &side, err);

    return st == CG_OK ? side->supports(host, p, err) : st;
}

static cg_status plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                      cg_error *err)
{
    const cg_attention_ops *side = NULL;
    cg_status st = pick_side(host, p, &side, err);

    return st == CG_OK ? side->plan(host, p, ret_plan, err) : st;
}

static size_t workspace_size(const void *self)
{
    return flash_plan_side(self)->workspace_size(self);
}

static cg_status run(void *self, const cg_attention_args *args, cg_error *err)
{
    return flash_plan_side(self)->run(self, args, err);
}

static void destroy(void *self)
{
    if (self)
        flash_plan_side(self)->destroy(self);
}

static const cg_attention_ops ops = {
    CG_SIZED(cg_attention_ops),
    .caps = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT |
            CG_ATTENTION_GRAPH_SAFE /* all that run on CUDA */,
    .supports = supports,
    .plan = plan,
    .workspace_size = workspace_size,
    .run = run,
    .destroy = destroy,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_ATTENTION),
    .name = "flash",
    .version = CG_VERSION_STRING,
    .description = "tiled attention: f32 on the CPU (AVX-512, AVX2 or plain), "
                   "bf16 and f16 on CUDA (tensor cores)",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
