/* SPDX-License-Identifier: MIT */
#include "product.h"

#include <stdlib.h>
#include <string.h>

#include "product_call.h"

enum {
    PANEL_BYTES = 128, /* of a row of a panel */
    GROUP = 32,        /* outputs of a group of columns */
};

/* The kernel of an invariant product has the least sum of estimates for these: steps of 1024
 * and 4096 sequences. */
static const int64_t reference_rows[] = { 1280, 5120 };

typedef CUresult (*encode_fn)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
                              const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
                              const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                              CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

struct cg_product {
    cg_product_shape shape;
    const product_kernel_entry *kernel;
    int32_t row_tiles, n_tiles;
    int32_t n_clusters; /* of the grid */
    encode_fn encode;
    cudaStream_t stream;
};

static int32_t parts_of(int64_t n, int64_t of_part)
{
    return (int32_t)((n + of_part - 1) / of_part);
}

/* ---- selection ------------------------------------------------------------------------------- */

/* Sets up a kernel. Returns in *ret_n how many clusters the GPU runs at a time; 0: it runs none. */
static cg_status set_up(const product_kernel_entry *k, int32_t *ret_n, cg_error *err)
{
    struct cudaFuncAttributes found;
    cudaLaunchAttribute attribute = { .id = cudaLaunchAttributeClusterDimension };
    cudaLaunchConfig_t config = {
        .gridDim = { (unsigned)k->split, 1, 1 },
        .blockDim = { (unsigned)k->threads, 1, 1 },
        .dynamicSmemBytes = (size_t)k->shared,
        .attrs = &attribute,
        .numAttrs = 1,
    };

    *ret_n = 0;
    attribute.val.clusterDim.x = (unsigned)k->split;
    attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
    CG_TRY(CG_CUDA(cudaFuncGetAttributes(&found, k->kernel), err));
    if (found.maxThreadsPerBlock < k->threads) /* the stub of other architectures */
        return CG_OK;
    CG_TRY(CG_CUDA(
        cudaFuncSetAttribute(k->kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, k->shared),
        err));
    return CG_CUDA(cudaOccupancyMaxActiveClusters(ret_n, k->kernel, &config), err);
}

/* Bytes of a number of a and w. */
static int32_t size_of(const cg_product_shape *s)
{
    return s->is_i8 ? 1 : 2;
}

static int64_t panels_of(const cg_product_shape *s)
{
    return s->inputs * size_of(s) / PANEL_BYTES;
}

static int64_t tiles_of(const cg_product_shape *s, const product_kernel_entry *k)
{
    return (int64_t)parts_of(s->rows, k->rows) * parts_of(s->outputs, k->n);
}

/*
 * An estimate of the time of a product, in us on an H200, for the selection alone (NOTES.md). A
 * multiprocessor computes the tiles that fall to it, k->blocks at a time; a panel takes the time of
 * its arithmetic or of its copies; blocks that share a tile send sums.
 */
static double estimate(const cg_product_shape *s, const product_kernel_entry *k,
                       int32_t n_multiprocessors)
{
    const double columns = k->n * (s->end == CG_PRODUCT_SWIGLU ? 2 : 1);
    const double arithmetic = k->rows * columns * 1.2e-5, copies = (k->rows + columns) * 6e-4;
    const double panel = arithmetic > copies ? arithmetic : copies;
    const double panels = (double)panels_of(s) / k->split;
    const int32_t tiles = parts_of(tiles_of(s, k) * k->split, n_multiprocessors);

    return tiles * panel * panels + parts_of(tiles, k->blocks) * 0.6 + (k->split - 1) * 1.2;
}

static int fits(const cg_product_shape *s, const product_kernel_entry *k)
{
    return k->end == s->end && k->is_i8 == s->is_i8 && (!s->is_invariant || k->split == 1) &&
           k->head_dim == (s->end == CG_PRODUCT_HEADS ? s->head_dim : 0) &&
           s->inputs * size_of(s) % PANEL_BYTES == 0 && panels_of(s) >= k->split &&
           s->outputs % GROUP == 0 && s->outputs % (k->head_dim ? k->head_dim : GROUP) == 0;
}

/* The estimate by which the kernel is selected. */
static double selection_estimate(const cg_product_shape *s, const product_kernel_entry *k,
                                 int32_t n_multiprocessors)
{
    cg_product_shape shape = *s;
    double sum = 0;

    if (!s->is_invariant)
        return estimate(s, k, n_multiprocessors);
    for (size_t i = 0; i < sizeof reference_rows / sizeof *reference_rows; i++) {
        shape.rows = reference_rows[i];
        sum += estimate(&shape, k, n_multiprocessors);
    }
    return sum;
}

/* Selects the kernel with the least estimate, the first of several; NULL if none fits and runs. */
static cg_status select_kernel(cg_product *p, cg_error *err)
{
    int n, device, n_multiprocessors;
    const product_kernel_entry *kernels = cg_product_kernels(&n);
    double least = 0;

    CG_TRY(CG_CUDA(cudaGetDevice(&device), err));
    CG_TRY(CG_CUDA(
        cudaDeviceGetAttribute(&n_multiprocessors, cudaDevAttrMultiProcessorCount, device), err));
    for (int i = 0; i < n; i++) {
        const product_kernel_entry *k = &kernels[i];
        double us = selection_estimate(&p->shape, k, n_multiprocessors);
        int32_t n_clusters;

        if (!fits(&p->shape, k) || (p->kernel && us >= least))
            continue;
        CG_TRY(set_up(k, &n_clusters, err));
        if (!n_clusters)
            continue;
        least = us;
        p->kernel = k;
        p->n_clusters = n_clusters;
    }
    return CG_OK;
}

static cg_status find_encode(encode_fn *ret_encode, cg_error *err)
{
    enum cudaDriverEntryPointQueryResult found;
    void *encode = NULL;

    CG_TRY(CG_CUDA(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &encode, 12000,
                                                    cudaEnableDefault, &found),
                   err));
    if (found != cudaDriverEntryPointSuccess)
        return cg_fail(err, CG_ERR_CUDA,
                       "the driver has no cuTensorMapEncodeTiled(), wanted CUDA 12.0");
    memcpy(ret_encode, &encode, sizeof encode);
    return CG_OK;
}

cg_status cg_product_create(const cg_product_shape *shape, cudaStream_t stream,
                            cg_product **ret_product, cg_error *err)
{
    cg_product *p = calloc(1, sizeof *p);
    cg_status st;

    *ret_product = NULL;
    if (!p)
        return cg_fail_nomem(err, "matrix products");
    p->shape = *shape;
    p->stream = stream;
    CG_TRY_GOTO(st, select_kernel(p, err), out);
    if (!p->kernel)
        goto out;
    CG_TRY_GOTO(st, find_encode(&p->encode, err), out);
    p->row_tiles = parts_of(shape->rows, p->kernel->rows);
    p->n_tiles = (int32_t)tiles_of(shape, p->kernel);
    if (p->kernel->split > 1 || p->n_tiles < p->n_clusters)
        p->n_clusters = p->n_tiles;
    *ret_product = p;
    p = NULL;
out:
    cg_product_destroy(p);
    return st;
}

void cg_product_destroy(cg_product *product)
{
    free(product);
}

int32_t cg_product_sums(const cg_product *p)
{
    return parts_of(p->shape.outputs, p->kernel->n) * p->kernel->owners;
}

/* ---- run ------------------------------------------------------------------------------------- */

static cg_status describe(const cg_product *p, uint32_t n, const void *base, const cuuint64_t *size,
                          const cuuint64_t *stride, const cuuint32_t *box, CUtensorMap *ret_map,
                          cg_error *err)
{
    static const cuuint32_t step[] = { 1, 1, 1, 1, 1 };
    CUresult code = p->encode(
        ret_map, p->shape.is_i8 ? CU_TENSOR_MAP_DATA_TYPE_UINT8 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
        n, (void *)(uintptr_t)base, size, stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
        CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
        CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);

    return code == CUDA_SUCCESS
               ? CG_OK
               : cg_fail(err, CG_ERR_CUDA, "cuTensorMapEncodeTiled() failed with CUDA error %d",
                         (int)code);
}

/* The columns of w are ordered as product.cuh explains. */
static cg_status describe_inputs(const cg_product *p, const cg_product_args *args,
                                 product_call *call, cg_error *err)
{
    const cg_product_shape *s = &p->shape;
    const product_kernel_entry *k = p->kernel;
    const cuuint64_t row = (cuuint64_t)(s->inputs * size_of(s));
    const cuuint32_t panel = (cuuint32_t)(PANEL_BYTES / size_of(s));
    const cuuint64_t outputs = (cuuint64_t)s->outputs * (s->end == CG_PRODUCT_SWIGLU ? 2 : 1);
    const cuuint64_t a_size[] = { (cuuint64_t)s->inputs, (cuuint64_t)s->rows };
    const cuuint64_t w_size[] = { (cuuint64_t)s->inputs, 2, 4, 4, outputs / GROUP };
    const cuuint64_t w_stride[] = { row, 8 * row, 2 * row, GROUP * row };
    const cuuint32_t a_box[] = { panel, (cuuint32_t)k->rows };
    const cuuint32_t w_box[] = { panel, 2, 4, 4, (cuuint32_t)k->n / GROUP };

    CG_TRY(describe(p, 2, args->a, a_size, &row, a_box, &call->a, err));
    return describe(p, 5, args->w, w_size, w_stride, w_box, &call->w, err);
}

cg_status cg_product_run(const cg_product *p, const cg_product_args *args, cg_error *err)
{
    const cg_product_shape *s = &p->shape;
    const product_kernel_entry *k = p->kernel;
    product_call call = {
        .square_sums = args->sums,
        .n_parts = args->n_sums,
        .inverse_width = args->n_sums ? 1.0f / (float)args->width : 0,
        .eps = args->n_sums ? args->eps : 1,
        .a_scale = args->a_scale,
        .w_scale = args->w_scale,
        .norm = args->norm,
        .x = args->x,
        .out_square_sums = args->out_sums,
        .out = args->out,
        .rows = (int32_t)s->rows,
        .outputs = (int32_t)s->outputs,
        .k_steps = (int32_t)panels_of(s),
        .row_tiles = p->row_tiles,
        .n_tiles = p->n_tiles,
        .q_norm = args->q_norm,
        .k_norm = args->k_norm,
        .cosines = args->cosines,
        .sines = args->sines,
        .slot = args->slot,
        .pos = args->pos,
        .n_heads = args->n_heads,
        .n_kv_heads = args->n_kv_heads,
        .head_eps = args->head_eps,
        .store = args->store,
        .view = args->view,
    };
    void *params[] = { &call };
    cudaLaunchAttribute attributes[] = {
        { .id = cudaLaunchAttributeProgrammaticStreamSerialization },
        { .id = cudaLaunchAttributeClusterDimension },
    };
    cudaLaunchConfig_t config = {
        .gridDim = { (unsigned)(p->n_clusters * k->split), 1, 1 },
        .blockDim = { (unsigned)k->threads, 1, 1 },
        .dynamicSmemBytes = (size_t)k->shared,
        .stream = p->stream,
        .attrs = attributes,
        .numAttrs = k->split > 1 ? 2 : 1,
    };

    attributes[0].val.programmaticStreamSerializationAllowed = 1;
    attributes[1].val.clusterDim.x = (unsigned)k->split;
    attributes[1].val.clusterDim.y = attributes[1].val.clusterDim.z = 1;
    CG_TRY(describe_inputs(p, args, &call, err));
    return CG_CUDA(cudaLaunchKernelExC(&config, k->kernel, params), err);
}
