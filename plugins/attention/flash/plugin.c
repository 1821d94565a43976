/* SPDX-License-Identifier: MIT */
/* flash: tiled attention with an online softmax. Dispatches by device. */
#include <confgen/attention.h>
#include <confgen/attention_check.h>

#include "flash_ops.h"

/* The host tests features against the plugin's, which are those of all devices. */
static cg_status check_features(const cg_host *host, const cg_attention_problem *p, uint32_t known,
                                cg_error *err)
{
    static const char *const names[] = { "a logit soft-cap",
                                         "ALiBi",
                                         "sink logits",
                                         "sink tokens",
                                         "an additive bias",
                                         "no causal mask",
                                         "values of another size",
                                         "scaled types of 8 bits",
                                         "row positions",
                                         "a tree mask" };
    uint32_t unknown = cg_attention_uses(p, ~known) ? p->features & ~known : 0;
    int bit = unknown ? __builtin_ctz(unknown) : 0;

    return !unknown ? CG_OK
                    : host->fail(err, CG_ERR_UNSUPPORTED, "%s: not supported on %s",
                                 bit < (int)(sizeof names / sizeof *names)
                                     ? names[bit]
                                     : "a feature of a newer plugin ABI",
                                 cg_device_name(p->device));
}

static cg_status find_ops(const cg_host *host, const cg_attention_problem *p,
                          const cg_attention_ops **ret_ops, cg_error *err)
{
    const cg_attention_ops *ops = NULL;

    CG_TRY(cg_attention_check_problem(host, p, err));
    switch (p->device) {
    case CG_DEVICE_CPU:
        ops = &flash_cpu_ops;
        break;
    case CG_DEVICE_CUDA:
#ifdef CG_WITH_CUDA
        ops = &flash_cuda_ops;
        break;
#else
        return host->fail(err, CG_ERR_UNSUPPORTED, "this flash was built without CUDA");
#endif
    default:
        return host->fail(err, CG_ERR_UNSUPPORTED, "device %d (%s), wanted cpu or cuda", p->device,
                          cg_device_name(p->device));
    }
    CG_TRY(check_features(host, p, ops->features, err));
    *ret_ops = ops;
    return CG_OK;
}

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    const cg_attention_ops *ops = NULL;

    CG_TRY(find_ops(host, p, &ops, err));
    return ops->supports(host, p, err);
}

static cg_status plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                      cg_error *err)
{
    const cg_attention_ops *ops = NULL;

    CG_TRY(find_ops(host, p, &ops, err));
    return ops->plan(host, p, ret_plan, err);
}

static size_t workspace_size(const void *self)
{
    return flash_plan_ops(self)->workspace_size(self);
}

static cg_status run(void *self, const cg_attention_args *args, cg_error *err)
{
    return flash_plan_ops(self)->run(self, args, err);
}

static void destroy(void *self)
{
    if (self)
        flash_plan_ops(self)->destroy(self);
}

static const cg_attention_ops flash_ops = {
    CG_SIZED(cg_attention_ops),
    .caps = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT |
            CG_ATTENTION_GRAPH_SAFE /* of CUDA plans */,
    .supports = supports,
    .plan = plan,
    .workspace_size = workspace_size,
    .run = run,
    .destroy = destroy,
    .features = FLASH_CPU_FEATURES,
};

static const cg_plugin plugin = {
    CG_PLUGIN_HEADER(CG_PLUGIN_ATTENTION),
    .name = "flash",
    .version = CG_VERSION_STRING,
    .description = "tiled attention: f32 arithmetic on the CPU (AVX-512, AVX2 or plain), "
                   "bf16 and f16 on CUDA (tensor cores), also over caches of 8 bits",
    .ops = &flash_ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
