/* SPDX-License-Identifier: MIT */
#include "call.h"

#include <confgen/attention_check.h>

/* A copy in which strides of values are never left to those of keys, nor sizes. */
static cg_kv_view keep_view(const cg_kv_view *view)
{
    cg_kv_view kv;

    kv.struct_size = sizeof kv;
    cg_fill_struct(&kv, view);
    if (!kv.v_head_dim)
        kv.v_head_dim = kv.head_dim;
    if (!kv.v_block_stride && !kv.v_head_stride && !kv.v_token_stride) {
        kv.v_block_stride = kv.block_stride;
        kv.v_head_stride = kv.head_stride;
        kv.v_token_stride = kv.token_stride;
    }
    return kv;
}

efficient_call efficient_make_call(const cg_attention_problem *p, const cg_attention_args *args)
{
    cg_attention_args a;

    a.struct_size = sizeof a;
    cg_fill_struct(&a, args);
    return (efficient_call) {
        .kv = keep_view(a.kv),
        .q = a.q,
        .out = a.out,
        .q_stride = a.q_stride,
        .out_stride = a.out_stride,
        .q_start = a.q_start,
        .slot = a.slot,
        .kv_len = a.kv_len,
        .position = cg_attention_uses(p, CG_ATTENTION_POSITIONS) ? a.position : NULL,
        .alibi_slope = cg_attention_uses(p, CG_ATTENTION_ALIBI) ? a.alibi_slope : NULL,
        .sink_logit = cg_attention_uses(p, CG_ATTENTION_SINK_LOGITS) ? a.sink_logit : NULL,
        .bias = cg_attention_uses(p, CG_ATTENTION_BIAS) ? a.bias : NULL,
        .bias_row_stride = a.bias_row_stride,
        .bias_head_stride = a.bias_head_stride,
        .tree_mask = cg_attention_uses(p, CG_ATTENTION_TREE) ? a.tree_mask : NULL,
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
}
