/* SPDX-License-Identifier: MIT */
/*
 * Kernels for one activation type. layers.cu includes this file once per type, with the macros ACT
 * (the type), LOAD8/STORE8 (eight neighbouring elements, 16-byte aligned for bf16, to and from
 * float[8]), LOAD4/STORE4 and FN(name).
 *
 * RMS norms exist twice: for rows of at most 256 * CHUNKS elements a warp computes a row
 * (layers.cu), for wider ones a block. The sum of squares has one order in both up to 8192
 * elements, so its bits depend on the row alone: the tree of warp_sum() over the lanes of 256
 * elements, eight of a lane in their order, then the sums of those 256 in their order.
 *
 * Norms and rope_store() are launched by launch_early(): before wait_for_earlier_kernels() they
 * load nothing but the weights of norms, and write nothing.
 */

/*
 * h = x * weight / rms(x); one block per row, eight elements per thread. On entry v holds the
 * thread's first elements of x and `sum` its sum of squares. Their weights are loaded before the
 * barrier of the block sum; further elements (hidden > 8192) are read again.
 */
static __device__ __forceinline__ void FN(norm_row)(float v[8], const float *x, const float *weight,
                                                    float sum, float eps, int32_t hidden, ACT *h)
{
    float w[8] = { 0, 0, 0, 0, 0, 0, 0, 0 };

    if ((int32_t)threadIdx.x * 8 < hidden)
        load8_f32(weight + threadIdx.x * 8, w);
    sum = rsqrtf(block_sum(sum) / (float)hidden + eps);
    for (int32_t i = threadIdx.x * 8; i < hidden; i += blockDim.x * 8) {
        if (i >= (int32_t)blockDim.x * 8) {
            load8_f32(x + i, v);
            load8_f32(weight + i, w);
        }
        for (int j = 0; j < 8; j++)
            w[j] *= v[j] * sum;
        STORE8(h + i, w);
    }
}

/* The same; one warp per row, which v and w hold as normalise_row_of_warp() wants them. */
template <int CHUNKS>
static __device__ __forceinline__ void FN(norm_row_of_warp)(float v[CHUNKS][8], float w[CHUNKS][8],
                                                            float eps, int32_t hidden, int32_t lane,
                                                            ACT *h)
{
    normalise_row_of_warp<CHUNKS>(v, eps, hidden, w);
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
        if (256 * c + 8 * lane < hidden)
            STORE8(h + 256 * c + 8 * lane, w[c]);
}

/* One block per row. */
static __global__ void FN(embed_norm)(const int32_t *token, const ACT *embed, const float *weight,
                                      float eps, int32_t rows, int32_t hidden, float *x, ACT *h)
{
    int64_t t = blockIdx.x, id;
    float sum = 0, v[8], kept[8];

    allow_next_kernel();
    wait_for_earlier_kernels();
    id = token[t];
    for (int32_t i = threadIdx.x * 8; i < hidden; i += blockDim.x * 8) {
        if (id >= 0)
            LOAD8(embed + id * hidden + i, v);
        else
            for (int j = 0; j < 8; j++)
                v[j] = 0;
        for (int j = 0; j < 8; j++) {
            sum += v[j] * v[j];
            if (i < (int32_t)blockDim.x * 8)
                kept[j] = v[j];
        }
        store8_f32(x + t * hidden + i, v);
    }
    FN(norm_row)(kept, x + t * hidden, weight, sum, eps, hidden, h + t * hidden);
}

/* One warp per row, rows of at most 256 * CHUNKS elements. */
template <int CHUNKS>
static __global__ void __launch_bounds__(NORM_THREADS)
    FN(embed_norm_of_warps)(const int32_t *token, const ACT *embed, const float *weight, float eps,
                            int32_t rows, int32_t hidden, float *x, ACT *h)
{
    const int32_t lane = threadIdx.x % 32, t = blockIdx.x * (NORM_THREADS / 32) + threadIdx.x / 32;
    float v[CHUNKS][8] = {}, w[CHUNKS][8] = {};

    allow_next_kernel();
    load_row_of_warp<CHUNKS>(weight, hidden, lane, w);
    wait_for_earlier_kernels();
    if (t >= rows)
        return;
    x += (int64_t)t * hidden;
    if (token[t] >= 0) {
        embed += (int64_t)token[t] * hidden;
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
            if (256 * c + 8 * lane < hidden)
                LOAD8(embed + 256 * c + 8 * lane, v[c]);
    }
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
        if (256 * c + 8 * lane < hidden)
            store8_f32(x + 256 * c + 8 * lane, v[c]);
    FN(norm_row_of_warp)<CHUNKS>(v, w, eps, hidden, lane, h + (int64_t)t * hidden);
}

/* One block per row. */
static __global__ void FN(rms_norm)(const float *x, const float *weight, float eps,
                                    const int32_t *row, const int32_t *n, int32_t rows,
                                    int32_t hidden, ACT *h)
{
    int64_t t = blockIdx.x, from = t;
    float sum = 0, v[8], kept[8];

    allow_next_kernel();
    wait_for_earlier_kernels();
    if (row) {
        if (t >= *n) {
            for (int j = 0; j < 8; j++)
                v[j] = 0;
            for (int32_t i = threadIdx.x * 8; i < hidden; i += blockDim.x * 8)
                STORE8(h + t * hidden + i, v);
            return;
        }
        from = row[t];
    }
    for (int32_t i = threadIdx.x * 8; i < hidden; i += blockDim.x * 8) {
        load8_f32(x + from * hidden + i, v);
        for (int j = 0; j < 8; j++) {
            sum += v[j] * v[j];
            if (i < (int32_t)blockDim.x * 8)
                kept[j] = v[j];
        }
    }
    FN(norm_row)(kept, x + from * hidden, weight, sum, eps, hidden, h + t * hidden);
}

/* One warp per row, rows of at most 256 * CHUNKS elements. */
template <int CHUNKS>
static __global__ void __launch_bounds__(NORM_THREADS)
    FN(rms_norm_of_warps)(const float *x, const float *weight, float eps, const int32_t *row,
                          const int32_t *n, int32_t rows, int32_t hidden, ACT *h)
{
    const int32_t lane = threadIdx.x % 32, t = blockIdx.x * (NORM_THREADS / 32) + threadIdx.x / 32;
    float v[CHUNKS][8] = {}, w[CHUNKS][8] = {};

    allow_next_kernel();
    load_row_of_warp<CHUNKS>(weight, hidden, lane, w);
    wait_for_earlier_kernels();
    if (t >= rows)
        return;
    h += (int64_t)t * hidden;
    if (row && t >= *n) {
        for (int32_t i = 8 * lane; i < hidden; i += 256)
            STORE8(h + i, v[0]);
        return;
    }
    load_row_of_warp<CHUNKS>(x + (int64_t)(row ? row[t] : t) * hidden, hidden, lane, v);
    FN(norm_row_of_warp)<CHUNKS>(v, w, eps, hidden, lane, h);
}

/* One block per row. */
static __global__ void FN(embed)(const int32_t *token, const int32_t *pos, const ACT *embed,
                                 const ACT *positions, int32_t hidden, float *x)
{
    int64_t t = blockIdx.x, id = token[t], p = pos[t];
    float v[8], w[8] = { 0, 0, 0, 0, 0, 0, 0, 0 };

    for (int32_t i = threadIdx.x * 8; i < hidden; i += blockDim.x * 8) {
        if (id >= 0) {
            LOAD8(embed + id * hidden + i, v);
            if (positions)
                LOAD8(positions + p * hidden + i, w);
        }
        for (int j = 0; j < 8; j++)
            v[j] = id >= 0 ? v[j] + w[j] : 0;
        store8_f32(x + t * hidden + i, v);
    }
}

/* One block per row, eight elements per thread. */
static __global__ void FN(layer_norm)(const float *x, const float *weight, const float *bias,
                                      float eps, const int32_t *row, const int32_t *n,
                                      int32_t hidden, ACT *h)
{
    int64_t t = blockIdx.x;
    int is_used = !row || t < *n;
    float sum = 0, squares = 0, mean, scale, v[8], w[8], b[8];

    x += (row && is_used ? row[t] : t) * hidden;
    for (int32_t i = threadIdx.x * 8; is_used && i < hidden; i += blockDim.x * 8) {
        load8_f32(x + i, v);
        for (int j = 0; j < 8; j++)
            sum += v[j];
    }
    mean = block_sum(sum) / (float)hidden;
    __syncthreads(); /* block_sum() uses the same shared memory again */
    for (int32_t i = threadIdx.x * 8; is_used && i < hidden; i += blockDim.x * 8) {
        load8_f32(x + i, v);
        for (int j = 0; j < 8; j++)
            squares += (v[j] - mean) * (v[j] - mean);
    }
    scale = rsqrtf(block_sum(squares) / (float)hidden + eps);
    for (int32_t i = threadIdx.x * 8; i < hidden; i += blockDim.x * 8) {
        if (is_used) {
            load8_f32(x + i, v);
            load8_f32(weight + i, w);
            load8_f32(bias + i, b);
        }
        for (int j = 0; j < 8; j++)
            v[j] = is_used ? (v[j] - mean) * scale * w[j] + b[j] : 0;
        STORE8(h + t * hidden + i, v);
    }
}

/*
 * Adds the bias to a lane's elements of a head, first to first + 3 in x and those behind the half
 * in y, and normalises heads of q and k. All lanes of a warp call it.
 *
 * @param active  the lane has elements; else x and y are 0
 * @param norms   the lane's weights of the norms of q and of k, in the order of x and y
 */
static __device__ __forceinline__ void
FN(add_bias_and_norm)(const cg_cuda_qkv &a, int32_t head, bool active, int32_t first,
                      int32_t log2_lanes, const float norms[2][8], float x[4], float y[4])
{
    const int32_t half = a.head_dim / 2;
    const bool is_q = head < a.n_heads, is_v = head >= a.n_heads + a.n_kv_heads;
    float w[4], z[4], sum = 0;

    if (a.bias && active) {
        load4_f32(a.bias + head * a.head_dim + first, w);
        load4_f32(a.bias + head * a.head_dim + half + first, z);
        for (int j = 0; j < 4; j++) {
            x[j] += w[j];
            y[j] += z[j];
        }
    }
    if (!a.q_norm && !a.k_norm)
        return;
    for (int j = 0; j < 4; j++)
        sum += x[j] * x[j] + y[j] * y[j];
    for (int32_t step = 1 << log2_lanes >> 1; step > 0; step /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, step);
    if (is_q ? a.q_norm : is_v ? NULL : a.k_norm) {
        const float scale = rsqrtf(sum / (float)a.head_dim + a.eps);

        for (int j = 0; j < 4; j++) {
            x[j] *= scale * (is_q ? norms[0][j] : norms[1][j]);
            y[j] *= scale * (is_q ? norms[0][4 + j] : norms[1][4 + j]);
        }
    }
}

/*
 * A warp processes up to HEADS_IN_FLIGHT * 32 / lanes heads of a row; blockIdx.y names which.
 * `lanes` = 1 << log2_lanes neighbouring lanes process a head. Lane l holds elements 4l to 4l+3 and
 * head_dim/2 + 4l to head_dim/2 + 4l+3: four pairs to rotate. Lanes from head_dim/8 on are idle.
 *
 * @param HAS_MORE    there is a bias or a norm
 * @param HAS_SCALES  keys and values go to a view with scales: the codes of the numbers that are
 *                    stored in a view without
 */
template <bool HAS_MORE, bool HAS_SCALES>
static __global__ void __launch_bounds__(ROPE_THREADS, HAS_MORE || sizeof(ACT) > 2 ? 1
                                                       : HAS_SCALES ? SCALED_ROPE_BLOCKS
                                                                    : ROPE_BLOCKS)
    FN(rope_store)(const __grid_constant__ cg_cuda_qkv a, int32_t log2_lanes)
{
    const int32_t groups = 32 >> log2_lanes, lane = threadIdx.x % 32;
    const int32_t t = blockIdx.x * (ROPE_THREADS / 32) + threadIdx.x / 32;
    const int32_t heads0 = blockIdx.y * (HEADS_IN_FLIGHT * groups); /* first of the warp */
    const int32_t head0 = heads0 + (lane >> log2_lanes);
    const int32_t n_qk = a.n_heads + a.n_kv_heads, n_all = n_qk + a.n_kv_heads;
    const int32_t half = a.head_dim / 2, first = 4 * (lane & ((1 << log2_lanes) - 1));
    const int32_t end = first < half ? n_all : 0; /* of this lane's heads */
    const int32_t kv_element = HAS_SCALES ? 1 : sizeof(ACT);
    ACT *const q = (ACT *)a.qkv + (int64_t)t * (n_all * a.head_dim) + first;
    char *k = (char *)(q + a.n_heads * a.head_dim), *v = (char *)(q + n_qk * a.head_dim);
    int64_t kv_stride = a.head_dim * sizeof(ACT);
    four_elements<ACT> low[HEADS_IN_FLIGHT] = {}, high[HEADS_IN_FLIGHT] = {};
    float c[4] = { 1, 1, 1, 1 }, s[4] = { 0, 0, 0, 0 }, norms[2][8] = {};
    int32_t slot, pos;
    kv_place at = {};

    allow_next_kernel();
    for (int i = 0; HAS_MORE && i < 2; i++) {
        const float *norm = i ? a.k_norm : a.q_norm;

        if (norm && end) {
            load4_f32(norm + first, norms[i]);
            load4_f32(norm + half + first, norms[i] + 4);
        }
    }
    wait_for_earlier_kernels();
    if (t >= a.rows)
        return;
    /* Independent loads come first: the chain of dependent loads determines the run time. No branch
     * depends on `slot` before the stores, else all that follows would wait for it. */
    slot = a.slot[t];
    pos = a.pos[t];
#pragma unroll
    for (int i = 0; i < HEADS_IN_FLIGHT; i++)
        if (head0 + i * groups < end) {
            const ACT *head = q + (head0 + i * groups) * a.head_dim;

            low[i] = *(const four_elements<ACT> *)head;
            high[i] = *(const four_elements<ACT> *)(head + half);
        }
    if (a.cosines && end) {
        load4_f32(a.cosines + (int64_t)pos * half + first, c);
        load4_f32(a.sines + (int64_t)pos * half + first, s);
    }
    if (HAS_SCALES || a.store) {
        at = kv_place_of(&a.view, max(slot, 0), pos);
        k = (char *)a.view.k + kv_offset(&a.view, at, 0) + first * kv_element;
        v = (char *)a.view.v + kv_offset(&a.view, at, 0) + first * kv_element;
        kv_stride = a.view.head_stride;
    }
#pragma unroll
    for (int i = 0; i < HEADS_IN_FLIGHT; i++) {
        const int32_t head = head0 + i * groups;
        const bool is_q = head < a.n_heads, is_k = !is_q && head < n_qk;
        float x[8], *const y = x + 4, scale = 1, inverse = 1;

        LOAD4((const ACT *)&low[i], x);
        LOAD4((const ACT *)&high[i], y);
        if (HAS_MORE)
            FN(add_bias_and_norm)(a, head, head < end, first, log2_lanes, norms, x, y);
        if (is_q || is_k)
            for (int j = 0; j < 4; j++) {
                const float x0 = x[j], y0 = y[j];

                x[j] = x0 * c[j] - y0 * s[j];
                y[j] = y0 * c[j] + x0 * s[j];
            }
        if (HAS_SCALES && heads0 + (i + 1) * groups > a.n_heads) { /* uniform: not all are of q */
            STORE4((ACT *)&low[i], x);
            STORE4((ACT *)&high[i], y);
            LOAD4((const ACT *)&low[i], x);
            LOAD4((const ACT *)&high[i], y);
            scale = cg_kv_scale(most_of_lanes(most_of_8(x, 0), 1 << log2_lanes), a.view.dtype);
            inverse = __frcp_rn(scale);
        }
        if (head < end && slot >= 0) {
            const uint32_t n = is_q ? head : is_k ? head - a.n_heads : head - n_qk;
            const uint64_t stride = is_q ? a.head_dim * sizeof(ACT) : kv_stride;
            char *out = (is_q ? (char *)q : is_k ? k : v) + n * stride;

            if (HAS_SCALES && !is_q) {
                *(uint32_t *)out = quantise_4(x, scale, inverse, a.view.dtype);
                *(uint32_t *)(out + half) = quantise_4(y, scale, inverse, a.view.dtype);
                if (first == 0)
                    *(float *)((char *)(is_k ? a.view.k_scale : a.view.v_scale) +
                               kv_scale_offset(&a.view, at, (int32_t)n)) = scale;
            } else {
                STORE4((ACT *)out, x);
                STORE4((ACT *)out + half, y);
            }
        }
    }
}

/* Eight elements per thread. */
static __global__ void FN(silu_mul)(const ACT *gate_up, int64_t n, int32_t intermediate, ACT *out)
{
    int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * 8;
    int64_t t = i / intermediate, col = i % intermediate;
    float g[8], u[8];

    if (i >= n)
        return;
    LOAD8(gate_up + t * 2 * intermediate + col, g);
    LOAD8(gate_up + t * 2 * intermediate + intermediate + col, u);
    for (int j = 0; j < 8; j++)
        g[j] = g[j] / (1.0f + __expf(-g[j])) * u[j];
    STORE8(out + i, g);
}

/* See ops/elementwise.h. */
static __device__ __forceinline__ float FN(activation)(int32_t kind, float x)
{
    switch (kind) {
    case CG_ACT_SILU:
        return x / (1.0f + __expf(-x));
    case CG_ACT_GELU:
        return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case CG_ACT_GELU_TANH:
        return x / (1.0f + __expf(-1.59576912f * (x + 0.044715f * x * x * x)));
    case CG_ACT_QUICK_GELU:
        return x / (1.0f + __expf(-1.702f * x));
    default: /* CG_ACT_RELU */
        return fmaxf(x, 0.0f);
    }
}

/* Eight elements per thread. */
static __global__ void FN(activate)(const ACT *in, const float *bias, int64_t n,
                                    int32_t intermediate, int32_t is_gated, int32_t activation,
                                    ACT *out)
{
    int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * 8;
    int64_t t = i / intermediate, col = i % intermediate;
    float g[8], u[8] = { 1, 1, 1, 1, 1, 1, 1, 1 }, b[8];

    if (i >= n)
        return;
    in += t * (is_gated ? 2 : 1) * intermediate + col;
    LOAD8(in, g);
    if (bias) {
        load8_f32(bias + col, b);
        for (int j = 0; j < 8; j++)
            g[j] += b[j];
    }
    if (is_gated) {
        LOAD8(in + intermediate, u);
        if (bias) {
            load8_f32(bias + intermediate + col, b);
            for (int j = 0; j < 8; j++)
                u[j] += b[j];
        }
    }
    for (int j = 0; j < 8; j++)
        g[j] = FN(activation)(activation, g[j]) * u[j];
    STORE8(out + i, g);
}

/* One block per row. */
static __global__ void FN(gather_rows)(const ACT *src, const int32_t *row, int32_t n,
                                       int32_t hidden, ACT *dst)
{
    int64_t t = blockIdx.x;
    float v[8] = { 0, 0, 0, 0, 0, 0, 0, 0 };

    for (int32_t i = threadIdx.x * 8; i < hidden; i += blockDim.x * 8) {
        if (t < n)
            LOAD8(src + (int64_t)row[t] * hidden + i, v);
        STORE8(dst + t * hidden + i, v);
    }
}
