/* SPDX-License-Identifier: MIT */
/**
 * @file emulated_cuda.cuh  What kernels use of CUDA beyond the toolkit's headers, for a host
 * compiler. Included before a .cu file by the compiler's command line, after translate.py.
 *
 * Conversions of 16-bit and 8-bit types, vector types and prototypes of the run time are those of
 * the toolkit's headers.
 */
#ifndef CG_TESTS_EMULATED_CUDA_CUH
#define CG_TESTS_EMULATED_CUDA_CUH

#include <cstring>
#include <math.h>
#include <tuple>
#include <type_traits>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#include "emulator.h"

/* After the toolkit's headers, which would need nvcc's built-in functions. */
#define __CUDACC__

#undef __shared__
#define __shared__ static
#define __launch_bounds__(...)
#undef __forceinline__
#define __forceinline__ inline /* with sanitizers large functions take minutes to compile */
#define warpSize        32

#define EMULATED_HERE (emulated_place { __FILE__, __LINE__ })

/* translate.py writes it after each shared variable: the first thread of a block that comes by
 * fills the variable. */
#define EMULATED_SHARED(variable)                                                                  \
    do {                                                                                           \
        static uint64_t filled;                                                                    \
        if (filled != emulated_block_number) {                                                     \
            filled = emulated_block_number;                                                        \
            emulated_fill(&variable, sizeof variable);                                             \
        }                                                                                          \
    } while (0)

/* ---- barriers and warps -------------------------------------------------------------------- */

#define __syncthreads() emulated_barrier(EMULATED_HERE)
#define __syncwarp(...) emulated_sync_warp(EMULATED_HERE __VA_OPT__(, ) __VA_ARGS__)
/* for blocks of whole warps */
#define __syncthreads_or(value)                                                                    \
    emulated_named_barrier(0, blockDim.x *blockDim.y *blockDim.z, 1, (value) != 0, EMULATED_HERE)
#define __ballot_sync(mask, x) emulated_ballot(mask, (x) != 0, EMULATED_HERE)
#define __any_sync(mask, x)    ((int)(__ballot_sync(mask, x) != 0))
#define __all_sync(mask, x)    ((int)(__ballot_sync(mask, !(x)) == 0))
#define __activemask()         emulated_active()
#define __shfl_sync(...)       emulated_shuffle_index(EMULATED_HERE, __VA_ARGS__)
#define __shfl_up_sync(...)    emulated_shuffle_up(EMULATED_HERE, __VA_ARGS__)
#define __shfl_down_sync(...)  emulated_shuffle_down(EMULATED_HERE, __VA_ARGS__)
#define __shfl_xor_sync(...)   emulated_shuffle_xor(EMULATED_HERE, __VA_ARGS__)

static inline void emulated_sync_warp(emulated_place place, unsigned mask = 0xffffffffu)
{
    (void)emulated_ballot(mask, 0, place);
}

/* Returns x of lane `from`. */
template <typename T>
static inline T emulated_shuffle_of(emulated_place place, unsigned mask, T x, unsigned from)
{
    uint64_t word = 0;

    static_assert(sizeof x <= sizeof word, "shuffles move at most 8 bytes");
    memcpy(&word, &x, sizeof x);
    word = emulated_shuffle(mask, word, from, place);
    memcpy(&x, &word, sizeof x);
    return x;
}

template <typename T>
static inline T emulated_shuffle_index(emulated_place place, unsigned mask, T x, int from,
                                       int width = 32)
{
    unsigned lane = emulated_lane(), w = (unsigned)width;

    return emulated_shuffle_of(place, mask, x, (lane & ~(w - 1)) | ((unsigned)from & (w - 1)));
}

template <typename T>
static inline T emulated_shuffle_up(emulated_place place, unsigned mask, T x, unsigned step,
                                    int width = 32)
{
    unsigned lane = emulated_lane();

    return emulated_shuffle_of(place, mask, x, lane % (unsigned)width >= step ? lane - step : lane);
}

template <typename T>
static inline T emulated_shuffle_down(emulated_place place, unsigned mask, T x, unsigned step,
                                      int width = 32)
{
    unsigned lane = emulated_lane(), w = (unsigned)width;

    return emulated_shuffle_of(place, mask, x, lane % w + step < w ? lane + step : lane);
}

template <typename T>
static inline T emulated_shuffle_xor(emulated_place place, unsigned mask, T x, int bits,
                                     int width = 32)
{
    unsigned lane = emulated_lane(), w = (unsigned)width, from = lane ^ (unsigned)bits;

    return emulated_shuffle_of(place, mask, x, from < (lane & ~(w - 1)) + w ? from : lane);
}

/** For all lanes of a warp: the result of others would be that of a part of the warp. */
template <typename T> static inline T __reduce_max_sync(unsigned mask, T x)
{
    if (mask != 0xffffffffu)
        emulated_fail("__reduce_max_sync() of a part of a warp");
    for (int step = 16; step; step /= 2) {
        T other = __shfl_xor_sync(mask, x, step);

        x = x > other ? x : other;
    }
    return x;
}

/* ---- atomic operations: a thread is not interrupted between two waits ------------------------ */

template <typename T, typename Operation>
static inline T emulated_atomic(T *at, Operation operation)
{
    T was = *at;

    *at = operation(was);
    return was;
}

/* An argument that is converted to the type of the first. */
template <typename T> using emulated_same = typename std::common_type<T>::type;

template <typename T> static inline T atomicAdd(T *at, emulated_same<T> x)
{
    return emulated_atomic(at, [x](T was) { return (T)(was + x); });
}

template <typename T> static inline T atomicSub(T *at, emulated_same<T> x)
{
    return emulated_atomic(at, [x](T was) { return (T)(was - x); });
}

template <typename T> static inline T atomicMin(T *at, emulated_same<T> x)
{
    return emulated_atomic(at, [x](T was) { return was < x ? was : x; });
}

template <typename T> static inline T atomicMax(T *at, emulated_same<T> x)
{
    return emulated_atomic(at, [x](T was) { return was > x ? was : x; });
}

template <typename T> static inline T atomicOr(T *at, emulated_same<T> x)
{
    return emulated_atomic(at, [x](T was) { return was | x; });
}

template <typename T> static inline T atomicAnd(T *at, emulated_same<T> x)
{
    return emulated_atomic(at, [x](T was) { return was & x; });
}

template <typename T> static inline T atomicExch(T *at, emulated_same<T> x)
{
    return emulated_atomic(at, [x](T) { return x; });
}

template <typename T> static inline T atomicCAS(T *at, emulated_same<T> wanted, emulated_same<T> x)
{
    return emulated_atomic(at, [wanted, x](T was) { return was == wanted ? x : was; });
}

static inline void __threadfence(void)
{
}

static inline void __threadfence_block(void)
{
}

/* ---- numbers --------------------------------------------------------------------------------- */

template <typename To, typename From> static inline To emulated_bits(From x)
{
    To bits;

    static_assert(sizeof bits == sizeof x, "types of one size");
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline unsigned __float_as_uint(float x)
{
    return emulated_bits<unsigned>(x);
}

static inline int __float_as_int(float x)
{
    return emulated_bits<int>(x);
}

static inline float __uint_as_float(unsigned x)
{
    return emulated_bits<float>(x);
}

static inline float __int_as_float(int x)
{
    return emulated_bits<float>(x);
}

/* macros: the C library has functions of these names */
#define __expf(x)    expf(x)
#define __logf(x)    logf(x)
#define __powf(x, y) powf(x, y)

static inline float __fdividef(float x, float y)
{
    return x / y;
}

static inline float rsqrtf(float x)
{
    return 1 / sqrtf(x);
}

static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}

static inline int __clz(int x)
{
    return x ? __builtin_clz((unsigned)x) : 32;
}

static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}

/* Byte i of the result is byte (selector >> 4 i & 7) of y, x. */
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector)
{
    const uint64_t bytes = (uint64_t)y << 32 | x;
    unsigned result = 0;

    for (int i = 0; i < 4; i++)
        result |= (unsigned)(bytes >> 8 * (selector >> 4 * i & 7) & 0xff) << 8 * i;
    return result;
}

template <typename T> static inline T __ldg(const T *at)
{
    return *at;
}

template <typename A, typename B> static inline typename std::common_type<A, B>::type min(A a, B b)
{
    return a < b ? a : b;
}

template <typename A, typename B> static inline typename std::common_type<A, B>::type max(A a, B b)
{
    return a > b ? a : b;
}

static inline float __fmaf_rn(float x, float y, float z)
{
    return fmaf(x, y, z);
}

static inline float __fmul_rn(float x, float y)
{
    return x * y;
}

static inline float __fadd_rn(float x, float y)
{
    return x + y;
}

static inline float __frcp_rn(float x)
{
    return 1.0f / x;
}

static inline float __fsub_rn(float x, float y)
{
    return x - y;
}

static inline float __fdiv_rn(float x, float y)
{
    return x / y;
}

template <typename T> static inline T __ldcg(const T *at)
{
    return *at;
}

static inline void __trap(void)
{
    emulated_fail("__trap()");
}

/* ---- launches -------------------------------------------------------------------------------- */

/** As cudaFuncSetAttribute() and cudaFuncGetAttributes() of the run time. */
template <typename... P>
static inline cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute attribute,
                                               int value)
{
    return cudaFuncSetAttribute((const void *)kernel, attribute, value);
}

template <typename... P>
static inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *ret, void (*kernel)(P...))
{
    return cudaFuncGetAttributes(ret, (const void *)kernel);
}

/** A kernel, its grid and its arguments. */
template <typename... P> struct emulated_call {
    emulated_grid grid;
    void (*kernel)(P...);
    std::tuple<P...> args;

    static void run(const void *arg)
    {
        const emulated_call *call = (const emulated_call *)arg;

        std::apply(call->kernel, call->args);
    }
};

/** Registers a kernel of one parameter for cudaLaunchKernel(). Returns its address. */
template <typename P> static inline const void *emulated_kernel(void (*kernel)(P))
{
    emulated_register((const void *)kernel, sizeof(P), [](const void *kernel, const void *arg) {
        P parameter;

        memcpy((void *)&parameter, arg, sizeof parameter);
        ((void (*)(P))kernel)(parameter);
    });
    return (const void *)kernel;
}

/** A grid, a stream and arguments, which live to the end of the statement. */
template <typename... A> struct emulated_bound {
    emulated_grid grid;
    cudaStream_t stream;
    std::tuple<const A &...> args;
};

struct emulated_configuration {
    emulated_grid grid;
    cudaStream_t stream;

    emulated_configuration(emulated_place place, dim3 blocks, dim3 threads, size_t shared_bytes = 0,
                           cudaStream_t on = nullptr)
        : grid { blocks, threads, shared_bytes, place, 0 }, stream(on)
    {
    }

    template <typename... A> emulated_bound<A...> operator()(const A &...args) const
    {
        return { grid, stream, std::tuple<const A &...>(args...) };
    }
};

/** translate.py writes `kernel<<<grid, ..>>>(args)` as `kernel << emulated_config(grid, ..)(args)`.
 */
#define emulated_config(...) emulated_configuration(EMULATED_HERE, __VA_ARGS__)

template <typename... P, typename... A>
static inline void operator<<(void (*kernel)(P...), const emulated_bound<A...> &bound)
{
    static_assert((std::is_trivially_copyable<P>::value && ...), "arguments are copied as bytes");
    emulated_call<P...> call = { bound.grid, kernel, std::tuple<P...>(bound.args) };

    emulated_launch(&call, sizeof call, emulated_call<P...>::run, (const void *)kernel,
                    bound.stream);
}

#define cudaLaunchKernelEx(...) emulated_launch_kernel(EMULATED_HERE, __VA_ARGS__)

template <typename... P, typename... A>
static inline cudaError_t emulated_launch_kernel(emulated_place place,
                                                 const cudaLaunchConfig_t *config,
                                                 void (*kernel)(P...), const A &...args)
{
    static_assert((std::is_trivially_copyable<P>::value && ...), "arguments are copied as bytes");
    emulated_call<P...> call = { { config->gridDim, config->blockDim, config->dynamicSmemBytes,
                                   place, emulated_is_early(config) },
                                 kernel,
                                 std::tuple<P...>(args...) };

    emulated_launch(&call, sizeof call, emulated_call<P...>::run, (const void *)kernel,
                    config->stream);
    return cudaGetLastError();
}

/** A kernel whose template arguments follow from its arguments, for operator<<. */
#define emulated_deduced(kernel) emulated_deduce([](auto... args) { kernel(args...); })

template <typename F> struct emulated_deduced_kernel {
    F kernel;
};

template <typename F> static inline emulated_deduced_kernel<F> emulated_deduce(F kernel)
{
    return { kernel };
}

/** As emulated_call. */
template <typename F, typename... A> struct emulated_deduced_call {
    emulated_grid grid;
    F kernel;
    std::tuple<A...> args;

    static void run(const void *arg)
    {
        const emulated_deduced_call *call = (const emulated_deduced_call *)arg;

        std::apply(call->kernel, call->args);
    }
};

template <typename F, typename... A>
static inline void operator<<(emulated_deduced_kernel<F> kernel, const emulated_bound<A...> &bound)
{
    static_assert((std::is_trivially_copyable<A>::value && ...), "arguments are copied as bytes");
    emulated_deduced_call<F, A...> call = { bound.grid, kernel.kernel,
                                            std::tuple<A...>(bound.args) };

    emulated_launch(&call, sizeof call, emulated_deduced_call<F, A...>::run, nullptr, bound.stream);
}

#endif
