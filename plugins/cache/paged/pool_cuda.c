/* SPDX-License-Identifier: MIT */
/*
 * GPU memory: address space reserved at creation, memory mapped in slabs, with the driver's virtual
 * memory management. The driver's functions come from the CUDA runtime, so the plugin loads without
 * a driver.
 *
 * Memory is mapped in granules (2 MiB), separately for every plane. With only a few granules per
 * plane the rounding would waste much and growing would gain little: such a pool is one allocation
 * of cudaMalloc().
 */
#include <cuda.h>
#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>
#include <string.h>

#include "cuda_check.h"
#include "kernels.h"
#include "page_kernels.h"
#include "pool.h"
#include "progress.h"

enum { ONE_ALLOCATION_GRANULES = 4 }; /* maximum granules per plane of a pool in one allocation */

/*
 * Unlike on the CPU, committed memory is immediately unavailable to others, so the doubling is
 * limited. Slabs of 4 GiB are 1/20 to 1/35 of a data centre GPU, and take some 10 ms each to map.
 */
static const int64_t AHEAD_MAX = (int64_t)4 << 30;

/* Functions of the driver, in the versions that the types name. */
struct driver {
    PFN_cuGetErrorName_v6000 error_name;
    PFN_cuDeviceGetAttribute_v2000 device_attribute;
    PFN_cuMemGetAllocationGranularity_v10020 granularity;
    PFN_cuMemAddressReserve_v10020 address_reserve;
    PFN_cuMemAddressFree_v10020 address_free;
    PFN_cuMemCreate_v10020 create;
    PFN_cuMemRelease_v10020 release;
    PFN_cuMemMap_v10020 map;
    PFN_cuMemUnmap_v10020 unmap;
    PFN_cuMemSetAccess_v10020 set_access;
};

struct state {
    struct driver driver;
    CUmemAllocationProp prop;
    int64_t granule;
    int64_t *slab_end; /* [plane_stride / granule] end of slab i, in bytes from the plane's start */
    int64_t n_slabs;
    int one_allocation;        /* the pool is allocated by cudaMalloc(), without slabs */
    cg_page_progress progress; /* with a window */
};

static int64_t round_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}

/* Status and text of the result of a driver call; `call` names it. */
static cg_status driver_status(const cg_page_pool *pool, CUresult code, const char *call,
                               cg_error *err)
{
    const struct state *s = pool->state;
    const char *name = NULL;

    if (code == CUDA_SUCCESS)
        return CG_OK;
    if (code == CUDA_ERROR_OUT_OF_MEMORY)
        return pool->host->fail(err, CG_ERR_DEVICE_NOMEM, "KV cache: out of GPU memory (%s)", call);
    if (s->driver.error_name(code, &name) != CUDA_SUCCESS || !name)
        name = "unknown error";
    return pool->host->fail(err, CG_ERR_CUDA, "KV cache: CUDA driver: %s (%d) in %s", name,
                            (int)code, call);
}

static cg_status load_driver(const cg_page_pool *pool, struct driver *ret_driver, cg_error *err)
{
    struct driver *d = ret_driver;
    const struct {
        const char *name;
        unsigned version;
        void **entry;
    } calls[] = {
        { "cuGetErrorName", 6000, (void **)&d->error_name },
        { "cuDeviceGetAttribute", 2000, (void **)&d->device_attribute },
        { "cuMemGetAllocationGranularity", 10020, (void **)&d->granularity },
        { "cuMemAddressReserve", 10020, (void **)&d->address_reserve },
        { "cuMemAddressFree", 10020, (void **)&d->address_free },
        { "cuMemCreate", 10020, (void **)&d->create },
        { "cuMemRelease", 10020, (void **)&d->release },
        { "cuMemMap", 10020, (void **)&d->map },
        { "cuMemUnmap", 10020, (void **)&d->unmap },
        { "cuMemSetAccess", 10020, (void **)&d->set_access },
    };

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        enum cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;

        CG_TRY(CG_CACHE_CUDA(pool->host,
                             cudaGetDriverEntryPointByVersion(calls[i].name, calls[i].entry,
                                                              calls[i].version, cudaEnableDefault,
                                                              &found),
                             err));
        if (found != cudaDriverEntryPointSuccess || !*calls[i].entry)
            return pool->host->fail(err, CG_ERR_UNSUPPORTED,
                                    "KV cache: the NVIDIA driver has no %s(): update it, or use "
                                    "--kv-cache static",
                                    calls[i].name);
    }
    return CG_OK;
}

/* Loads the driver's functions; sets the properties of memory to map and the granule. */
static cg_status open_driver(cg_page_pool *pool, cg_error *err)
{
    struct state *s = pool->state;
    int device = 0, has = 0;
    size_t granule = 0;

    CG_TRY(CG_CACHE_CUDA(pool->host, cudaGetDevice(&device), err));
    CG_TRY(CG_CACHE_CUDA(pool->host, cudaFree(NULL), err)); /* creates the context, if none */
    CG_TRY(load_driver(pool, &s->driver, err));
    CG_TRY(driver_status(pool,
                         s->driver.device_attribute(
                             &has, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, device),
                         "cuDeviceGetAttribute", err));
    if (!has)
        return pool->host->fail(err, CG_ERR_UNSUPPORTED,
                                "KV cache: GPU %d has no virtual memory management: use --kv-cache "
                                "static",
                                device);
    s->prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    s->prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    s->prop.location.id = device;
    CG_TRY(driver_status(
        pool, s->driver.granularity(&granule, &s->prop, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED),
        "cuMemGetAllocationGranularity", err));
    if (granule < 1 || granule > (size_t)1 << 40)
        return pool->host->fail(err, CG_ERR_CUDA,
                                "KV cache: GPU %d maps memory in granules of %zu bytes, wanted 1 "
                                "to 2^40",
                                device, granule);
    s->granule = (int64_t)granule;
    return CG_OK;
}

static cg_status fail_nomem(const cg_page_pool *pool, int64_t bytes, int64_t pages, cg_error *err)
{
    return pool->host->fail(err, CG_ERR_DEVICE_NOMEM,
                            "KV cache: out of GPU memory for %lld bytes (%lld pages of %lld bytes)",
                            (long long)bytes, (long long)pages,
                            (long long)(pool->page_bytes * pool->n_planes));
}

/* Allocates the whole pool by one cudaMalloc(), all pages committed. plane_bytes: of one plane. */
static cg_status allocate_pool(cg_page_pool *pool, int64_t plane_bytes, cg_error *err)
{
    struct state *s = pool->state;
    int64_t bytes = plane_bytes * pool->n_planes; /* at most max_bytes, if limited */
    cudaError_t code = cudaMalloc((void **)&pool->base, (size_t)bytes);

    if (code == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();
        return fail_nomem(pool, bytes, pool->n_pages, err);
    }
    s->one_allocation = 1;
    pool->plane_stride = plane_bytes;
    pool->n_committed = pool->n_pages;
    pool->bytes = bytes;
    return cg_cache_cuda_status(pool->host, code, "cudaMalloc", err);
}

static cg_status reserve_addresses(cg_page_pool *pool, int64_t plane_bytes, cg_error *err)
{
    const cg_cache_config *c = pool->config;
    struct state *s = pool->state;
    CUdeviceptr base = 0;
    int64_t all_planes;
    CUresult code;

    /* Whole granules count against the limit: round each plane's share of it down. */
    if (c->max_bytes && plane_bytes > c->max_bytes / pool->n_planes / s->granule * s->granule) {
        plane_bytes = c->max_bytes / pool->n_planes / s->granule * s->granule;
        pool->n_pages = (int32_t)(plane_bytes / pool->page_bytes);
    }
    if (pool->n_pages < 1)
        return pool->host->fail(err, CG_ERR_DEVICE_NOMEM,
                                "KV cache: the limit of %lld bytes holds no page of %lld bytes",
                                (long long)c->max_bytes,
                                (long long)(pool->page_bytes * pool->n_planes));
    if (plane_bytes > INT64_MAX - s->granule ||
        __builtin_mul_overflow(round_up(plane_bytes, s->granule), pool->n_planes, &all_planes))
        return pool->host->fail(err, CG_ERR_DEVICE_NOMEM,
                                "KV cache: %d pages of %lld bytes are too many", pool->n_pages,
                                (long long)pool->page_bytes);
    pool->plane_stride = round_up(plane_bytes, s->granule);
    s->slab_end = pool->host->alloc(pool->host->ctx, (size_t)(pool->plane_stride / s->granule) *
                                                         sizeof *s->slab_end);
    if (!s->slab_end)
        return pool->host->fail(err, CG_ERR_NOMEM, "KV cache: out of host memory");
    code = s->driver.address_reserve(&base, (size_t)all_planes, (size_t)s->granule, 0, 0);
    if (code == CUDA_ERROR_OUT_OF_MEMORY)
        return pool->host->fail(err, CG_ERR_DEVICE_NOMEM,
                                "KV cache: no address space for %lld bytes (%d slots of %d "
                                "tokens) on the GPU; limit the cache's bytes",
                                (long long)all_planes, c->n_slots, c->max_len);
    pool->base = (char *)base;
    return driver_status(pool, code, "cuMemAddressReserve", err);
}

/* Allocates [n_slots] numbers on the device, each byte `byte`. */
static cg_status alloc_numbers(cg_page_pool *pool, int byte, int32_t **ret, cg_error *err)
{
    const cg_cache_config *c = pool->config;
    size_t bytes = (size_t)c->n_slots * sizeof **ret;

    CG_TRY(CG_CACHE_CUDA(pool->host, cudaMalloc((void **)ret, bytes), err));
    return CG_CACHE_CUDA(pool->host, cudaMemsetAsync(*ret, byte, bytes, (cudaStream_t)c->stream),
                         err);
}

static cg_status create_progress(cg_page_pool *pool, cg_error *err)
{
    const cg_cache_config *c = pool->config;
    struct state *s = pool->state;
    cg_page_progress *p = &s->progress;
    size_t bytes = (size_t)c->n_slots * sizeof *p->progress;

    p->n_slots = c->n_slots;
    p->max_len = c->max_len;
    CG_TRY(CG_CACHE_CUDA(pool->host, cg_page_progress_load(), err));
    CG_TRY(CG_CACHE_CUDA(pool->host,
                         cudaHostAlloc((void **)&p->progress, bytes, cudaHostAllocMapped), err));
    memset(p->progress, 0, bytes);
    pool->progress = p->progress;
    CG_TRY(alloc_numbers(pool, 0, &p->epoch, err));
    return alloc_numbers(pool, CG_NO_POSITION_BYTE, &p->least, err);
}

static cg_status create(cg_page_pool *pool, cg_error *err)
{
    const cg_host *host = pool->host;
    size_t table_bytes = (size_t)pool->n_entries * sizeof *pool->view_table;
    struct state *s = host->alloc(host->ctx, sizeof *s);
    cudaError_t code;
    int64_t plane_bytes;

    if (!s)
        return host->fail(err, CG_ERR_NOMEM, "KV cache: out of host memory");
    *s = (struct state) { 0 };
    pool->state = s;
    pool->ahead_max = AHEAD_MAX;
    CG_TRY(open_driver(pool, err));
    code = cudaMalloc((void **)&pool->view_table, table_bytes);
    if (code == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();
        return host->fail(err, CG_ERR_DEVICE_NOMEM,
                          "KV cache: out of GPU memory for the page table of %zu bytes",
                          table_bytes);
    }
    CG_TRY(cg_cache_cuda_status(host, code, "cudaMalloc", err));
    CG_TRY(CG_CACHE_CUDA(host,
                         cudaMemsetAsync(pool->view_table, 0xff, table_bytes, /* -1: no page */
                                         (cudaStream_t)pool->config->stream),
                         err));
    if (pool->config->window)
        CG_TRY(create_progress(pool, err));
    if (__builtin_mul_overflow((int64_t)pool->n_pages, pool->page_bytes, &plane_bytes))
        return host->fail(err, CG_ERR_DEVICE_NOMEM, "KV cache: %d pages of %lld bytes are too many",
                          pool->n_pages, (long long)pool->page_bytes);
    if (plane_bytes <= ONE_ALLOCATION_GRANULES * s->granule)
        return allocate_pool(pool, plane_bytes, err);
    return reserve_addresses(pool, plane_bytes, err);
}

/* Unmaps a plane slab by slab, as it was mapped. */
static void unmap_plane(cg_page_pool *pool, int64_t plane)
{
    struct state *s = pool->state;
    char *at = pool->base + plane * pool->plane_stride;
    int64_t from = 0;

    for (int64_t i = 0; i < s->n_slabs; i++) {
        s->driver.unmap((CUdeviceptr)(at + from), (size_t)(s->slab_end[i] - from));
        from = s->slab_end[i];
    }
}

static void destroy(cg_page_pool *pool)
{
    struct state *s = pool->state;

    if (!s)
        return;
    if (pool->view_table)
        /* Kernels on any stream may still read pages; without a page table none has started. */
        cudaDeviceSynchronize();
    if (s->one_allocation) {
        cudaFree(pool->base);
    } else if (pool->base) {
        for (int64_t plane = 0; plane < pool->n_planes; plane++)
            unmap_plane(pool, plane);
        s->driver.address_free((CUdeviceptr)pool->base,
                               (size_t)(pool->plane_stride * pool->n_planes));
    }
    cudaFree(pool->view_table);
    cudaFree(s->progress.epoch);
    cudaFree(s->progress.least);
    if (s->progress.progress)
        cudaFreeHost(s->progress.progress);
    pool->host->free(pool->host->ctx, s->slab_end);
    pool->host->free(pool->host->ctx, s);
}

/* Maps memory to bytes [from, to) of a plane; on failure nothing is mapped. */
static cg_status map_slab(cg_page_pool *pool, int64_t plane, int64_t from, int64_t to,
                          cg_error *err)
{
    struct state *s = pool->state;
    const CUmemAccessDesc access = { .location = s->prop.location,
                                     .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
    CUdeviceptr at = (CUdeviceptr)(pool->base + plane * pool->plane_stride + from);
    size_t bytes = (size_t)(to - from);
    CUmemGenericAllocationHandle handle = 0;
    cg_status st;

    CG_TRY(driver_status(pool, s->driver.create(&handle, bytes, &s->prop, 0), "cuMemCreate", err));
    st = driver_status(pool, s->driver.map(at, bytes, 0, handle, 0), "cuMemMap", err);
    s->driver.release(handle); /* a mapping keeps the memory alive; without one, this frees it */
    CG_TRY(st);
    st = driver_status(pool, s->driver.set_access(at, bytes, &access, 1), "cuMemSetAccess", err);
    if (st != CG_OK)
        s->driver.unmap(at, bytes);
    return st;
}

static cg_status commit(cg_page_pool *pool, int32_t pages, cg_error *err)
{
    struct state *s = pool->state;
    int64_t from = s->n_slabs ? s->slab_end[s->n_slabs - 1] : 0;
    int64_t to = round_up(pages * pool->page_bytes, s->granule);
    int64_t committed, plane = 0;
    cg_status st = CG_OK;

    for (; plane < pool->n_planes && st == CG_OK; plane++)
        st = map_slab(pool, plane, from, to, err);
    if (st != CG_OK) {
        /* plane - 1 failed and has nothing to undo */
        for (int64_t done = 0; done < plane - 1; done++)
            s->driver.unmap((CUdeviceptr)(pool->base + done * pool->plane_stride + from),
                            (size_t)(to - from));
        if (st == CG_ERR_DEVICE_NOMEM)
            return fail_nomem(pool, (to - from) * pool->n_planes, pages - pool->n_committed, err);
        return st;
    }
    s->slab_end[s->n_slabs++] = to;
    committed = to / pool->page_bytes;
    pool->n_committed = committed < pool->n_pages ? (int32_t)committed : pool->n_pages;
    pool->bytes = to * pool->n_planes;
    return CG_OK;
}

static cg_status publish(cg_page_pool *pool, int64_t first, int32_t n, cg_error *err)
{
    return cg_cache_cuda_status(pool->host,
                                cg_cache_set_entries_cuda(pool->view_table + first,
                                                          pool->host_table + first, n,
                                                          (cudaStream_t)pool->config->stream),
                                "writing the page table", err);
}

static cg_status copy_pages(cg_page_pool *pool, const cg_page_part *part,
                            const cg_page_copy *copies, int32_t n, cg_error *err)
{
    return cg_cache_cuda_status(
        pool->host, cg_page_copy_cuda(pool, part, copies, n, (cudaStream_t)pool->config->stream),
        "copying pages", err);
}

static cg_status publish_entries(cg_page_pool *pool, const int32_t *entry, int32_t n, cg_error *err)
{
    return cg_cache_cuda_status(
        pool->host, cg_page_publish_cuda(pool, entry, n, (cudaStream_t)pool->config->stream),
        "writing page tables", err);
}

static cg_status track(cg_page_pool *pool, const cg_cache_append *args, cg_error *err)
{
    const struct state *s = pool->state;

    return cg_cache_cuda_status(pool->host, cg_page_progress_cuda(&s->progress, args),
                                "noting positions", err);
}

static cg_status set_epoch(cg_page_pool *pool, int32_t slot, int32_t epoch, cg_error *err)
{
    const struct state *s = pool->state;

    return cg_cache_cuda_status(pool->host,
                                cg_cache_set_entries_cuda(s->progress.epoch + slot, &epoch, 1,
                                                          (cudaStream_t)pool->config->stream),
                                "writing an epoch", err);
}

const cg_page_pool_ops cg_page_pool_cuda = {
    .nomem = CG_ERR_DEVICE_NOMEM,
    .create = create,
    .destroy = destroy,
    .commit = commit,
    .publish = publish,
    .copy_pages = copy_pages,
    .publish_entries = publish_entries,
    .track = track,
    .set_epoch = set_epoch,
};
