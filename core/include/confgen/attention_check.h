/* SPDX-License-Identifier: MIT */
/**
 * @file attention_check.h  Argument checks that every attention plugin needs.
 *
 * Header only, for use inside plugins: the rules of confgen/attention.h for problems, views and
 * call arguments. A plugin adds the limits of its kernels.
 */
#ifndef CONFGEN_ATTENTION_CHECK_H
#define CONFGEN_ATTENTION_CHECK_H

#include <string.h>

#include <confgen/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Returns true if a problem of any minor uses a feature, CG_ATTENTION_SOFTCAP or following. */
static inline int cg_attention_uses(const cg_attention_problem *p, uint32_t feature)
{
    return CG_HAS_SIZE(p, bias_dtype) && p->features & feature;
}

/** Elements of a value, and of a head of out. */
static inline int32_t cg_attention_value_size(const cg_attention_problem *p)
{
    return cg_attention_uses(p, CG_ATTENTION_VALUE_SIZE) && p->v_head_dim ? p->v_head_dim
                                                                          : p->head_dim;
}

/** Checks the members of the features that a problem uses; part of cg_attention_check_problem(). */
static inline cg_status cg_attention_check_features(const cg_host *host,
                                                    const cg_attention_problem *p, cg_error *err)
{
    if (cg_attention_uses(p, CG_ATTENTION_SOFTCAP) && !(p->softcap > 0 && p->softcap * 0 == 0))
        return host->fail(err, CG_ERR_UNSUPPORTED, "soft-cap %g, wanted a finite number above 0",
                          (double)p->softcap);
    if (cg_attention_uses(p, CG_ATTENTION_SINK_TOKENS) && p->sink_tokens < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED, "%d sink tokens, wanted 0 or more",
                          p->sink_tokens);
    if (cg_attention_uses(p, CG_ATTENTION_BIAS) && cg_dtype_size(p->bias_dtype) < 2)
        return host->fail(err, CG_ERR_UNSUPPORTED, "bias of %s, wanted f32, bf16 or f16",
                          cg_dtype_name(p->bias_dtype));
    if (cg_attention_uses(p, CG_ATTENTION_NO_MASK) && p->mask != CG_MASK_CAUSAL &&
        p->mask != CG_MASK_NONE)
        return host->fail(err, CG_ERR_UNSUPPORTED, "unknown mask, wanted the causal one or none");
    if (cg_attention_uses(p, CG_ATTENTION_VALUE_SIZE) && p->v_head_dim < 0)
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "values of %d elements, wanted a positive number, or 0 for the %d of keys",
            p->v_head_dim, p->head_dim);
    return CG_OK;
}

/** Checks that a problem is well-formed; CG_ERR_UNSUPPORTED with the reason if not. */
static inline cg_status cg_attention_check_problem(const cg_host *host,
                                                   const cg_attention_problem *p, cg_error *err)
{
    const uint32_t flags =
        CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT | CG_ATTENTION_GRAPH_SAFE;

    if (p->struct_size < offsetof(cg_attention_problem, flags) + sizeof p->flags)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "cg_attention_problem.struct_size is %u, this plugin needs at least %u: "
                          "the host was built against an older plugin API",
                          p->struct_size,
                          (unsigned)(offsetof(cg_attention_problem, flags) + sizeof p->flags));
    if (cg_dtype_size(p->dtype) < 2 || !cg_dtype_size(p->kv_dtype))
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "element types: q of %s, cache of %s, wanted f32, bf16 or f16, and for the "
            "cache also a type of 8 bits",
            cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype));
    if (cg_dtype_size(p->kv_dtype) == 1 && !cg_attention_uses(p, CG_ATTENTION_KV_SCALES))
        return host->fail(err, CG_ERR_UNSUPPORTED, "cache of %s without CG_ATTENTION_KV_SCALES",
                          cg_dtype_name(p->kv_dtype));
    if (p->n_heads < 1 || p->n_kv_heads < 1 || p->head_dim < 1 || p->n_heads % p->n_kv_heads)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d heads over %d key/value heads of %d elements, wanted positive "
                          "numbers, the second dividing the first",
                          p->n_heads, p->n_kv_heads, p->head_dim);
    if (p->max_tokens < 1 || p->max_seqs < 1 || p->max_kv_len < 1 || p->block_tokens < 0 ||
        p->window < 0)
        return host->fail(
            err, CG_ERR_UNSUPPORTED,
            "%d query tokens of %d sequences over %d cached tokens, blocks of %d, window %d: "
            "wanted positive numbers (blocks and window: or 0)",
            p->max_tokens, p->max_seqs, p->max_kv_len, p->block_tokens, p->window);
    if (!(p->scale - p->scale == 0)) /* NaN and infinities */
        return host->fail(err, CG_ERR_UNSUPPORTED, "scale %g, wanted a finite number",
                          (double)p->scale);
    if (p->flags & ~flags)
        return host->fail(err, CG_ERR_UNSUPPORTED, "unknown flags 0x%x", p->flags & ~flags);
    return cg_attention_check_features(host, p, err);
}

/**
 * Copies a problem for a plan to keep. An older host passes a shorter struct, a newer one a longer
 * struct: members that the host lacks become 0, members that the plugin lacks are dropped. So do
 * members of features that the problem does not use, and v_head_dim becomes that of the values in
 * any case: a plugin may use these members without asking for the feature. Only for problems that
 * cg_attention_check_problem() accepts.
 */
static inline cg_attention_problem cg_attention_keep_problem(const cg_attention_problem *p)
{
    cg_attention_problem kept;

    memset(&kept, 0, sizeof kept);
    memcpy(&kept, p, p->struct_size < sizeof kept ? p->struct_size : sizeof kept);
    kept.struct_size = sizeof kept;
    if (!CG_HAS_SIZE(p, bias_dtype))
        kept.features = 0;
    if (!(kept.features & CG_ATTENTION_SOFTCAP))
        kept.softcap = 0;
    if (!(kept.features & CG_ATTENTION_SINK_TOKENS))
        kept.sink_tokens = 0;
    if (!(kept.features & CG_ATTENTION_BIAS))
        kept.bias_dtype = 0;
    if (!(kept.features & CG_ATTENTION_NO_MASK))
        kept.mask = CG_MASK_CAUSAL;
    kept.v_head_dim = cg_attention_value_size(&kept);
    return kept;
}

/** Checks that a view has the shape of the problem; CG_ERR_MISMATCH if not. */
static inline cg_status cg_attention_check_view(const cg_host *host, const cg_attention_problem *p,
                                                const cg_kv_view *kv, cg_error *err)
{
    int64_t align = cg_dtype_size(p->kv_dtype);
    int is_1_2 = CG_HAS_SIZE(kv, scale_token_stride);
    int32_t v_dim = is_1_2 && kv->v_head_dim ? kv->v_head_dim : kv->head_dim;

    if (kv->device != p->device || kv->dtype != p->kv_dtype || kv->n_kv_heads != p->n_kv_heads ||
        kv->head_dim != p->head_dim)
        return host->fail(err, CG_ERR_MISMATCH,
                          "KV view on %s of %s, %d heads of %d, planned for %s, %s, %d heads of %d",
                          cg_device_name(kv->device), cg_dtype_name(kv->dtype), kv->n_kv_heads,
                          kv->head_dim, cg_device_name(p->device), cg_dtype_name(p->kv_dtype),
                          p->n_kv_heads, p->head_dim);
    if ((kv->page_table != NULL) != (p->paged != 0) || kv->block_tokens < 1 ||
        (p->block_tokens && kv->block_tokens != p->block_tokens))
        return host->fail(err, CG_ERR_MISMATCH,
                          "KV view %s a page table, %d tokens per block, planned for one %s, %d "
                          "tokens per block (0: any)",
                          kv->page_table ? "with" : "without", kv->block_tokens,
                          p->paged ? "with" : "without", p->block_tokens);
    if (!kv->k || !kv->v || kv->block_stride % align || kv->head_stride % align ||
        kv->token_stride % align)
        return host->fail(err, CG_ERR_MISMATCH,
                          "KV view with a NULL base address, or with strides that are not "
                          "multiples of the element size");
    if (!is_1_2 && cg_attention_uses(p, CG_ATTENTION_VALUE_SIZE | CG_ATTENTION_KV_SCALES))
        return host->fail(err, CG_ERR_MISMATCH,
                          "cg_kv_view.struct_size is %u, its features need %u", kv->struct_size,
                          (unsigned)sizeof *kv);
    if (v_dim != cg_attention_value_size(p))
        return host->fail(err, CG_ERR_MISMATCH,
                          "KV view with values of %d elements, planned for %d", v_dim,
                          cg_attention_value_size(p));
    if (!is_1_2)
        return CG_OK;
    if (kv->v_block_stride % align || kv->v_head_stride % align || kv->v_token_stride % align)
        return host->fail(err, CG_ERR_MISMATCH,
                          "KV view with strides of values that are not multiples of the element "
                          "size");
    if ((kv->k_scale || kv->v_scale) && !cg_attention_uses(p, CG_ATTENTION_KV_SCALES))
        return host->fail(err, CG_ERR_MISMATCH,
                          "KV view with scales, planned without CG_ATTENTION_KV_SCALES");
    return CG_OK;
}

/** Checks the size of the argument struct and its counts, for calls on any device. */
static inline cg_status cg_attention_check_counts(const cg_host *host,
                                                  const cg_attention_problem *p,
                                                  const cg_attention_args *a, cg_error *err)
{
    if (a->struct_size < offsetof(cg_attention_args, stream) + sizeof a->stream)
        return host->fail(err, CG_ERR_USAGE,
                          "cg_attention_args.struct_size is %u, this plugin needs at least %u: the "
                          "host was built against an older plugin API",
                          a->struct_size,
                          (unsigned)(offsetof(cg_attention_args, stream) + sizeof a->stream));
    if (a->n_seqs < 0 || a->n_seqs > p->max_seqs || a->n_tokens < 0 || a->n_tokens > p->max_tokens)
        return host->fail(
            err, CG_ERR_USAGE,
            "attention arguments: %d query tokens of %d sequences, planned for %d of %d",
            a->n_tokens, a->n_seqs, p->max_tokens, p->max_seqs);
    return CG_OK;
}

/** Returns true if a call has no query tokens: there is nothing to compute. */
static inline int cg_attention_is_empty(const cg_attention_args *a)
{
    return a->n_seqs == 0 || a->n_tokens == 0;
}

/**
 * Checks that a call which is not empty has the arrays of the problem's features, without reading
 * them; CG_ERR_USAGE if not.
 */
static inline cg_status cg_attention_check_arrays(const cg_host *host,
                                                  const cg_attention_problem *p,
                                                  const cg_attention_args *a, cg_error *err)
{
    const uint32_t with_array = CG_ATTENTION_ALIBI | CG_ATTENTION_SINK_LOGITS | CG_ATTENTION_BIAS |
                                CG_ATTENTION_POSITIONS | CG_ATTENTION_TREE;
    const char *missing;
    int64_t size;

    if (!cg_attention_uses(p, with_array))
        return CG_OK;
    if (!CG_HAS_SIZE(a, group_len))
        return host->fail(err, CG_ERR_USAGE,
                          "cg_attention_args.struct_size is %u, the arrays of its features need %u",
                          a->struct_size, (unsigned)sizeof *a);
    missing = cg_attention_uses(p, CG_ATTENTION_ALIBI) && !a->alibi_slope        ? "alibi_slope"
              : cg_attention_uses(p, CG_ATTENTION_SINK_LOGITS) && !a->sink_logit ? "sink_logit"
              : cg_attention_uses(p, CG_ATTENTION_BIAS) && !a->bias              ? "bias"
              : cg_attention_uses(p, CG_ATTENTION_POSITIONS) && !a->position     ? "position"
              : cg_attention_uses(p, CG_ATTENTION_TREE) && !a->tree_mask         ? "tree_mask"
                                                                                 : NULL;
    if (missing)
        return host->fail(err, CG_ERR_USAGE,
                          "attention arguments: %s is NULL, but the problem has its feature",
                          missing);
    size = cg_attention_uses(p, CG_ATTENTION_BIAS) ? cg_dtype_size(p->bias_dtype) : 1;
    if (a->bias_row_stride % size || a->bias_head_stride % size)
        return host->fail(err, CG_ERR_USAGE,
                          "attention arguments: strides of the bias are %lld and %lld bytes, "
                          "wanted multiples of %d",
                          (long long)a->bias_row_stride, (long long)a->bias_head_stride, (int)size);
    if (cg_attention_uses(p, CG_ATTENTION_TREE) && a->tree_words < 1)
        return host->fail(err, CG_ERR_USAGE,
                          "attention arguments: %d words of tree_mask per row, wanted at least 1",
                          a->tree_words);
    return CG_OK;
}

/**
 * Checks the arguments of a device call without reading device memory: counts, and the view and the
 * arrays of features unless the call is empty. CG_ERR_USAGE or CG_ERR_MISMATCH on violation.
 */
static inline cg_status cg_attention_check_device_args(const cg_host *host,
                                                       const cg_attention_problem *p,
                                                       const cg_attention_args *a, cg_error *err)
{
    CG_TRY(cg_attention_check_counts(host, p, a, err));
    if (cg_attention_is_empty(a))
        return CG_OK;
    CG_TRY(cg_attention_check_view(host, p, a->kv, err));
    return cg_attention_check_arrays(host, p, a, err);
}

/** Returns true if a sequence may have more query tokens than cached ones: cross attention. */
static inline int cg_attention_is_cross(const cg_attention_problem *p)
{
    return cg_attention_uses(p, CG_ATTENTION_NO_MASK) && p->mask == CG_MASK_NONE &&
           !cg_attention_uses(p, CG_ATTENTION_TREE);
}

/**
 * Checks the arguments of a CPU call: counts, view, arrays of features, and every sequence.
 * O(n_seqs). CG_ERR_USAGE or CG_ERR_MISMATCH on violation.
 */
static inline cg_status cg_attention_check_args(const cg_host *host, const cg_attention_problem *p,
                                                const cg_attention_args *a, cg_error *err)
{
    int64_t capacity;
    int least;

    CG_TRY(cg_attention_check_counts(host, p, a, err));
    if (a->n_seqs == 0)
        return a->n_tokens == 0
                   ? CG_OK
                   : host->fail(err, CG_ERR_USAGE,
                                "attention arguments: %d query tokens of 0 sequences", a->n_tokens);
    CG_TRY(cg_attention_check_view(host, p, a->kv, err));
    if (!cg_attention_is_empty(a))
        CG_TRY(cg_attention_check_arrays(host, p, a, err));
    capacity = p->paged ? (int64_t)a->kv->table_stride * a->kv->block_tokens : a->kv->block_tokens;
    if (a->q_start[0] != 0 || a->q_start[a->n_seqs] != a->n_tokens)
        return host->fail(err, CG_ERR_USAGE,
                          "attention arguments: q_start[0] is %d, q_start[n_seqs] is %d; wanted 0 "
                          "and n_tokens = %d",
                          a->q_start[0], a->q_start[a->n_seqs], a->n_tokens);
    for (int32_t i = 0; i < a->n_seqs; i++) {
        int64_t tokens = (int64_t)a->q_start[i + 1] - a->q_start[i];

        if (tokens < 0)
            return host->fail(err, CG_ERR_USAGE,
                              "attention arguments: q_start descends at sequence %d: %d to %d", i,
                              a->q_start[i], a->q_start[i + 1]);
        if (tokens && (a->slot[i] < 0 || a->slot[i] >= a->kv->n_slots))
            return host->fail(err, CG_ERR_USAGE,
                              "attention arguments: sequence %d is in slot %d, wanted 0 to %d", i,
                              a->slot[i], a->kv->n_slots - 1);
        least = cg_attention_is_cross(p) ? 1 : (int)tokens;
        if (tokens &&
            (a->kv_len[i] < least || a->kv_len[i] > p->max_kv_len || a->kv_len[i] > capacity))
            return host->fail(err, CG_ERR_USAGE,
                              "attention arguments: sequence %d has %d cached tokens and %d query "
                              "tokens, wanted at least %d cached tokens and at most %d (planned) "
                              "and %lld (capacity of the slot)",
                              i, a->kv_len[i], (int)tokens, least, p->max_kv_len,
                              (long long)capacity);
        if (cg_attention_uses(p, CG_ATTENTION_TREE) && tokens > 32 * (int64_t)a->tree_words)
            return host->fail(err, CG_ERR_USAGE,
                              "attention arguments: sequence %d has %d query tokens, but a row of "
                              "tree_mask has %d words of 32 bits",
                              i, (int)tokens, a->tree_words);
    }
    return CG_OK;
}

#ifdef __cplusplus
}
#endif

#endif
