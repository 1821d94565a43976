/* SPDX-License-Identifier: MIT */
#include "units.h"

#include <cuda_runtime.h>

enum { THREADS = 128 };

/* Rows [first_row, first_row + rows) of q: the newest of the first `len` tokens of a slot. */
struct unit {
    int32_t first_row, rows, slot, len;
};

static __device__ __forceinline__ struct unit find_unit(const units_call *c, int32_t u)
{
    const int32_t used = c->q_start[c->n_seqs];
    int32_t seq;
    struct unit r;

    if (!c->by_row && u < c->n_seqs && c->q_start[u + 1] > c->q_start[u]) {
        r.first_row = c->q_start[u];
        r.rows = c->q_start[u + 1] - r.first_row;
        r.slot = c->slot[u];
        r.len = c->kv_len[u];
        return r;
    }
    if (used == 0) {
        r.first_row = r.rows = r.slot = r.len = 0;
        return r;
    }
    /* An unused unit has no rows and the first token of the last sequence: reads ahead of the
     * counts stay within valid memory. */
    seq =
        cg_attention_sequence_of_token(c->q_start, c->n_seqs, c->by_row && u < used ? u : used - 1);
    r.slot = c->slot[seq];
    if (c->by_row && u < used) {
        r.first_row = u;
        r.rows = 1;
        r.len = c->kv_len[seq] - c->q_start[seq + 1] + u + 1;
    } else {
        r.first_row = used < c->n_tokens ? used : c->n_tokens - 1;
        r.rows = 0;
        r.len = 1;
    }
    return r;
}

/* Index map. Block x: unit x. Threads: its entries, then its pages. */
static __global__ void __launch_bounds__(THREADS) units_kernel(const __grid_constant__ units_call c)
{
    const int32_t u = (int32_t)blockIdx.x, thread = (int32_t)threadIdx.x;
    const struct unit r = find_unit(&c, u);
    int32_t first = 0; /* first token of an entry */

    if (c.by_row && c.window && r.len > c.window)
        first = r.len - c.window;
    for (int32_t h = thread; h < c.entries; h += THREADS) {
        int64_t e = (int64_t)u * c.entries + h;

        c.row_count[e] = r.rows;
        c.token_count[e] = r.len - first;
        c.q_at[e] = r.first_row * c.q_stride + (int64_t)h * c.entry_width;
        c.out_at[e] = r.first_row * c.out_stride + (int64_t)h * c.entry_width;
        if (!c.page_table)
            c.kv_at[e] = r.slot * c.block_stride + h * c.head_stride + first * c.token_stride;
    }
    if (u == c.n_units - 1 && thread == 0) { /* end of the last unit */
        int64_t end = (int64_t)c.n_units * c.entries;
        int32_t used = c.q_start[c.n_seqs];

        c.q_at[end] = used * c.q_stride;
        c.out_at[end] = used * c.out_stride;
        if (!c.page_table)
            c.kv_at[end] = r.slot * c.block_stride;
    }
    if (c.page_table) {
        const int32_t last = r.len > 0 ? (r.len - 1) / c.block_tokens : -1;
        const int32_t *row = c.page_table + (int64_t)r.slot * c.table_stride;

        /* repeat the last page: entries after it are undefined */
        for (int32_t p = thread; p < c.n_pages; p += THREADS)
            c.pages[(int64_t)u * c.n_pages + p] = last < 0 ? 0 : row[min(p, last)];
    }
}

extern "C" int units_launch(const units_call *call, void *stream)
{
    units_kernel<<<(unsigned)call->n_units, THREADS, 0, (cudaStream_t)stream>>>(*call);
    return (int)cudaGetLastError();
}
