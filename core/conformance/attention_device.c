/* SPDX-License-Identifier: MIT */
#include "attention_device.h"

#include <stdlib.h>
#include <string.h>

#include "element.h"

/* Invalid as a slot, a length and a page. */
static int32_t garbage(test_recorder *rec)
{
    static const int32_t words[] = { -1, INT32_MAX, INT32_MIN, -12345678, 0x00ffffff };

    return words[random_in(rec, 0, (int32_t)(sizeof words / sizeof *words) - 1)];
}

/* Strides of rows are multiples of 16 bytes, as in the host's buffers. */
static int64_t padded(test_recorder *rec, int64_t row)
{
    return (row + 15) / 16 * 16 + 16 * random_in(rec, 0, 9);
}

static int64_t row_bytes(const case_device *d)
{
    return (int64_t)d->problem.n_heads * d->problem.head_dim * cg_dtype_size(d->problem.dtype);
}

int case_device_create(test_recorder *rec, cg_gpu *gpu, const cg_attention_ops *ops, void *plan,
                       const cg_attention_problem *problem, const case_layout *layout,
                       case_device *ret_device)
{
    size_t workspace_bytes = ops->workspace_size(plan);
    const cg_attention_problem *p = problem;
    case_device d = {
        .rec = rec, .gpu = gpu, .ops = ops, .plan = plan, .problem = *p, .layout = *layout
    };
    int64_t row = p->head_dim * (int64_t)cg_dtype_size(p->kv_dtype), n_blocks = p->max_seqs;
    size_t n_table = 0, seqs = (size_t)p->max_seqs;
    cg_kv_view *view = &d.view;

    *view = (cg_kv_view) {
        CG_SIZED(cg_kv_view),
        .device = CG_DEVICE_CUDA,
        .dtype = p->kv_dtype,
        .n_slots = p->max_seqs,
        .n_kv_heads = p->n_kv_heads,
        .head_dim = p->head_dim,
        .block_tokens = case_layout_block(layout, p),
        .generation = 1,
    };
    if (layout->page) {
        view->table_stride = (p->max_kv_len + layout->page - 1) / layout->page;
        n_table = seqs * (size_t)view->table_stride;
        n_blocks = (int64_t)n_table + 1;
    }
    view->token_stride = layout->kv_layout == CG_KV_NHD ? row * p->n_kv_heads : row;
    view->head_stride = layout->kv_layout == CG_KV_NHD ? row : row * view->block_tokens;
    view->block_stride = row * p->n_kv_heads * view->block_tokens;
    d.q_stride = padded(rec, row_bytes(&d));
    d.out_stride = padded(rec, row_bytes(&d));
    if (gpu_block_create(rec, gpu, (size_t)(view->block_stride * n_blocks), &d.k) &&
        gpu_block_create(rec, gpu, (size_t)(view->block_stride * n_blocks), &d.v) &&
        gpu_block_create(rec, gpu, n_table * sizeof(int32_t), &d.table) &&
        gpu_block_create(rec, gpu, (size_t)(d.q_stride * p->max_tokens), &d.q) &&
        gpu_block_create(rec, gpu, (size_t)(d.out_stride * p->max_tokens), &d.out) &&
        gpu_block_create(rec, gpu, (seqs + 1) * sizeof(int32_t), &d.q_start) &&
        gpu_block_create(rec, gpu, seqs * sizeof(int32_t), &d.slot) &&
        gpu_block_create(rec, gpu, seqs * sizeof(int32_t), &d.kv_len) &&
        test_size_is_sane(rec, workspace_bytes, "workspace_size()"))
        (void)gpu_block_create(rec, gpu, workspace_bytes, &d.workspace);
    d.k_image = malloc(d.k.bytes + 1);
    d.v_image = malloc(d.v.bytes + 1);
    d.table_image = malloc(n_table * sizeof(int32_t) + 1);
    if (!d.workspace.base || !d.k_image || !d.v_image || !d.table_image) {
        case_device_destroy(&d);
        return 0;
    }
    view->k = d.k.ptr;
    view->v = d.v.ptr;
    view->page_table = layout->page ? (const int32_t *)d.table.ptr : NULL;
    *ret_device = d;
    return 1;
}

void case_device_destroy(case_device *d)
{
    gpu_block *blocks[] = { &d->k,       &d->v,    &d->table,  &d->q,        &d->out,
                            &d->q_start, &d->slot, &d->kv_len, &d->workspace };

    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        gpu_block_destroy(blocks[i]);
    free(d->k_image);
    free(d->v_image);
    free(d->table_image);
}

static void store_head(char *at, const float *from, int32_t n, cg_dtype t)
{
    for (int32_t i = 0; i < n; i++)
        element_store(at + (size_t)i * cg_dtype_size(t), t, from[i]);
}

void case_device_load(case_device *d, const attention_case *ac)
{
    const cg_attention_problem *p = &d->problem;
    cg_kv_view host = d->view; /* of the host copies */

    memset(d->k_image, 0xff, d->k.bytes);
    memset(d->v_image, 0xff, d->v.bytes);
    if (d->layout.page) {
        int32_t n_pages = (int32_t)(d->table.bytes / sizeof(int32_t));

        /* table entries without valid tokens must not be read */
        attention_case_table(d->rec, ac, d->view.block_tokens, n_pages,
                             random_in(d->rec, 0, 1) ? n_pages : garbage(d->rec),
                             d->view.table_stride, d->table_image);
        gpu_block_load(&d->table, d->table_image, d->table.bytes);
        host.page_table = d->table_image;
    }
    for (int32_t i = 0; i < ac->n_seqs; i++)
        for (int32_t j = 0; j < ac->kv_len[i]; j++)
            for (int32_t h = 0; h < p->n_kv_heads; h++) {
                int64_t to = cg_kv_offset(&host, ac->slot[i], h, j);

                store_head(d->k_image + to, attention_case_kv(ac, 0, i, j, h), p->head_dim,
                           p->kv_dtype);
                store_head(d->v_image + to, attention_case_kv(ac, 1, i, j, h), p->head_dim,
                           p->kv_dtype);
            }
    gpu_block_load(&d->k, d->k_image, d->k.bytes);
    gpu_block_load(&d->v, d->v_image, d->v.bytes);
}

void case_device_set_rows(case_device *d, const attention_case *ac, const int32_t *first_row,
                          const int32_t *end_row, int32_t use_max_bounds)
{
    const cg_attention_problem *p = &d->problem;
    int32_t q_start[CASE_MAX_SEQS + 1] = { 0 }, slot[CASE_MAX_SEQS];
    int32_t kv_len[CASE_MAX_SEQS], n_rows;
    char *q;

    for (int32_t i = 0; i < p->max_seqs; i++) {
        slot[i] = garbage(d->rec);
        kv_len[i] = garbage(d->rec);
    }
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t n = ac->q_start[i + 1] - ac->q_start[i];
        int32_t first = first_row ? first_row[i] : 0, end = end_row ? end_row[i] : n;

        q_start[i + 1] = q_start[i] + end - first;
        if (end > first) {
            slot[i] = ac->slot[i];
            kv_len[i] =
                ac->kv_len[i] - (n - end); /* as before the rows from `end` on are appended */
        }
    }
    n_rows = q_start[ac->n_seqs];
    for (int32_t i = ac->n_seqs; i < p->max_seqs; i++)
        q_start[i + 1] = n_rows;
    d->rows = n_rows;
    d->n_tokens =
        use_max_bounds ? p->max_tokens : random_in(d->rec, n_rows ? n_rows : 1, p->max_tokens);
    d->n_seqs = use_max_bounds ? p->max_seqs : random_in(d->rec, ac->n_seqs, p->max_seqs);
    q = malloc((size_t)(d->q_stride * n_rows) + 1);
    if (!q)
        abort();
    memset(q, 0xff, (size_t)(d->q_stride * n_rows));
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t first = ac->q_start[i] + (first_row ? first_row[i] : 0);

        for (int32_t t = q_start[i]; t < q_start[i + 1]; t++)
            store_head(q + t * d->q_stride, attention_case_q(ac, first + t - q_start[i]),
                       p->n_heads * p->head_dim, p->dtype);
    }
    gpu_block_load(&d->q, q, (size_t)(d->q_stride * n_rows));
    free(q);
    gpu_block_load(&d->q_start, q_start, (size_t)(d->n_seqs + 1) * sizeof *q_start);
    gpu_block_load(&d->slot, slot, (size_t)d->n_seqs * sizeof *slot);
    gpu_block_load(&d->kv_len, kv_len, (size_t)d->n_seqs * sizeof *kv_len);
    gpu_block_poison(&d->out);
    gpu_block_poison(&d->workspace);
}

int case_device_enqueue(case_device *d)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    if (d->rec->gpu_lost)
        return 0;
    st = d->ops->run(d->plan,
                     &(cg_attention_args) {
                         CG_SIZED(cg_attention_args),
                         .n_tokens = d->n_tokens,
                         .n_seqs = d->n_seqs,
                         .q = d->q.ptr,
                         .out = d->out.ptr,
                         .q_stride = d->q_stride,
                         .out_stride = d->out_stride,
                         .q_start = (const int32_t *)d->q_start.ptr,
                         .slot = (const int32_t *)d->slot.ptr,
                         .kv_len = (const int32_t *)d->kv_len.ptr,
                         .kv = &d->view,
                         .workspace = d->workspace.ptr,
                         .stream = cg_gpu_stream(d->gpu),
                     },
                     &err);
    /* Strides are unknown at planning: run() may refuse NHD. */
    if (st == CG_ERR_MISMATCH && d->layout.kv_layout == CG_KV_NHD) {
        expect(d->rec, err.msg[0] != '\0', "%s: run() refused the view without a text",
               d->layout.name);
        return 0;
    }
    return expect(d->rec, st == CG_OK, "run() of up to %d rows of %d sequences failed (%d): %s",
                  d->n_tokens, d->n_seqs, st, err.msg);
}

/* Kernels may write rows between the last one and the bound n_tokens, but nothing after the bound
 * or between rows. */
static int out_intact(const case_device *d, const char *out)
{
    case_out o = { .data = (char *)(uintptr_t)out, .stride = d->out_stride, .n = d->n_tokens };

    for (size_t i = (size_t)(d->n_tokens * d->out_stride); i < d->out.bytes; i++)
        if ((unsigned char)out[i] != 0xff)
            return 0;
    return case_out_padding_intact(&o, row_bytes(d)) && gpu_block_guarded(&d->out);
}

void case_device_finish(case_device *d, case_out *ret_out)
{
    case_out o = { .stride = d->out_stride, .n = d->rows, .dtype = d->problem.dtype };

    *ret_out = o;
    if (d->rec->gpu_lost || !gpu_wait(d->rec, d->gpu, "the work of run()"))
        return;
    o.data = guarded_alloc(d->out.bytes, 64);
    if (!o.data)
        abort();
    gpu_block_read(&d->out, o.data);
    expect(d->rec, out_intact(d, o.data), "run() wrote outside of the rows of out");
    expect(d->rec, gpu_block_guarded(&d->workspace),
           "run() wrote outside of its %zu bytes of workspace", d->workspace.bytes);
    expect(d->rec,
           gpu_block_holds(&d->k, d->k_image) && gpu_block_holds(&d->v, d->v_image) &&
               gpu_block_holds(&d->table, d->table_image),
           "run() wrote to keys, values or page table");
    expect(d->rec,
           gpu_block_guarded(&d->q) && gpu_block_guarded(&d->q_start) &&
               gpu_block_guarded(&d->slot) && gpu_block_guarded(&d->kv_len),
           "run() wrote around q, q_start, slot or kv_len");
    if (d->rec->gpu_lost)
        case_out_destroy(&o);
    *ret_out = o;
}
