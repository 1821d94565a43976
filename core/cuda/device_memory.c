/* SPDX-License-Identifier: MIT */
#include "device_memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

cg_status cg_device_alloc(cg_device_memory *m, size_t bytes, void *ret_ptr, cg_error *err)
{
    void *p = NULL;
    cg_status st;

    if (cg_grow((void **)&m->allocations, &m->cap, m->n + 1, sizeof *m->allocations))
        return cg_fail_nomem(err, "model");
    st = CG_CUDA(cudaMalloc(&p, bytes), NULL);
    if (st != CG_OK)
        return cg_fail(err, st, "model: no memory on the GPU for %zu more bytes", bytes);
    m->allocations[m->n++] = p;
    m->bytes += (int64_t)bytes;
    memcpy(ret_ptr, &p, sizeof p);
    return CG_OK;
}

/* Copies one matrix to device memory, converted to type `to`. */
static cg_status upload(const cg_tensor_ref *ref, cg_dtype to, void *dst, cg_error *err)
{
    enum { CHUNK = 1 << 22 }; /* elements converted at a time */
    int64_t chunk_rows = CHUNK / ref->cols > 0 ? CHUNK / ref->cols : 1;
    size_t n_chunk = (size_t)(chunk_rows * ref->cols);
    float *f32;
    void *half = NULL; /* of 2 bytes an element */
    cg_status st = CG_OK;

    if (ref->dtype == to)
        return CG_CUDA(
            cudaMemcpy(dst, ref->data, (size_t)cg_weight_bytes(ref), cudaMemcpyHostToDevice), err);
    f32 = cg_alloc_array(n_chunk, sizeof *f32);
    if (to != CG_F32)
        half = cg_alloc_array(n_chunk, cg_dtype_size(to));
    if (!f32 || (to != CG_F32 && !half)) {
        st = cg_fail_nomem(err, "model");
        goto out;
    }
    for (int64_t row = 0; row < ref->rows; row += chunk_rows) {
        int64_t n = ref->rows - row < chunk_rows ? ref->rows - row : chunk_rows;
        size_t bytes = (size_t)(n * ref->cols) * cg_dtype_size(to);

        cg_weight_to_f32(ref, row, n, f32);
        if (half)
            cg_weight_from_f32(f32, n * ref->cols, to, half);
        CG_TRY_GOTO(st,
                    CG_CUDA(cudaMemcpy((char *)dst + row * ref->cols * cg_dtype_size(to),
                                       half ? half : f32, bytes, cudaMemcpyHostToDevice),
                            err),
                    out);
    }
out:
    free(f32);
    free(half);
    return st;
}

cg_status cg_device_upload(cg_device_memory *m, const cg_tensor_ref *const *parts, int n,
                           cg_dtype to, void *ret_ptr, cg_error *err)
{
    size_t bytes = 0, offset = 0, size = cg_dtype_size(to);
    char *dst;

    for (int i = 0; i < n; i++)
        bytes += (size_t)(parts[i]->rows * parts[i]->cols) * size;
    CG_TRY(cg_device_alloc(m, bytes, &dst, err));
    for (int i = 0; i < n; i++) {
        CG_TRY(upload(parts[i], to, dst + offset, err));
        offset += (size_t)(parts[i]->rows * parts[i]->cols) * size;
    }
    memcpy(ret_ptr, &dst, sizeof dst);
    return CG_OK;
}

void cg_device_memory_finish(cg_device_memory *m)
{
    for (size_t i = 0; i < m->n; i++)
        cudaFree(m->allocations[i]);
    free(m->allocations);
    *m = (cg_device_memory) { 0 };
}
