/* SPDX-License-Identifier: MIT */
#include "attention_device.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* Bytes of a row of q (0) and of out (1). */
static int64_t row_bytes(const case_device *d, int32_t out)
{
    const cg_attention_problem *p = &d->problem;

    return (int64_t)p->n_heads * (out ? case_v_dim(p) : p->head_dim) * cg_dtype_size(p->dtype);
}

void *case_struct_of_size(const void *of_this_build, size_t bytes)
{
    char *copy = malloc(bytes);
    uint32_t size = (uint32_t)bytes, known;

    if (!copy)
        abort();
    memcpy(&known, of_this_build, sizeof known);
    memset(copy, 0x5a, bytes);
    memcpy(copy, of_this_build, known < bytes ? known : bytes);
    memcpy(copy, &size, sizeof size);
    return copy;
}

/* Maps the slots of cases to some of the view's. Returns the number of the latter. */
static int32_t select_slots(case_device *d, int32_t n_slots)
{
    const cg_attention_problem *p = &d->problem;
    int32_t n = n_slots, room = p->max_kv_len > 1000 ? 1 : 9, all[CASE_MAX_SEQS + 128];

    if (p->max_kv_len <= 100 && p->head_dim <= 128 && random_in(d->rec, 0, 7) == 0)
        room = 120;
    if (random_in(d->rec, 0, 1))
        n += random_in(d->rec, 1, room);
    for (int32_t i = 0; i < n; i++)
        all[i] = i;
    for (int32_t i = 0; i < n_slots; i++) {
        int32_t j = random_in(d->rec, i, n - 1), t = all[i];

        all[i] = all[j];
        all[j] = t;
    }
    memcpy(d->slot_of, all, (size_t)n_slots * sizeof *all);
    return n;
}

/* Values have strides of their own where they need or may have them: multiples of 16 bytes. */
static void set_value_strides(case_device *d)
{
    const cg_attention_problem *p = &d->problem;
    cg_kv_view *view = &d->view;
    int64_t row = (case_v_dim(p) * (int64_t)cg_dtype_size(p->kv_dtype) + 15) / 16 * 16;

    if (!case_uses(p, CG_ATTENTION_VALUE_SIZE))
        return;
    view->v_head_dim = p->v_head_dim;
    if (case_v_dim(p) <= p->head_dim && random_in(d->rec, 0, 1))
        return;
    row += 16 * random_in(d->rec, 0, 2);
    view->v_token_stride = d->layout.kv_layout == CG_KV_NHD ? row * p->n_kv_heads : row;
    view->v_head_stride = d->layout.kv_layout == CG_KV_NHD ? row : row * view->block_tokens;
    view->v_block_stride = row * p->n_kv_heads * view->block_tokens;
}

int case_device_create(test_recorder *rec, cg_gpu *gpu, const cg_attention_ops *ops, void *plan,
                       const cg_attention_problem *problem, const case_layout *layout,
                       int32_t n_slots, case_device *ret_device)
{
    size_t workspace_bytes = ops->workspace_size(plan);
    const cg_attention_problem *p = problem;
    case_device d = {
        .rec = rec, .gpu = gpu, .ops = ops, .plan = plan, .problem = *p, .layout = *layout
    };
    int64_t row = (p->head_dim * (int64_t)cg_dtype_size(p->kv_dtype) + 15) / 16 * 16;
    int64_t n_blocks, v_block;
    size_t n_table = 0, seqs = (size_t)p->max_seqs;
    cg_kv_view *view = &d.view;

    *view = (cg_kv_view) {
        CG_SIZED(cg_kv_view),
        .device = CG_DEVICE_CUDA,
        .dtype = p->kv_dtype,
        .n_slots = select_slots(&d, n_slots),
        .n_kv_heads = p->n_kv_heads,
        .head_dim = p->head_dim,
        .block_tokens = case_layout_block(layout, p),
        .generation = 1,
    };
    n_blocks = view->n_slots;
    if (layout->page) {
        view->table_stride = (p->max_kv_len + layout->page - 1) / layout->page;
        n_table = (size_t)view->n_slots * (size_t)view->table_stride;
        n_blocks = (int64_t)n_table + 1;
    }
    view->token_stride = layout->kv_layout == CG_KV_NHD ? row * p->n_kv_heads : row;
    view->head_stride = layout->kv_layout == CG_KV_NHD ? row : row * view->block_tokens;
    view->block_stride = row * p->n_kv_heads * view->block_tokens;
    set_value_strides(&d);
    /* enough for values with the strides of keys, too */
    v_block = view->v_block_stride > view->block_stride ? view->v_block_stride : view->block_stride;
    d.q_stride = padded(rec, row_bytes(&d, 0));
    d.out_stride = padded(rec, row_bytes(&d, 1));
    if (gpu_block_create(rec, gpu, (size_t)(view->block_stride * n_blocks), &d.k) &&
        gpu_block_create(rec, gpu, (size_t)(v_block * n_blocks), &d.v) &&
        gpu_block_create(rec, gpu, n_table * sizeof(int32_t), &d.table) &&
        gpu_block_create(rec, gpu, (size_t)(d.q_stride * p->max_tokens), &d.q) &&
        gpu_block_create_wide(rec, gpu, (size_t)(d.out_stride * p->max_tokens), &d.out) &&
        gpu_block_create(rec, gpu, (seqs + 1) * sizeof(int32_t), &d.q_start) &&
        gpu_block_create(rec, gpu, seqs * sizeof(int32_t), &d.slot) &&
        gpu_block_create(rec, gpu, seqs * sizeof(int32_t), &d.kv_len) &&
        test_size_is_sane(rec, workspace_bytes, "workspace_size()"))
        (void)gpu_block_create_wide(rec, gpu, workspace_bytes, &d.workspace);
    d.host_q_start = malloc((seqs + 1) * sizeof *d.host_q_start);
    d.host_kv_len = malloc(seqs * sizeof *d.host_kv_len);
    if (!d.host_q_start || !d.host_kv_len)
        abort();
    if (!d.workspace.base) {
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
    gpu_block *blocks[] = { &d->k,          &d->v,       &d->table,    &d->q,
                            &d->out,        &d->q_start, &d->slot,     &d->kv_len,
                            &d->workspace,  &d->k_scale, &d->v_scale,  &d->alibi_slope,
                            &d->sink_logit, &d->bias,    &d->position, &d->tree };

    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        gpu_block_destroy(blocks[i]);
    free(d->host_q_start);
    free(d->host_kv_len);
}

static void store_head(char *at, const float *from, int32_t n, cg_dtype t)
{
    for (int32_t i = 0; i < n; i++)
        element_store(at + (size_t)i * cg_dtype_size(t), t, from[i]);
}

/* The case in the slots of the device. */
static attention_case in_slots(const case_device *d, const attention_case *ac)
{
    attention_case of_view = *ac;

    of_view.n_slots = d->view.n_slots;
    for (int32_t i = 0; i < ac->n_seqs; i++)
        of_view.slot[i] = d->slot_of[ac->slot[i]];
    return of_view;
}

/* Index of the page of NaN. */
static int32_t page_of_nan(const case_device *d)
{
    return (int32_t)(d->table.bytes / sizeof(int32_t));
}

/* Fills the image of the page table of a case. Entries without valid tokens must not be read. */
static void fill_table(case_device *d, const attention_case *ac)
{
    attention_case of_view = in_slots(d, ac);

    attention_case_table(d->rec, &of_view, d->view.block_tokens, page_of_nan(d),
                         random_in(d->rec, 0, 1) ? page_of_nan(d) : garbage(d->rec),
                         d->view.table_stride, (int32_t *)gpu_block_image(&d->table));
}

/* Loads the page table, with NaN in place of what a window has passed. */
static void load_table(case_device *d, const attention_case *ac)
{
    attention_case of_view = in_slots(d, ac);

    attention_case_give_back(&of_view, d->view.block_tokens, page_of_nan(d), d->view.table_stride,
                             (int32_t *)gpu_block_image(&d->table));
    gpu_block_load_image(&d->table);
}

/* ---- features ------------------------------------------------------------------------------ */

/* Replaces a block by one that holds `data`. */
static void renew(case_device *d, gpu_block *b, const void *data, size_t bytes)
{
    gpu_block_destroy(b);
    if (gpu_block_create(d->rec, d->gpu, bytes, b))
        gpu_block_load(b, data, bytes);
}

/* Scales of the keys (0) or values (1) at the strides of the view. */
static void load_scales(case_device *d, const attention_case *ac, const cg_kv_view *host,
                        int32_t values)
{
    int64_t n_blocks = (int64_t)d->k.bytes / d->view.block_stride;
    size_t bytes =
        (size_t)(host->scale_block_stride * n_blocks + host->scale_head_stride * host->n_kv_heads +
                 host->scale_token_stride * host->block_tokens) +
        sizeof(float);
    char *scales = malloc(bytes);

    if (!scales)
        abort();
    memset(scales, 0xff, bytes);
    for (int32_t i = 0; i < ac->n_seqs; i++)
        for (int32_t j = 0; j < ac->kv_len[i]; j++)
            for (int32_t h = 0; h < host->n_kv_heads; h++) {
                float scale = attention_case_scale(ac, values, i, j, h);

                memcpy(scales + cg_kv_scale_offset(host, d->slot_of[ac->slot[i]], h, j), &scale,
                       sizeof scale);
            }
    renew(d, values ? &d->v_scale : &d->k_scale, scales, bytes);
    free(scales);
}

static void set_scale_strides(case_device *d, const attention_case *ac)
{
    cg_kv_view *view = &d->view;
    int64_t stride = sizeof(float);

    view->scale_token_stride = view->scale_head_stride = view->scale_block_stride = 0;
    if (ac->scale_axes & CASE_SCALE_TOKEN) {
        view->scale_token_stride = stride;
        stride *= view->block_tokens;
    }
    if (ac->scale_axes & CASE_SCALE_HEAD) {
        view->scale_head_stride = stride;
        stride *= view->n_kv_heads;
    }
    if (ac->scale_axes & CASE_SCALE_BLOCK)
        view->scale_block_stride = stride + random_in(d->rec, 0, 2) * (int64_t)sizeof(float);
}

/* Loads slopes, sink logits and scales. `host`: the view, with the page table in host memory. */
static void load_features(case_device *d, const attention_case *ac, const cg_kv_view *host)
{
    size_t heads = (size_t)d->problem.n_heads * sizeof(float);
    cg_kv_view scaled;

    d->view.v = ac->values_in_keys ? d->k.ptr : d->v.ptr;
    if (ac->alibi_slope)
        renew(d, &d->alibi_slope, ac->alibi_slope, heads);
    if (ac->sink_logit)
        renew(d, &d->sink_logit, ac->sink_logit, heads);
    if (!case_uses(&d->problem, CG_ATTENTION_KV_SCALES))
        return;
    set_scale_strides(d, ac);
    scaled = d->view;
    scaled.page_table = host->page_table;
    if (ac->is_scaled[0])
        load_scales(d, ac, &scaled, 0);
    if (ac->is_scaled[1])
        load_scales(d, ac, &scaled, 1);
    d->view.k_scale = ac->is_scaled[0] ? (const float *)d->k_scale.ptr : NULL;
    d->view.v_scale = ac->is_scaled[1] ? (const float *)d->v_scale.ptr : NULL;
}

/* The bias of the rows of a call; padding is NaN. */
static void load_bias(case_device *d, const attention_case *ac, const int32_t *row_of, int32_t n)
{
    const cg_attention_problem *p = &d->problem;
    int64_t size = cg_dtype_size(p->bias_dtype), of_head, of_row;
    int32_t rows = ac->bias_rows > 1 ? n : 1;
    char *bias;

    of_head = (p->max_kv_len + random_in(d->rec, 0, 5)) * size;
    of_row = of_head * ac->bias_heads + random_in(d->rec, 0, 5) * size;
    d->bias_head_stride = ac->bias_heads > 1 ? of_head : 0;
    d->bias_row_stride = ac->bias_rows > 1 ? of_row : 0;
    bias = malloc((size_t)(of_row * rows) + 1);
    if (!bias)
        abort();
    memset(bias, 0xff, (size_t)(of_row * rows));
    for (int32_t t = 0; t < rows; t++)
        for (int32_t h = 0; h < ac->bias_heads; h++) {
            size_t from = ac->bias_rows > 1 ? (size_t)row_of[t] : 0;

            store_head(bias + t * of_row + h * of_head,
                       ac->bias +
                           (from * (size_t)ac->bias_heads + (size_t)h) * (size_t)p->max_kv_len,
                       p->max_kv_len, p->bias_dtype);
        }
    renew(d, &d->bias, bias, (size_t)(of_row * rows));
    free(bias);
}

/* What each of the n rows of a call has. `row_of`: row of the case. */
static void load_row_features(case_device *d, const attention_case *ac, const int32_t *row_of,
                              int32_t n)
{
    size_t words = (size_t)ac->tree_words;

    if (ac->bias)
        load_bias(d, ac, row_of, n);
    if (ac->position) {
        int32_t *position = malloc(((size_t)n + 1) * sizeof *position);

        if (!position)
            abort();
        for (int32_t t = 0; t < n; t++)
            position[t] = ac->position[row_of[t]];
        renew(d, &d->position, position, (size_t)n * sizeof *position);
        free(position);
    }
    if (ac->tree) {
        uint32_t *tree = malloc(((size_t)n * words + 1) * sizeof *tree);

        if (!tree)
            abort();
        for (int32_t t = 0; t < n; t++)
            memcpy(tree + (size_t)t * words, ac->tree + (size_t)row_of[t] * words,
                   words * sizeof *tree);
        renew(d, &d->tree, tree, (size_t)n * words * sizeof *tree);
        d->tree_words = ac->tree_words;
        free(tree);
    }
}

/* ---- loading ------------------------------------------------------------------------------- */

void case_device_load(case_device *d, const attention_case *ac)
{
    const cg_attention_problem *p = &d->problem;
    char *k = gpu_block_image(&d->k), *v = gpu_block_image(&d->v);
    cg_kv_view host; /* of the images */

    if (ac->values_in_keys)
        d->view.v_token_stride = d->view.v_head_stride = d->view.v_block_stride = 0;
    host = d->view;
    memset(k, 0xff, d->k.bytes);
    memset(v, 0xff, d->v.bytes);
    if (d->layout.page) {
        fill_table(d, ac);
        host.page_table = (const int32_t *)gpu_block_image(&d->table);
    }
    for (int32_t i = 0; i < ac->n_seqs; i++)
        for (int32_t j = 0; j < ac->kv_len[i]; j++)
            for (int32_t h = 0; h < p->n_kv_heads; h++) {
                int32_t slot = d->slot_of[ac->slot[i]];

                store_head(k + cg_kv_offset(&host, slot, h, j), attention_case_kv(ac, 0, i, j, h),
                           p->head_dim, p->kv_dtype);
                store_head(v + cg_kv_value_offset(&host, slot, h, j),
                           attention_case_kv(ac, 1, i, j, h), case_v_dim(p), p->kv_dtype);
            }
    gpu_block_load_image(&d->k);
    gpu_block_load_image(&d->v);
    load_features(d, ac, &host);
    if (d->layout.page)
        load_table(d, ac);
}

/* An upper bound of n: itself, or up to max. */
static int32_t bound_of(test_recorder *rec, int32_t n, int32_t max)
{
    int32_t least = n ? n : 1;

    return random_in(rec, 0, 1) ? least : random_in(rec, least, max);
}

void case_device_set_rows(case_device *d, const attention_case *ac, const int32_t *first_row,
                          const int32_t *end_row, int32_t use_max_bounds)
{
    const cg_attention_problem *p = &d->problem;
    int32_t q_start[CASE_MAX_SEQS + 1] = { 0 }, slot[CASE_MAX_SEQS], kv_len[CASE_MAX_SEQS];
    int32_t leave_out = random_in(d->rec, 0, 1), n_seqs = 0, n_rows = 0, *row_of;
    char *q;

    for (int32_t i = 0; i < p->max_seqs; i++) {
        slot[i] = garbage(d->rec);
        kv_len[i] = garbage(d->rec);
    }
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t n = ac->q_start[i + 1] - ac->q_start[i];
        int32_t first = first_row ? first_row[i] : 0, end = end_row ? end_row[i] : n;

        if (end == first && leave_out)
            continue;
        if (end > first) {
            slot[n_seqs] = d->slot_of[ac->slot[i]];
            kv_len[n_seqs] =
                ac->kv_len[i] - (n - end); /* as before the rows from `end` on are appended */
        }
        n_rows += end - first;
        q_start[++n_seqs] = n_rows;
    }
    for (int32_t i = n_seqs; i < p->max_seqs; i++)
        q_start[i + 1] = n_rows;
    d->rows = n_rows;
    d->n_tokens = use_max_bounds ? p->max_tokens : bound_of(d->rec, n_rows, p->max_tokens);
    d->n_seqs = use_max_bounds ? p->max_seqs : bound_of(d->rec, n_seqs, p->max_seqs);
    q = malloc((size_t)(d->q_stride * n_rows) + 1);
    if (!q)
        abort();
    memset(q, 0xff, (size_t)(d->q_stride * n_rows));
    row_of = malloc(((size_t)n_rows + 1) * sizeof *row_of);
    if (!row_of)
        abort();
    n_rows = 0;
    for (int32_t i = 0; i < ac->n_seqs; i++) {
        int32_t n = ac->q_start[i + 1] - ac->q_start[i];
        int32_t first = first_row ? first_row[i] : 0, end = end_row ? end_row[i] : n;

        for (int32_t t = first; t < end; t++) {
            row_of[n_rows] = ac->q_start[i] + t;
            store_head(q + n_rows++ * d->q_stride, attention_case_q(ac, ac->q_start[i] + t),
                       p->n_heads * p->head_dim, p->dtype);
        }
    }
    gpu_block_load(&d->q, q, (size_t)(d->q_stride * n_rows));
    free(q);
    load_row_features(d, ac, row_of, n_rows);
    free(row_of);
    memcpy(d->host_q_start, q_start, ((size_t)d->n_seqs + 1) * sizeof *q_start);
    memcpy(d->host_kv_len, kv_len, (size_t)d->n_seqs * sizeof *kv_len);
    gpu_block_load(&d->q_start, q_start, (size_t)(d->n_seqs + 1) * sizeof *q_start);
    gpu_block_load(&d->slot, slot, (size_t)d->n_seqs * sizeof *slot);
    gpu_block_load(&d->kv_len, kv_len, (size_t)d->n_seqs * sizeof *kv_len);
    gpu_block_poison(&d->out);
    gpu_block_poison(&d->workspace);
}

static cg_status prepare(case_device *d, const cg_attention_args *args, cg_error *err)
{
    cg_attention_args a = *args;

    a.q = a.out = NULL;
    a.kv = NULL;
    return d->ops->prepare(d->plan, &a, d->host_q_start, d->host_kv_len, err);
}

/* Calls run() with structs of d->abi, and prepare() before it if that is wanted. */
static cg_status run(case_device *d, cg_error *err)
{
    const cg_attention_args args = {
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
        .position = (const int32_t *)d->position.ptr,
        .alibi_slope = (const float *)d->alibi_slope.ptr,
        .sink_logit = (const float *)d->sink_logit.ptr,
        .bias = d->bias.ptr,
        .bias_row_stride = d->bias_row_stride,
        .bias_head_stride = d->bias_head_stride,
        .tree_mask = (const uint32_t *)d->tree.ptr,
        .tree_words = d->tree_words,
    };
    cg_attention_args *of_abi;
    cg_kv_view *view;
    cg_status st;

    if (d->is_prepared)
        CG_TRY(prepare(d, &args, err));
    if (d->abi == ABI_SAME)
        return d->ops->run(d->plan, &args, err);
    view = case_struct_of_size(&d->view, d->abi == ABI_1_0 ? offsetof(cg_kv_view, v_head_dim)
                                                           : sizeof *view + 200);
    of_abi = case_struct_of_size(&args, d->abi == ABI_1_0 ? offsetof(cg_attention_args, position)
                                                          : sizeof args + 200);
    of_abi->kv = view;
    st = d->ops->run(d->plan, of_abi, err);
    free(view); /* borrowed for the call only */
    free(of_abi);
    return st;
}

/* Records whether run() succeeded. Returns whether there are results. */
static int expect_run(case_device *d, cg_status st, const cg_error *err)
{
    /* Strides are unknown at planning: run() may refuse NHD. */
    if (st == CG_ERR_MISMATCH && d->layout.kv_layout == CG_KV_NHD) {
        expect(d->rec, err->msg[0] != '\0', "%s: run() refused the view without a text",
               d->layout.name);
        return 0;
    }
    return expect(d->rec, st == CG_OK, "run() of up to %d rows of %d sequences failed (%d): %s",
                  d->n_tokens, d->n_seqs, st, err->msg);
}

int case_device_enqueue(case_device *d)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    if (d->rec->gpu_lost)
        return 0;
    st = run(d, &err);
    return expect_run(d, st, &err);
}

/* Kernels may write rows between the last one and the bound n_tokens, but nothing after the bound
 * or between rows. */
static int out_intact(const case_device *d, const char *out)
{
    case_out o = { .data = (char *)(uintptr_t)out, .stride = d->out_stride, .n = d->n_tokens };

    for (size_t i = (size_t)(d->n_tokens * d->out_stride); i < d->out.bytes; i++)
        if ((unsigned char)out[i] != 0xff)
            return 0;
    return case_out_padding_intact(&o, row_bytes(d, 1)) && gpu_block_guarded(&d->out);
}

void case_device_finish(case_device *d, case_out *ret_out)
{
    const struct {
        gpu_block *block;
        const char *name;
    } inputs[] = { { &d->k, "the keys" },
                   { &d->v, "the values" },
                   { &d->table, "the page table" },
                   { &d->q, "q" },
                   { &d->q_start, "q_start" },
                   { &d->slot, "slot" },
                   { &d->kv_len, "kv_len" },
                   { &d->k_scale, "k_scale" },
                   { &d->v_scale, "v_scale" },
                   { &d->alibi_slope, "alibi_slope" },
                   { &d->sink_logit, "sink_logit" },
                   { &d->bias, "bias" },
                   { &d->position, "position" },
                   { &d->tree, "tree_mask" } };
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
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (inputs[i].block->base) /* else the call has none */
            expect(d->rec, gpu_block_unchanged(inputs[i].block), "run() wrote to %s, or around",
                   inputs[i].name);
    if (d->rec->gpu_lost)
        case_out_destroy(&o);
    *ret_out = o;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void case_device_run_held(case_device *d, case_out *ret_out)
{
    const double limit = 1; /* seconds */
    const struct timespec pause = { 0, 5000000 };
    int32_t device[2] = { 0 }, was_held;
    int64_t taken = 1;
    int untouched;
    double seconds;
    cg_error err = CG_ERROR_INIT;
    cg_status st = CG_OK;

    *ret_out = (case_out) { .data = NULL };
    if (d->rec->gpu_lost ||
        !gpu_ok(d->rec, cg_gpu_hold(d->gpu, limit, &err), &err, "a hold of the stream") ||
        !gpu_ok(d->rec, cg_gpu_current_device(d->gpu, &device[0], &err), &err, "the device"))
        return;
    seconds = now();
    /* other processes on this GPU allocate too, but not at every call */
    for (int i = 0; i < 3 && taken > 0 && st == CG_OK; i++) {
        taken = gpu_free_memory(d->gpu);
        st = run(d, &err);
        /* before a call that makes the device current */
        (void)gpu_ok(d->rec, cg_gpu_current_device(d->gpu, &device[1], &err), &err, "the device");
        taken -= gpu_free_memory(d->gpu);
    }
    seconds = now() - seconds;
    nanosleep(&pause, NULL); /* for work on another stream */
    untouched = gpu_block_is_poison_now(&d->out) && gpu_block_is_poison_now(&d->workspace);
    was_held = cg_gpu_release(d->gpu);
    expect(d->rec, device[0] == device[1], "run() made device %d current, which was %d", device[1],
           device[0]);
    expect(d->rec, taken <= 0, "run() allocated memory of the GPU: %lld bytes", (long long)taken);
    if (was_held)
        expect(d->rec, untouched,
               "run() works on another stream: it wrote to out or to the workspace while its "
               "stream was held");
    else if (seconds > limit / 2)
        expect(d->rec, 0, "run() waited for the stream, which was held for %g s", limit);
    if (expect_run(d, st, &err))
        case_device_finish(d, ret_out);
}
