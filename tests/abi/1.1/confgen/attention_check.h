/* SPDX-License-Identifier: MIT */
/**
 * @file attention_check.h  Checks that every attention plugin needs, ready to be called.
 *
 * Header only, for use inside plugins: what a problem and the arguments of a CPU call must satisfy
 * whatever the kernel. A kernel's own limits are its own business.
 */
#ifndef CONFGEN_ATTENTION_CHECK_H
#define CONFGEN_ATTENTION_CHECK_H

#include <string.h>

#include <confgen/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Is this problem well-formed? CG_ERR_UNSUPPORTED with the reason if not. */
static inline cg_status cg_attention_check_problem(const cg_host *host,
                                                   const cg_attention_problem *p, cg_error *err)
{
    const uint32_t flags =
        CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT | CG_ATTENTION_GRAPH_SAFE;

    if (p->struct_size < offsetof(cg_attention_problem, flags) + sizeof p->flags)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "attention problem of %u bytes, wanted at least %u", p->struct_size,
                          (unsigned)(offsetof(cg_attention_problem, flags) + sizeof p->flags));
    if (!cg_dtype_size(p->dtype) || !cg_dtype_size(p->kv_dtype))
        return host->fail(err, CG_ERR_UNSUPPORTED, "unknown element type: q %d, cache %d", p->dtype,
                          p->kv_dtype);
    if (p->n_heads < 1 || p->n_kv_heads < 1 || p->head_dim < 1 || p->n_heads % p->n_kv_heads)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d heads over %d key/value heads of %d elements, wanted positive "
                          "numbers, the second dividing the first",
                          p->n_heads, p->n_kv_heads, p->head_dim);
    if (p->max_tokens < 1 || p->max_seqs < 1 || p->max_kv_len < 1 || p->block_tokens < 0 ||
        p->window < 0)
        return host->fail(err, CG_ERR_UNSUPPORTED,
                          "%d rows of %d sequences over %d cached tokens, blocks of %d, window %d: "
                          "wanted positive numbers (block and window: or 0)",
                          p->max_tokens, p->max_seqs, p->max_kv_len, p->block_tokens, p->window);
    if (!(p->scale - p->scale == 0)) /* NaN and infinities */
        return host->fail(err, CG_ERR_UNSUPPORTED, "a scale that is not finite");
    if (p->flags & ~flags)
        return host->fail(err, CG_ERR_UNSUPPORTED, "unknown flags 0x%x", p->flags & ~flags);
    return CG_OK;
}

/**
 * The problem as this plugin's headers know it, for a plan to keep: a host that is older or newer
 * has a struct of another size, and members that it does not know are 0. For a problem that
 * cg_attention_check_problem() has accepted.
 */
static inline cg_attention_problem cg_attention_keep_problem(const cg_attention_problem *p)
{
    cg_attention_problem kept;

    memset(&kept, 0, sizeof kept);
    memcpy(&kept, p, p->struct_size < sizeof kept ? p->struct_size : sizeof kept);
    kept.struct_size = sizeof kept;
    return kept;
}

/** Does a view have the shape that the problem was planned for? CG_ERR_MISMATCH if not. */
static inline cg_status cg_attention_check_view(const cg_host *host, const cg_attention_problem *p,
                                                const cg_kv_view *kv, cg_error *err)
{
    int64_t align = cg_dtype_size(p->kv_dtype);

    if (kv->device != p->device || kv->dtype != p->kv_dtype || kv->n_kv_heads != p->n_kv_heads ||
        kv->head_dim != p->head_dim)
        return host->fail(err, CG_ERR_MISMATCH,
                          "a view of device %d, type %d, %d heads of %d, planned for device %d, "
                          "type %d, %d heads of %d",
                          kv->device, kv->dtype, kv->n_kv_heads, kv->head_dim, p->device,
                          p->kv_dtype, p->n_kv_heads, p->head_dim);
    if ((kv->page_table != NULL) != (p->paged != 0) || kv->block_tokens < 1 ||
        (p->block_tokens && kv->block_tokens != p->block_tokens))
        return host->fail(err, CG_ERR_MISMATCH,
                          "a view %s a page table, %d tokens a block, planned for one %s, %d "
                          "tokens a block (0: any)",
                          kv->page_table ? "with" : "without", kv->block_tokens,
                          p->paged ? "with" : "without", p->block_tokens);
    if (!kv->k || !kv->v || kv->block_stride % align || kv->head_stride % align ||
        kv->token_stride % align)
        return host->fail(err, CG_ERR_MISMATCH,
                          "a view without memory, or with strides that are no multiple of the "
                          "element size");
    return CG_OK;
}

/**
 * Are the arguments of a CPU call what the contract says? O(n_seqs). CG_ERR_USAGE or
 * CG_ERR_MISMATCH if not.
 */
static inline cg_status cg_attention_check_args(const cg_host *host, const cg_attention_problem *p,
                                                const cg_attention_args *a, cg_error *err)
{
    int64_t capacity;
    cg_status st;

    if (a->struct_size < offsetof(cg_attention_args, stream) + sizeof a->stream)
        return host->fail(err, CG_ERR_USAGE, "attention arguments of %u bytes, wanted at least %u",
                          a->struct_size,
                          (unsigned)(offsetof(cg_attention_args, stream) + sizeof a->stream));
    if (a->n_seqs < 0 || a->n_seqs > p->max_seqs || a->n_tokens < 0 || a->n_tokens > p->max_tokens)
        return host->fail(err, CG_ERR_USAGE, "%d rows of %d sequences, planned for %d of %d",
                          a->n_tokens, a->n_seqs, p->max_tokens, p->max_seqs);
    if (a->n_seqs == 0)
        return a->n_tokens == 0
                   ? CG_OK
                   : host->fail(err, CG_ERR_USAGE, "%d rows of no sequence", a->n_tokens);
    if ((st = cg_attention_check_view(host, p, a->kv, err)) != CG_OK)
        return st;
    capacity = p->paged ? (int64_t)a->kv->table_stride * a->kv->block_tokens : a->kv->block_tokens;
    if (a->q_start[0] != 0 || a->q_start[a->n_seqs] != a->n_tokens)
        return host->fail(err, CG_ERR_USAGE, "q_start runs from %d to %d, wanted 0 to %d",
                          a->q_start[0], a->q_start[a->n_seqs], a->n_tokens);
    for (int32_t i = 0; i < a->n_seqs; i++) {
        int64_t rows = (int64_t)a->q_start[i + 1] - a->q_start[i];

        if (rows < 0)
            return host->fail(err, CG_ERR_USAGE, "q_start descends at sequence %d: %d to %d", i,
                              a->q_start[i], a->q_start[i + 1]);
        if (rows && (a->slot[i] < 0 || a->slot[i] >= a->kv->n_slots))
            return host->fail(err, CG_ERR_USAGE, "sequence %d in slot %d, wanted 0 to %d", i,
                              a->slot[i], a->kv->n_slots - 1);
        if (rows &&
            (a->kv_len[i] < rows || a->kv_len[i] > p->max_kv_len || a->kv_len[i] > capacity))
            return host->fail(err, CG_ERR_USAGE,
                              "sequence %d has %d cached tokens, wanted its %d rows at least, %d "
                              "(planned) and %lld (the slot's room) at most",
                              i, a->kv_len[i], (int)rows, p->max_kv_len, (long long)capacity);
    }
    return CG_OK;
}

#ifdef __cplusplus
}
#endif

#endif
