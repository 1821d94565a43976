/* SPDX-License-Identifier: MIT */
#include "page_kernels.h"

enum {
    THREADS = 128, /* a head of a page of 16 tokens is 128 vectors for 64 elements of 16 bits */
    /* every GPU and driver takes 4 KiB of launch parameters */
    COPIES = 320,
    ENTRIES = 480,
};

struct page_copies {
    char *part; /* of page 0 in plane 0 */
    int64_t plane_stride;
    int64_t page_bytes;
    int64_t row_bytes;
    int32_t n_rows; /* of a page in one plane */
    int32_t token_bytes;
    cg_page_copy copy[COPIES];
};

struct table_entries {
    int32_t *table;
    int32_t n;
    int32_t entry[ENTRIES];
    int32_t page[ENTRIES];
};

/* Index map. Block (row, copy): row = plane * n_rows + row of the page; thread: units of a row. */
template <typename unit>
static __global__ void __launch_bounds__(THREADS)
    copy_pages_kernel(const __grid_constant__ struct page_copies c)
{
    const cg_page_copy copy = c.copy[blockIdx.y];
    char *row = c.part + blockIdx.x / (uint32_t)c.n_rows * c.plane_stride +
                blockIdx.x % (uint32_t)c.n_rows * c.row_bytes;
    unit *__restrict__ to = (unit *)(row + copy.to * c.page_bytes);
    const unit *__restrict__ from = (const unit *)(row + copy.from * c.page_bytes);
    int32_t n = copy.n_tokens * c.token_bytes / (int32_t)sizeof(unit);

    for (int32_t i = (int32_t)threadIdx.x; i < n; i += THREADS)
        to[i] = from[i];
}

static __global__ void __launch_bounds__(THREADS)
    publish_kernel(const __grid_constant__ struct table_entries e)
{
    for (int32_t i = (int32_t)threadIdx.x; i < e.n; i += THREADS)
        e.table[e.entry[i]] = e.page[i];
}

cudaError_t cg_page_copy_cuda(const cg_page_pool *pool, const cg_page_part *part,
                              const cg_page_copy *copies, int32_t n, cudaStream_t stream)
{
    struct page_copies c = {
        pool->base + part->offset, pool->plane_stride,
        pool->page_bytes,          pool->page_tokens * part->token_bytes,
        (int32_t)part->n_rows,     (int32_t)part->token_bytes,
    };
    uint64_t bits = (uint64_t)(uintptr_t)c.part | (uint64_t)c.plane_stride |
                    (uint64_t)c.page_bytes | (uint64_t)part->token_bytes;
    cudaError_t code = cudaSuccess;

    if (part->n_planes > INT32_MAX / part->n_rows ||
        part->token_bytes > INT32_MAX / pool->page_tokens)
        return cudaErrorInvalidValue;
    for (int32_t done = 0; done < n && code == cudaSuccess; done += COPIES) {
        int32_t now = n - done < COPIES ? n - done : COPIES;
        dim3 grid((uint32_t)(part->n_planes * part->n_rows), (uint32_t)now);

        for (int32_t i = 0; i < now; i++)
            c.copy[i] = copies[done + i];
        if (bits % 16 == 0)
            copy_pages_kernel<uint4><<<grid, THREADS, 0, stream>>>(c);
        else
            copy_pages_kernel<uint16_t><<<grid, THREADS, 0, stream>>>(c);
        code = cudaGetLastError();
    }
    return code;
}

cudaError_t cg_page_publish_cuda(const cg_page_pool *pool, const int32_t *entry, int32_t n,
                                 cudaStream_t stream)
{
    cudaError_t code = cudaSuccess;
    struct table_entries e = { pool->view_table };

    for (int32_t done = 0; done < n && code == cudaSuccess; done += ENTRIES) {
        e.n = n - done < ENTRIES ? n - done : ENTRIES;
        for (int32_t i = 0; i < e.n; i++) {
            e.entry[i] = entry[done + i];
            e.page[i] = pool->host_table[e.entry[i]];
        }
        publish_kernel<<<1, THREADS, 0, stream>>>(e);
        code = cudaGetLastError();
    }
    return code;
}
