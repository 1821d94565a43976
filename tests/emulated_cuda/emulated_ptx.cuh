/* SPDX-License-Identifier: MIT */
/**
 * @file emulated_ptx.cuh  The functions of core/ptx/{ptx,wgmma,tma,cluster}.cuh for the emulator.
 * Included before them: it defines the macros that guard these files.
 *
 * Addresses of shared memory are offsets from the dynamic shared memory of the block, plus 1024.
 * Asynchronous work is done as late as the program allows: copies of cp.async and products of
 * warpgroups when they are waited for. So code that does not wait, or changes what such work reads,
 * gets wrong results. Copies of boxes are done at once.
 */
#ifndef CG_TESTS_EMULATED_PTX_CUH
#define CG_TESTS_EMULATED_PTX_CUH

#include <functional>
#include <vector>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <type_traits>

#include "emulated_cuda.cuh"
#include "emulated_tensor.h"

#define CG_PTX_CUH
#define CG_WGMMA_CUH
#define CG_TMA_CUH
#define CG_CLUSTER_CUH
#define HAS_WGMMA 1

#define DEVICE_INLINE static inline
#define FULL_WARP     0xffffffffu

template <typename T> DEVICE_INLINE void keep_in_registers(T &x)
{
    (void)x;
}

template <typename Element> constexpr bool is_f16 = std::is_same<Element, __half>::value;

/* ---- shared memory -------------------------------------------------------------------------- */

enum { EMULATED_SHARED_BASE = 1024 };

DEVICE_INLINE uint32_t shared_address(const void *p)
{
    return (uint32_t)((const char *)p - (const char *)emulated_dynamic_shared()) +
           EMULATED_SHARED_BASE;
}

DEVICE_INLINE char *emulated_at(uint32_t address)
{
    return (char *)emulated_dynamic_shared() + address - EMULATED_SHARED_BASE;
}

template <typename T> DEVICE_INLINE T *emulated_aligned(uint32_t address, uint32_t bytes)
{
    if (address % bytes)
        emulated_fail("a misaligned address of shared memory");
    return (T *)emulated_at(address);
}

DEVICE_INLINE uint32_t load_4B(uint32_t address)
{
    return *emulated_aligned<uint32_t>(address, 4);
}

DEVICE_INLINE void store_4B(uint32_t address, uint32_t x)
{
    *emulated_aligned<uint32_t>(address, 4) = x;
}

DEVICE_INLINE float2 load_8B(uint32_t address)
{
    return *emulated_aligned<float2>(address, 8);
}

DEVICE_INLINE void load_16B(uint32_t x[4], uint32_t address)
{
    memcpy(x, emulated_aligned<char>(address, 16), 16);
}

DEVICE_INLINE void store_16B(uint32_t address, const uint32_t x[4])
{
    memcpy(emulated_aligned<char>(address, 16), x, 16);
}

/* ---- asynchronous work of a thread ---------------------------------------------------------- */

typedef std::vector<std::function<void(void)>> emulated_group;

struct emulated_queue {
    emulated_group open;
    std::vector<emulated_group> groups;

    void commit(void)
    {
        groups.push_back(open);
        open.clear();
    }

    void wait(size_t n)
    {
        while (groups.size() > n) {
            for (auto &work : groups.front())
                work();
            groups.erase(groups.begin());
        }
    }

    void finish(void)
    {
        commit();
        wait(0);
    }
};

/* The running thread's queues. */
struct emulated_queues {
    uint64_t block;
    emulated_queue copies, products;
};

DEVICE_INLINE emulated_queues &emulated_queues_of_thread(void)
{
    static emulated_queues of_threads[1024];
    emulated_queues &q = of_threads[emulated_thread()];

    if (q.block != emulated_block_number) {
        q = {};
        q.block = emulated_block_number;
    }
    return q;
}

/* n <= size bytes, and zeros behind them. */
DEVICE_INLINE void emulated_copy(uint32_t dst, const char *src, uint32_t n, uint32_t size)
{
    char *to = emulated_aligned<char>(dst, size);

    if (n > size)
        emulated_fail("a copy of more bytes than it has");
    if (n && (uintptr_t)src % size)
        emulated_fail("a misaligned source of cp.async");
    emulated_queues_of_thread().copies.open.push_back([=] {
        memset(to, 0, size);
        if (n)
            memcpy(to, src, n);
    });
}

DEVICE_INLINE void cp_async_up_to_16B(uint32_t dst, const char *src, int n)
{
    emulated_copy(dst, src, (uint32_t)n, 16);
}

DEVICE_INLINE void cp_async_16B(uint32_t dst, const char *src, bool valid)
{
    emulated_copy(dst, src, valid ? 16 : 0, 16);
}

DEVICE_INLINE void cp_async_4B(uint32_t dst, const char *src, bool valid)
{
    emulated_copy(dst, src, valid ? 4 : 0, 4);
}

/* Kernels run one after the other. */
DEVICE_INLINE void allow_next_kernel(void)
{
}

DEVICE_INLINE void wait_for_earlier_kernels(void)
{
    emulated_wait_for_kernels();
}

DEVICE_INLINE void prefetch_to_l2(const void *p)
{
    (void)p;
}

DEVICE_INLINE void cp_async_commit(void)
{
    emulated_queues_of_thread().copies.commit();
}

template <int N> DEVICE_INLINE void cp_async_wait(void)
{
    emulated_queues_of_thread().copies.wait(N);
}

/* ---- warps ---------------------------------------------------------------------------------- */

/* What the lanes of a warp give each other. */
struct emulated_lane_data {
    uint32_t a[4], b[2];
};

/* Shows `mine` to the warp until emulated_exchange_end(). */
DEVICE_INLINE const emulated_lane_data *emulated_exchange(const emulated_lane_data &mine)
{
    static emulated_lane_data of_threads[1024];

    of_threads[emulated_thread()] = mine;
    __syncwarp();
    return of_threads + emulated_thread() / 32 * 32;
}

DEVICE_INLINE void emulated_exchange_end(void)
{
    __syncwarp();
}

DEVICE_INLINE void ldmatrix_x4(uint32_t r[4], uint32_t address)
{
    const uint32_t lane = emulated_lane();
    const emulated_lane_data *lanes = emulated_exchange({ { address }, {} });

    for (int i = 0; i < 4; i++)
        memcpy(&r[i], emulated_aligned<char>(lanes[8 * i + lane / 4].a[0], 16) + lane % 4 * 4, 4);
    emulated_exchange_end();
}

DEVICE_INLINE void ldmatrix_x4_trans(uint32_t r[4], uint32_t address)
{
    const uint32_t lane = emulated_lane();
    const emulated_lane_data *lanes = emulated_exchange({ { address }, {} });

    for (int i = 0; i < 4; i++) {
        uint16_t x[2];

        for (int e = 0; e < 2; e++)
            memcpy(&x[e],
                   emulated_aligned<char>(lanes[8 * i + lane % 4 * 2 + e].a[0], 16) + lane / 4 * 2,
                   2);
        r[i] = x[0] | (uint32_t)x[1] << 16;
    }
    emulated_exchange_end();
}

DEVICE_INLINE uint32_t transpose_8x8(uint32_t x)
{
    const uint32_t lane = emulated_lane();
    const emulated_lane_data *lanes = emulated_exchange({ { x }, {} });
    uint32_t y = 0;

    for (uint32_t e = 0; e < 2;
         e++) { /* element e of a pair: row 2 (lane % 4) + e, column lane / 4 */
        const uint32_t row = lane % 4 * 2 + e, column = lane / 4;

        y |= (lanes[row * 4 + column / 2].a[0] >> column % 2 * 16 & 0xffff) << 16 * e;
    }
    emulated_exchange_end();
    return y;
}

/* Element e of 0..1 of a pair. */
template <typename Element> DEVICE_INLINE float emulated_element(uint32_t pair, int e)
{
    const uint16_t bits = (uint16_t)(pair >> 16 * e);

    return is_f16<Element> ? __half2float(emulated_bits<__half>(bits))
                           : emulated_bits<float>((uint32_t)bits << 16);
}

/* Element (row, k) of A, as the fragments of a warp; see mma.cuh. */
template <typename Element>
DEVICE_INLINE float emulated_a(const emulated_lane_data *lanes, int row, int k)
{
    return emulated_element<Element>(lanes[row % 8 * 4 + k % 8 / 2].a[k / 8 * 2 + row / 8], k % 2);
}

template <typename Element>
DEVICE_INLINE void mma(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
{
    const int lane = (int)emulated_lane();
    const emulated_lane_data *lanes = emulated_exchange({ { a[0], a[1], a[2], a[3] }, { b0, b1 } });

    for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        double sum = c[i];

        for (int k = 0; k < 16; k++)
            sum += (double)emulated_a<Element>(lanes, row, k) *
                   emulated_element<Element>(lanes[column * 4 + k % 8 / 2].b[k / 8], k % 2);
        c[i] = (float)sum;
    }
    emulated_exchange_end();
}

template <typename Element> DEVICE_INLINE uint32_t pack(float lo, float hi)
{
    if constexpr (is_f16<Element>)
        return emulated_bits<uint32_t>(__floats2half2_rn(lo, hi));
    else
        return emulated_bits<uint32_t>(__floats2bfloat162_rn(lo, hi));
}

DEVICE_INLINE void f16x4_of_e4m3x4(uint32_t y[2], uint32_t x)
{
    for (int i = 0; i < 2; i++) {
        const __half2_raw pair =
            __nv_cvt_fp8x2_to_halfraw2((__nv_fp8x2_storage_t)(x >> 16 * i), __NV_E4M3);

        y[i] = pair.x | (uint32_t)pair.y << 16;
    }
}

DEVICE_INLINE uint32_t pack_i8x4(const float x[4])
{
    uint32_t y = 0;

    for (int i = 0; i < 4; i++)
        y |= ((uint32_t)(isnan(x[i]) ? 0 : (int)rintf(x[i])) & 0xff) << 8 * i;
    return y;
}

DEVICE_INLINE uint32_t subtract_f16x2(uint32_t x, uint32_t y)
{
    return emulated_bits<uint32_t>(
        __floats2half2_rn(emulated_element<__half>(x, 0) - emulated_element<__half>(y, 0),
                          emulated_element<__half>(x, 1) - emulated_element<__half>(y, 1)));
}

template <typename Element> DEVICE_INLINE float unpack(uint32_t x)
{
    return emulated_element<Element>(x, 0);
}

DEVICE_INLINE float exp2_fast(float x)
{
    return exp2f(x);
}

/* ---- barriers in shared memory -------------------------------------------------------------- */

DEVICE_INLINE void share_writes(void)
{
}

DEVICE_INLINE uint32_t multiply_bf16x2(uint32_t x, uint32_t y)
{
    float z[2];

    for (int i = 0; i < 2; i++)
        z[i] = emulated_element<__nv_bfloat16>(x, i) * emulated_element<__nv_bfloat16>(y, i);
    return pack<__nv_bfloat16>(z[0], z[1]);
}

DEVICE_INLINE void share_phase_barriers(void)
{
}

template <int N> DEVICE_INLINE void registers_shrink(void)
{
}

template <int N> DEVICE_INLINE void registers_grow(void)
{
}

template <typename Sum> DEVICE_INLINE void registers_settle(Sum (*c)[4], int n)
{
    (void)c;
    (void)n;
}

DEVICE_INLINE emulated_phase *emulated_phase_at(uint32_t at)
{
    return emulated_aligned<emulated_phase>(at, 8);
}

DEVICE_INLINE void phase_barrier_create(uint32_t at, int n)
{
    emulated_phase_create(emulated_phase_at(at), n);
}

DEVICE_INLINE void phase_arrive(uint32_t at)
{
    emulated_phase_add(emulated_phase_at(at), 1, 0);
}

DEVICE_INLINE void phase_expect(uint32_t at, uint32_t bytes)
{
    emulated_phase_add(emulated_phase_at(at), 1, (int32_t)bytes);
}

DEVICE_INLINE void phase_arrive_copied(uint32_t at)
{
    emulated_queues_of_thread().copies.finish();
    phase_arrive(at);
}

DEVICE_INLINE void emulated_wait_for_phase(emulated_place place, uint32_t at, uint32_t parity)
{
    emulated_phase_wait(emulated_phase_at(at), parity, place);
}

DEVICE_INLINE int emulated_barrier_of(emulated_place place, int waits, int id, int n, int value = 0)
{
    return emulated_named_barrier((uint32_t)id, (uint32_t)n, waits, value, place);
}

#define phase_wait(...)          emulated_wait_for_phase(EMULATED_HERE, __VA_ARGS__)
#define barrier_wait(...)        ((void)emulated_barrier_of(EMULATED_HERE, 1, __VA_ARGS__))
#define barrier_arrive(...)      ((void)emulated_barrier_of(EMULATED_HERE, 0, __VA_ARGS__))
#define warpgroup_barrier(group) barrier_wait(1 + (group), 128)
#define any_thread(...)          (emulated_barrier_of(EMULATED_HERE, 1, 8, __VA_ARGS__) != 0)

/* ---- products of warpgroups ----------------------------------------------------------------- */

DEVICE_INLINE void wgmma_begin(void)
{
}

DEVICE_INLINE void wgmma_commit(void)
{
    emulated_queues_of_thread().products.commit();
}

template <int N> DEVICE_INLINE void wgmma_wait(void)
{
    emulated_queues_of_thread().products.wait(N);
}

DEVICE_INLINE uint32_t shared_descriptor(uint32_t address, uint32_t leading)
{
    return (leading >> 4) << 16 | address >> 4;
}

/* `bytes` behind a descriptor's address, with 128-byte swizzle. */
DEVICE_INLINE const char *emulated_operand_at(uint32_t descriptor, uint32_t bytes)
{
    const uint32_t at = ((descriptor & 0x3fff) << 4) + bytes;

    return emulated_at(at ^ (at >> 7 & 7) << 4);
}

template <typename Element>
DEVICE_INLINE float emulated_operand(uint32_t descriptor, uint32_t bytes)
{
    uint16_t x;

    memcpy(&x, emulated_operand_at(descriptor, bytes), 2);
    return emulated_element<Element>(x, 0);
}

/* Of rows of 128 bytes. */
DEVICE_INLINE uint32_t emulated_row(int row)
{
    return (uint32_t)(row / 8 * 1024 + row % 8 * 128);
}

template <typename Element, int N = 128>
DEVICE_INLINE void wgmma_scores(float (*c)[4], uint32_t q, uint32_t k, int add)
{
    const int lane = (int)emulated_lane(), warp = (int)(emulated_thread() / 32 % 4);

    emulated_queues_of_thread().products.open.push_back([=] {
        for (int h = 0; h < 2; h++) {
            const int row = 16 * warp + lane / 4 + 8 * h;
            float a[16];

            for (int e = 0; e < 16; e++)
                a[e] = emulated_operand<Element>(q, emulated_row(row) + 2 * e);
            for (int n = 0; n < N / 8; n++)
                for (int i = 0; i < 2; i++) {
                    const int token = 8 * n + lane % 4 * 2 + i;
                    double sum = add ? c[n][2 * h + i] : 0;

                    for (int e = 0; e < 16; e++)
                        sum += (double)a[e] *
                               emulated_operand<Element>(k, emulated_row(token) + 2 * e);
                    c[n][2 * h + i] = (float)sum;
                }
        }
    });
}

template <int N> DEVICE_INLINE void wgmma_i8(int32_t (*c)[4], uint32_t a, uint32_t b, int add)
{
    const int lane = (int)emulated_lane(), warp = (int)(emulated_thread() / 32 % 4);

    emulated_queues_of_thread().products.open.push_back([=] {
        for (int i = 0; i < 4; i++)
            for (int n = 0; n < N / 8; n++) {
                const int row = 16 * warp + lane / 4 + i / 2 * 8;
                const int column = 8 * n + lane % 4 * 2 + i % 2;
                int32_t sum = add ? c[n][i] : 0;

                for (int e = 0; e < 32; e++)
                    sum += *(const int8_t *)emulated_operand_at(a, emulated_row(row) + e) *
                           *(const int8_t *)emulated_operand_at(b, emulated_row(column) + e);
                c[n][i] = sum;
            }
    });
}

/* c[N / 8][4] += P V, of which a[h][k] are the elements of P in the thread's rows */
template <int N, typename Element>
DEVICE_INLINE void emulated_values(float (*c)[4], const float (*a)[16], uint32_t v)
{
    const int lane = (int)emulated_lane();
    const uint32_t leading = (v >> 16 & 0x3fff) << 4;

    for (int h = 0; h < 2; h++)
        for (int n = 0; n < N / 8; n++)
            for (int i = 0; i < 2; i++) {
                const int element = 8 * n + lane % 4 * 2 + i;
                double sum = c[n][2 * h + i];

                for (int token = 0; token < 16; token++)
                    sum += (double)a[h][token] *
                           emulated_operand<Element>(v, element / 64 * leading +
                                                            emulated_row(token) + element % 64 * 2);
                c[n][2 * h + i] = (float)sum;
            }
}

template <int N, typename Element>
DEVICE_INLINE void wgmma_values(float (*c)[4], const uint32_t p[4], uint32_t v)
{
    const int lane = (int)emulated_lane();

    emulated_queues_of_thread().products.open.push_back([=] {
        const emulated_lane_data *lanes = emulated_exchange({ { p[0], p[1], p[2], p[3] }, {} });
        float a[2][16];

        for (int h = 0; h < 2; h++)
            for (int token = 0; token < 16; token++)
                a[h][token] = emulated_a<Element>(lanes, lane / 4 + 8 * h, token);
        emulated_values<N, Element>(c, a, v);
        emulated_exchange_end();
    });
}

template <typename Element> DEVICE_INLINE void wgmma_values(float (*c)[4], uint32_t p, uint32_t v)
{
    const int lane = (int)emulated_lane(), warp = (int)(emulated_thread() / 32 % 4);

    emulated_queues_of_thread().products.open.push_back([=] {
        float a[2][16];

        for (int h = 0; h < 2; h++)
            for (int token = 0; token < 16; token++)
                a[h][token] = emulated_operand<Element>(
                    p, emulated_row(16 * warp + lane / 4 + 8 * h) + 2 * token);
        emulated_values<256, Element>(c, a, v);
    });
}

/* ---- copies of boxes ------------------------------------------------------------------------ */

DEVICE_INLINE void prefetch_map(const CUtensorMap *map)
{
    (void)map;
}

DEVICE_INLINE void emulated_copy_box(uint32_t dst, const CUtensorMap *map, uint32_t barrier,
                                     const int *at)
{
    const emulated_tensor *t = emulated_tensor_of(map);
    uint32_t row = 0;

    if (dst % 128)
        emulated_fail("a misaligned destination of a box");
    for (uint32_t v = 0; v < t->box[4]; v++)
        for (uint32_t w = 0; w < t->box[3]; w++)
            for (uint32_t z = 0; z < t->box[2]; z++)
                for (uint32_t y = 0; y < t->box[1]; y++, row++)
                    for (uint32_t x = 0; x < t->box[0]; x++) {
                        const uint64_t i[5] = { (uint64_t)at[0] + x, (uint64_t)at[1] + y,
                                                (uint64_t)at[2] + z, (uint64_t)at[3] + w,
                                                (uint64_t)at[4] + v };
                        const uint32_t to = dst + row * t->box[0] * t->element + x * t->element;
                        char *out = emulated_at(to ^ (to >> 7 & (t->swizzle == 128 ? 7 : 3)) << 4);
                        const char *from = t->base + i[0] * t->element;
                        bool inside = i[0] < t->size[0];

                        for (int d = 1; d < 5; d++) {
                            from += i[d] * t->stride[d];
                            inside = inside && i[d] < t->size[d];
                        }
                        if (inside)
                            memcpy(out, from, t->element);
                        else
                            memset(out, 0, t->element);
                    }
    emulated_phase_add(emulated_phase_at(barrier), 0, -(int32_t)(row * t->box[0] * t->element));
}

/* At these coordinates; the others are 0. */
#define EMULATED_COPY_BOX(...)                                                                     \
    do {                                                                                           \
        const int at[5] = { __VA_ARGS__ };                                                         \
        emulated_copy_box(dst, map, barrier, at);                                                  \
    } while (0)

DEVICE_INLINE void copy_box(uint32_t dst, const CUtensorMap *map, uint32_t barrier, int x, int y)
{
    EMULATED_COPY_BOX(x, y);
}

DEVICE_INLINE void copy_box(uint32_t dst, const CUtensorMap *map, uint32_t barrier, int x, int y,
                            int z)
{
    EMULATED_COPY_BOX(x, y, z);
}

DEVICE_INLINE void copy_box(uint32_t dst, const CUtensorMap *map, uint32_t barrier, int x, int y,
                            int z, int w)
{
    EMULATED_COPY_BOX(x, y, z, w);
}

DEVICE_INLINE void copy_box(uint32_t dst, const CUtensorMap *map, uint32_t barrier, int x, int y,
                            int z, int w, int v)
{
    EMULATED_COPY_BOX(x, y, z, w, v);
}

/* ---- clusters of one block: the run time offers no larger ones ------------------------------ */

DEVICE_INLINE uint32_t cluster_rank(void)
{
    return 0;
}

DEVICE_INLINE void cluster_barrier(void)
{
    emulated_fail("a cluster of several blocks");
}

DEVICE_INLINE uint32_t cluster_address(uint32_t address, uint32_t rank)
{
    (void)rank;
    return address;
}

DEVICE_INLINE void cluster_store_16B(uint32_t address, const float x[4])
{
    memcpy(emulated_aligned<char>(address, 16), x, 16);
}

DEVICE_INLINE void cluster_fence(void)
{
}

DEVICE_INLINE void cluster_arrive(uint32_t at)
{
    phase_arrive(at);
}

DEVICE_INLINE void cluster_phase_wait(uint32_t at, uint32_t parity)
{
    emulated_wait_for_phase(EMULATED_HERE, at, parity);
}

#endif
