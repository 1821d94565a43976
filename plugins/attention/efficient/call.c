/* SPDX-License-Identifier: MIT */
#include "call.h"

#include <confgen/attention_check.h>

cg_attention_problem efficient_keep_problem(const cg_attention_problem *p)
{
    cg_attention_problem kept = cg_attention_keep_problem(p);

    if (!(kept.features & CG_ATTENTION_SOFTCAP))
        kept.softcap = 0;
    if (!(kept.features & CG_ATTENTION_SINK_TOKENS))
        kept.sink_tokens = 0;
    if (!(kept.features & CG_ATTENTION_BIAS))
        kept.bias_dtype = CG_F32;
    if (!(kept.features & CG_ATTENTION_NO_MASK))
        kept.mask = CG_MASK_CAUSAL;
    if (!(kept.features & CG_ATTENTION_VALUE_SIZE) || !kept.v_head_dim)
        kept.v_head_dim = kept.head_dim;
    return kept;
}

cg_status efficient_check_problem(const cg_host *host, const cg_attention_problem *problem,
                                  cg_error *err)
{
    cg_attention_problem p = efficient_keep_problem(problem);

    if (p.features & ~(uint32_t)EFFICIENT_FEATURES)
        return host->fail(err, CG_ERR_UNSUPPORTED, "unknown features 0x%x",
                          p.features & ~(uint32_t)EFFICIENT_FEATURES);
    if (p.head_dim > EFFICIENT_MAX_DIM || p.v_head_dim < 1 || p.v_head_dim > EFFICIENT_MAX_DIM)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "keys of %d elements and values of %d, wanted 1 to %d", p.head_dim,
                          p.v_head_dim, EFFICIENT_MAX_DIM);
    if ((int64_t)p.max_tokens * (p.n_heads / p.n_kv_heads) > INT32_MAX)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d query tokens of %d heads: too many for one call", p.max_tokens,
                          p.n_heads);
    if (p.features & CG_ATTENTION_SOFTCAP && !(p.softcap > 0 && p.softcap - p.softcap == 0))
        return host->fail(err, CG_ERR_UNSUPPORTED, "soft-cap %g, wanted a positive number",
                          (double)p.softcap);
    if (p.sink_tokens < 0 || cg_dtype_size(p.bias_dtype) < 2)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d sink tokens, bias of %s, wanted at least 0, and f32, bf16 or f16",
                          p.sink_tokens, cg_dtype_name(p.bias_dtype));
    if (p.mask != CG_MASK_CAUSAL && p.mask != CG_MASK_NONE)
        return host->fail(err, CG_ERR_UNSUPPORTED, "mask %d, wanted CG_MASK_CAUSAL or CG_MASK_NONE",
                          p.mask);
    return CG_OK;
}

/* Copies the view; members that the problem does not use become 0, strides of values theirs. */
static cg_status keep_view(const efficient_plan *plan, const cg_kv_view *view, cg_kv_view *ret_kv,
                           cg_error *err)
{
    const cg_attention_problem *p = &plan->problem;
    int64_t align = cg_dtype_size(p->kv_dtype);
    cg_kv_view kv;

    kv.struct_size = sizeof kv;
    cg_fill_struct(&kv, view);
    if (!(p->features & CG_ATTENTION_VALUE_SIZE))
        kv.v_head_dim = 0, kv.v_block_stride = kv.v_head_stride = kv.v_token_stride = 0;
    if (!kv.v_head_dim)
        kv.v_head_dim = kv.head_dim;
    if (!kv.v_block_stride && !kv.v_head_stride && !kv.v_token_stride) {
        kv.v_block_stride = kv.block_stride;
        kv.v_head_stride = kv.head_stride;
        kv.v_token_stride = kv.token_stride;
    }
    if (!(p->features & CG_ATTENTION_KV_SCALES)) {
        kv.k_scale = kv.v_scale = NULL;
        kv.scale_block_stride = kv.scale_head_stride = kv.scale_token_stride = 0;
    }
    align = p->device == CG_DEVICE_CUDA ? 16 : align;
    if (kv.v_head_dim != p->v_head_dim || kv.v_block_stride % align || kv.v_head_stride % align ||
        kv.v_token_stride % align)
        return plan->host->fail(err, CG_ERR_MISMATCH,
                                "KV view: values of %d elements, planned for %d; their strides are "
                                "%lld, %lld and %lld bytes, wanted multiples of %d",
                                kv.v_head_dim, p->v_head_dim, (long long)kv.v_block_stride,
                                (long long)kv.v_head_stride, (long long)kv.v_token_stride,
                                (int)align);
    if (kv.scale_block_stride % 4 || kv.scale_head_stride % 4 || kv.scale_token_stride % 4)
        return plan->host->fail(err, CG_ERR_MISMATCH,
                                "KV view: strides of scales are %lld, %lld and %lld bytes, wanted "
                                "multiples of 4",
                                (long long)kv.scale_block_stride, (long long)kv.scale_head_stride,
                                (long long)kv.scale_token_stride);
    *ret_kv = kv;
    return CG_OK;
}

cg_status efficient_make_call(const efficient_plan *plan, const cg_attention_args *args,
                              efficient_call *ret_call, cg_error *err)
{
    const cg_attention_problem *p = &plan->problem;
    const char *missing = NULL;
    cg_attention_args a;
    efficient_call call;
    cg_kv_view kv;

    a.struct_size = sizeof a;
    cg_fill_struct(&a, args);
    CG_TRY(keep_view(plan, args->kv, &kv, err));
    if (p->features & CG_ATTENTION_POSITIONS && !a.position)
        missing = "position";
    if (p->features & CG_ATTENTION_ALIBI && !a.alibi_slope)
        missing = "alibi_slope";
    if (p->features & CG_ATTENTION_SINK_LOGITS && !a.sink_logit)
        missing = "sink_logit";
    if (p->features & CG_ATTENTION_BIAS && !a.bias)
        missing = "bias";
    if (p->features & CG_ATTENTION_TREE && (!a.tree_mask || a.tree_words < 1))
        missing = "tree_mask";
    if (missing)
        return plan->host->fail(err, CG_ERR_USAGE,
                                "attention arguments: %s is missing, planned with its feature",
                                missing);
    call = (efficient_call) {
        .kv = kv,
        .q = a.q,
        .out = a.out,
        .q_stride = a.q_stride,
        .out_stride = a.out_stride,
        .q_start = a.q_start,
        .slot = a.slot,
        .kv_len = a.kv_len,
        .position = p->features & CG_ATTENTION_POSITIONS ? a.position : NULL,
        .alibi_slope = p->features & CG_ATTENTION_ALIBI ? a.alibi_slope : NULL,
        .sink_logit = p->features & CG_ATTENTION_SINK_LOGITS ? a.sink_logit : NULL,
        .bias = p->features & CG_ATTENTION_BIAS ? a.bias : NULL,
        .bias_row_stride = a.bias_row_stride,
        .bias_head_stride = a.bias_head_stride,
        .tree_mask = p->features & CG_ATTENTION_TREE ? a.tree_mask : NULL,
        .tree_words = a.tree_words,
        .dtype = p->dtype,
        .kv_dtype = p->kv_dtype,
        .bias_dtype = p->bias_dtype,
        .n_tokens = a.n_tokens,
        .n_seqs = a.n_seqs,
        .n_kv_heads = p->n_kv_heads,
        .group = p->n_heads / p->n_kv_heads,
        .head_dim = p->head_dim,
        .v_dim = p->v_head_dim,
        .is_causal = p->mask == CG_MASK_CAUSAL,
        .window = p->window,
        .sink_tokens = p->sink_tokens,
        .scale = p->scale,
        .softcap = p->softcap,
    };
    *ret_call = call;
    return CG_OK;
}
