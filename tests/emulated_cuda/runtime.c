/* SPDX-License-Identifier: MIT */
/* The functions of the CUDA run time and driver that confgen uses: launches, the device and its
 * memory. */
#include <cuda.h>
#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "emulated_tensor.h"
#include "emulator.h"
#include "streams.h"

enum {
    MAX_ARGS = 8000,
    SHARED_DEFAULT = 48 << 10, /* dynamic shared memory, and at most */
    SHARED_MAX = 227 << 10,
    GRANULE = 2 << 20, /* of mapped memory */
    MAX_KERNELS = 256,
    FILLED = 16 << 20, /* allocations up to this size have contents, as on a GPU */
};

#define MEMORY ((int64_t)1 << 36) /* bytes of the GPU */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the tables below */

static struct range {
    char *at;
    size_t bytes;
    struct range *next;
} * pinned;          /* memory of cudaHostAlloc() */
static int64_t used; /* bytes of the GPU's memory */

/* Kernels that may have more dynamic shared memory. */
static struct {
    const void *kernel;
    size_t shared;
} opted_in[MAX_KERNELS];
static int n_opted_in;

static void use_bytes(int64_t bytes)
{
    pthread_mutex_lock(&lock);
    used += bytes;
    pthread_mutex_unlock(&lock);
}

/* ---- launches ------------------------------------------------------------------------------ */

struct launch {
    void (*body)(const void *arg);
    _Alignas(16) char arg[MAX_ARGS];
};

static void run_launch(const void *arg)
{
    const struct launch *l = arg;

    emulator_run((const emulated_grid *)l->arg, l->body, l->arg);
}

static size_t shared_limit(const void *kernel)
{
    size_t limit = SHARED_DEFAULT;

    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_opted_in; i++)
        if (opted_in[i].kernel == kernel)
            limit = opted_in[i].shared;
    pthread_mutex_unlock(&lock);
    return limit;
}

void emulated_launch(const void *arg, size_t bytes, void (*body)(const void *arg),
                     const void *kernel, cudaStream_t stream)
{
    emulated_grid grid;
    struct launch l = { .body = body };
    const dim3 *b, *t;

    memcpy(&grid, arg, sizeof grid);
    b = &grid.blocks;
    t = &grid.threads;
    if (bytes > sizeof l.arg || b->x < 1 || b->x > INT32_MAX || b->y < 1 || b->y > 65535 ||
        b->z < 1 || b->z > 65535 || t->x < 1 || t->x > 1024 || t->y < 1 || t->y > 1024 ||
        t->z < 1 || t->z > 64 || t->x * t->y * t->z > 1024 ||
        grid.shared_bytes > shared_limit(kernel)) {
        (void)emulated_result(cudaErrorInvalidConfiguration);
        return;
    }
    memcpy(l.arg, arg, bytes);
    emulated_queue(stream, run_launch, &l, offsetof(struct launch, arg) + bytes);
}

/* Kernels that cudaLaunchKernel() knows. */
static struct {
    const void *kernel;
    size_t bytes; /* of the parameter */
    void (*call)(const void *kernel, const void *arg);
} registered[MAX_KERNELS];
static int n_registered;

static int find_registered_locked(const void *kernel)
{
    int i = 0;

    while (i < n_registered && registered[i].kernel != kernel)
        i++;
    return i;
}

void emulated_register(const void *kernel, size_t bytes,
                       void (*call)(const void *kernel, const void *arg))
{
    int i;

    pthread_mutex_lock(&lock);
    i = find_registered_locked(kernel);
    if (i == MAX_KERNELS)
        abort();
    registered[i].kernel = kernel;
    registered[i].bytes = bytes;
    registered[i].call = call;
    n_registered += i == n_registered;
    pthread_mutex_unlock(&lock);
}

struct single {
    emulated_grid grid;
    int kernel; /* of `registered` */
    char arg[MAX_ARGS / 2];
};

static void run_single(const void *arg)
{
    const struct single *s = arg;

    registered[s->kernel].call(registered[s->kernel].kernel, s->arg);
}

static cudaError_t launch_single(const emulated_grid *grid, const void *kernel, void **args,
                                 cudaStream_t stream)
{
    struct single s = { .grid = *grid };
    int is_known;

    pthread_mutex_lock(&lock);
    s.kernel = find_registered_locked(kernel);
    is_known = s.kernel < n_registered;
    pthread_mutex_unlock(&lock);
    if (!is_known || registered[s.kernel].bytes > sizeof s.arg)
        return emulated_result(cudaErrorInvalidDeviceFunction);
    memcpy(s.arg, args[0], registered[s.kernel].bytes);
    emulated_launch(&s, offsetof(struct single, arg) + registered[s.kernel].bytes, run_single,
                    kernel, stream);
    return cudaGetLastError();
}

cudaError_t cudaLaunchKernel(const void *kernel, dim3 blocks, dim3 threads, void **args,
                             size_t shared_bytes, cudaStream_t stream)
{
    const emulated_grid grid = { blocks, threads, shared_bytes, { __FILE__, __LINE__ }, 0 };

    return launch_single(&grid, kernel, args, stream);
}

int emulated_is_early(const cudaLaunchConfig_t *config)
{
    for (unsigned i = 0; i < config->numAttrs; i++)
        if (config->attrs[i].id == cudaLaunchAttributeProgrammaticStreamSerialization &&
            config->attrs[i].val.programmaticStreamSerializationAllowed)
            return 1;
    return 0;
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *kernel, void **args)
{
    const emulated_grid grid = { config->gridDim,
                                 config->blockDim,
                                 config->dynamicSmemBytes,
                                 { __FILE__, __LINE__ },
                                 emulated_is_early(config) };

    return launch_single(&grid, kernel, args, config->stream);
}

/* Blocks run one after another: no clusters of several. */
cudaError_t cudaOccupancyMaxActiveClusters(int *ret_n, const void *kernel,
                                           const cudaLaunchConfig_t *config)
{
    (void)kernel;
    *ret_n = 4;
    for (unsigned i = 0; i < config->numAttrs; i++)
        if (config->attrs[i].id == cudaLaunchAttributeClusterDimension &&
            config->attrs[i].val.clusterDim.x > 1)
            *ret_n = 0;
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *kernel, enum cudaFuncAttribute attribute, int value)
{
    int i = 0;

    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize)
        return cudaSuccess;
    if (value > SHARED_MAX)
        return emulated_result(cudaErrorInvalidValue);
    pthread_mutex_lock(&lock);
    while (i < n_opted_in && opted_in[i].kernel != kernel)
        i++;
    if (i == MAX_KERNELS)
        abort();
    opted_in[i].kernel = kernel;
    opted_in[i].shared = (size_t)value;
    n_opted_in += i == n_opted_in;
    pthread_mutex_unlock(&lock);
    return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *ret, const void *kernel)
{
    *ret = (struct cudaFuncAttributes) {
        .maxDynamicSharedSizeBytes = (int)shared_limit(kernel),
        .maxThreadsPerBlock = 1024,
        .ptxVersion = 90,
    };
    return cudaSuccess;
}

/* ---- device and errors --------------------------------------------------------------------- */

const char *cudaGetErrorString(cudaError_t code)
{
    return cudaGetErrorName(code);
}

const char *cudaGetErrorName(cudaError_t code)
{
    switch ((int)code) {
    case cudaSuccess:
        return "cudaSuccess";
    case cudaErrorInvalidValue:
        return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
        return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
        return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidDevice:
        return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle:
        return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
        return "cudaErrorNotReady";
    case cudaErrorStreamCaptureUnsupported:
        return "cudaErrorStreamCaptureUnsupported";
    default:
        return "another error of the emulated GPU";
    }
}

cudaError_t cudaGetDeviceCount(int *ret_n)
{
    *ret_n = 1;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *ret_index)
{
    *ret_index = 0;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int index)
{
    return index ? emulated_result(cudaErrorInvalidDevice) : cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *ret_prop, int index)
{
    (void)index;
    *ret_prop = (struct cudaDeviceProp) { .name = "emulated GPU" };
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *ret_version)
{
    *ret_version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *ret_version)
{
    *ret_version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *ret_value, enum cudaDeviceAttr attribute, int device)
{
    (void)device;
    switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
        *ret_value = 4; /* few: persistent blocks have several tiles each */
        return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *ret_value = SHARED_MAX;
        return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
        *ret_value = SHARED_MAX + 1024;
        return cudaSuccess;
    case cudaDevAttrL2CacheSize:
        *ret_value = 1 << 20; /* small: bench reads memory beyond it */
        return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
        *ret_value = 9;
        return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
        *ret_value = 0;
        return cudaSuccess;
    default:
        return emulated_result(cudaErrorInvalidValue);
    }
}

cudaError_t cudaDeviceSynchronize(void)
{
    return emulated_synchronize();
}

/* ---- memory -------------------------------------------------------------------------------- */

cudaError_t cudaMemGetInfo(size_t *ret_free, size_t *ret_total)
{
    pthread_mutex_lock(&lock);
    *ret_free = (size_t)(MEMORY - used);
    pthread_mutex_unlock(&lock);
    *ret_total = (size_t)MEMORY;
    return cudaSuccess;
}

static cudaError_t allocate(void **ret, size_t bytes)
{
    if (posix_memalign(ret, 256, bytes))
        return emulated_result(cudaErrorMemoryAllocation);
    if (bytes <= FILLED)
        memset(*ret, 0xff, bytes);
    use_bytes((int64_t)malloc_usable_size(*ret));
    return cudaSuccess;
}

static void release_memory(void *ptr)
{
    use_bytes(-(int64_t)malloc_usable_size(ptr));
    free(ptr);
}

cudaError_t cudaMalloc(void **ret, size_t bytes)
{
    cudaError_t code = emulated_outside_of_captures();

    return code == cudaSuccess ? allocate(ret, bytes) : code;
}

/* Waits for all work, as on a GPU. */
cudaError_t cudaFree(void *ptr)
{
    cudaError_t code = ptr ? emulated_synchronize() : cudaSuccess;

    if (code == cudaSuccess && ptr)
        release_memory(ptr);
    return code;
}

cudaError_t cudaMallocAsync(void **ret, size_t bytes, cudaStream_t stream)
{
    (void)stream;
    return cudaMalloc(ret, bytes);
}

static void run_free(const void *arg)
{
    void *ptr;

    memcpy(&ptr, arg, sizeof ptr);
    release_memory(ptr);
}

cudaError_t cudaFreeAsync(void *ptr, cudaStream_t stream)
{
    cudaError_t code = emulated_outside_of_captures();

    if (code == cudaSuccess && ptr)
        emulated_queue(stream, run_free, &ptr, sizeof ptr);
    return code;
}

cudaError_t cudaHostAlloc(void **ret, size_t bytes, unsigned flags)
{
    struct range *r = malloc(sizeof *r);
    cudaError_t code = emulated_outside_of_captures();

    (void)flags;
    if (code != cudaSuccess || !r || posix_memalign(ret, 256, bytes)) {
        free(r);
        return emulated_result(code == cudaSuccess ? cudaErrorMemoryAllocation : code);
    }
    memset(*ret, 0xff, bytes);
    pthread_mutex_lock(&lock);
    *r = (struct range) { *ret, bytes, pinned };
    pinned = r;
    pthread_mutex_unlock(&lock);
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *ptr)
{
    cudaError_t code = emulated_outside_of_captures();
    struct range *found = NULL;

    if (code != cudaSuccess || !ptr)
        return code;
    pthread_mutex_lock(&lock);
    for (struct range **r = &pinned; *r && !found; r = &(*r)->next)
        if ((*r)->at == ptr) {
            found = *r;
            *r = found->next;
            break;
        }
    pthread_mutex_unlock(&lock);
    if (!found)
        return emulated_result(cudaErrorInvalidValue);
    free(found);
    free(ptr);
    return cudaSuccess;
}

int emulated_is_pinned(const void *at)
{
    int is_pinned = 0;

    pthread_mutex_lock(&lock);
    for (const struct range *r = pinned; r; r = r->next)
        is_pinned |= (const char *)at >= r->at && (const char *)at < r->at + r->bytes;
    pthread_mutex_unlock(&lock);
    return is_pinned;
}

/* ---- virtual memory of the driver: pages without access until they are mapped --------------- */

/* The only handles that the plugins hold at a time are of memory that they map next. */
static int64_t live_handles[64]; /* bytes */

static CUresult CUDAAPI get_error_name(CUresult code, const char **ret_name)
{
    (void)code;
    *ret_name = "an error of the emulated driver";
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI device_attribute(int *ret, CUdevice_attribute attribute, CUdevice device)
{
    (void)device;
    *ret = attribute == CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI granularity(size_t *ret_bytes, const CUmemAllocationProp *prop,
                                    CUmemAllocationGranularity_flags flags)
{
    (void)prop;
    (void)flags;
    *ret_bytes = GRANULE;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI address_reserve(CUdeviceptr *ret, size_t bytes, size_t alignment,
                                        CUdeviceptr at, unsigned long long flags)
{
    void *base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)alignment;
    (void)at;
    (void)flags;
    if (base == MAP_FAILED)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *ret = (CUdeviceptr)base;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI address_free(CUdeviceptr at, size_t bytes)
{
    return munmap((void *)at, bytes) ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

static CUresult CUDAAPI create(CUmemGenericAllocationHandle *ret, size_t bytes,
                               const CUmemAllocationProp *prop, unsigned long long flags)
{
    (void)prop;
    (void)flags;
    if (bytes % GRANULE)
        return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < sizeof live_handles / sizeof *live_handles; i++)
        if (!live_handles[i]) {
            live_handles[i] = (int64_t)bytes;
            *ret = i + 1;
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult CUDAAPI release(CUmemGenericAllocationHandle handle)
{
    live_handles[handle - 1] = 0;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI map(CUdeviceptr at, size_t bytes, size_t offset,
                            CUmemGenericAllocationHandle handle, unsigned long long flags)
{
    (void)flags;
    if (at % GRANULE % 4096 || offset || live_handles[handle - 1] != (int64_t)bytes)
        return CUDA_ERROR_INVALID_VALUE;
    use_bytes((int64_t)bytes);
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI unmap(CUdeviceptr at, size_t bytes)
{
    if (mmap((void *)at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
             -1, 0) == MAP_FAILED)
        return CUDA_ERROR_INVALID_VALUE;
    use_bytes(-(int64_t)bytes);
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI set_access(CUdeviceptr at, size_t bytes, const CUmemAccessDesc *access,
                                   size_t n)
{
    (void)access;
    (void)n;
    if (mprotect((void *)at, bytes, PROT_READ | PROT_WRITE))
        return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
}

static CUresult CUDAAPI encode_tiled(CUtensorMap *ret, CUtensorMapDataType type, cuuint32_t rank,
                                     void *base, const cuuint64_t *size, const cuuint64_t *stride,
                                     const cuuint32_t *box, const cuuint32_t *step,
                                     CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                     CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
    emulated_tensor t = { .base = base, .size = { 1, 1, 1, 1, 1 }, .box = { 1, 1, 1, 1, 1 } };

    (void)promotion;
    (void)fill;
    t.element =
        type == CU_TENSOR_MAP_DATA_TYPE_UINT8                                                 ? 1
        : type == CU_TENSOR_MAP_DATA_TYPE_FLOAT16 || type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 ? 2
                                                                                              : 0;
    t.swizzle = swizzle == CU_TENSOR_MAP_SWIZZLE_128B  ? 128
                : swizzle == CU_TENSOR_MAP_SWIZZLE_64B ? 64
                                                       : 0;
    /* rows shorter than the swizzle are not emulated */
    if (!t.element || !t.swizzle || interleave != CU_TENSOR_MAP_INTERLEAVE_NONE || rank < 1 ||
        rank > 5 || (uintptr_t)base % 16 || box[0] * t.element != t.swizzle)
        return CUDA_ERROR_INVALID_VALUE;
    for (cuuint32_t i = 0; i < rank; i++) {
        if (!size[i] || size[i] > (cuuint64_t)1 << 32 || !box[i] || box[i] > 256 || step[i] != 1)
            return CUDA_ERROR_INVALID_VALUE;
        if (i && (stride[i - 1] % 16 || stride[i - 1] >= (cuuint64_t)1 << 40))
            return CUDA_ERROR_INVALID_VALUE;
        t.size[i] = size[i];
        t.box[i] = box[i];
        t.stride[i] = i ? stride[i - 1] : 0;
    }
    memcpy(ret, &t, sizeof t);
    return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **ret_function,
                                             unsigned version, unsigned long long flags,
                                             enum cudaDriverEntryPointQueryResult *ret_found)
{
    static const struct {
        const char *name;
        void *function;
    } functions[] = {
        { "cuGetErrorName", (void *)get_error_name },
        { "cuDeviceGetAttribute", (void *)device_attribute },
        { "cuMemGetAllocationGranularity", (void *)granularity },
        { "cuMemAddressReserve", (void *)address_reserve },
        { "cuMemAddressFree", (void *)address_free },
        { "cuMemCreate", (void *)create },
        { "cuMemRelease", (void *)release },
        { "cuMemMap", (void *)map },
        { "cuMemUnmap", (void *)unmap },
        { "cuMemSetAccess", (void *)set_access },
        { "cuTensorMapEncodeTiled", (void *)encode_tiled },
    };

    (void)version;
    (void)flags;
    *ret_found = cudaDriverEntryPointSymbolNotFound;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (!strcmp(functions[i].name, name)) {
            *ret_function = functions[i].function;
            *ret_found = cudaDriverEntryPointSuccess;
        }
    return cudaSuccess;
}
