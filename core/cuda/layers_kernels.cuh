/* SPDX-License-Identifier: MIT */
/*
 * Kernels for one activation type. layers.cu includes this file once per type, with the macros ACT
 * (the type), LOAD8/STORE8 (eight neighbouring elements, 16-byte aligned for bf16, to and from
 * float[8]), LOAD4/STORE4 and FN(name).
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

static __global__ void FN(embed_norm)(const int32_t *token, const ACT *embed, const float *weight,
                                      float eps, int32_t hidden, float *x, ACT *h)
{
    int64_t t = blockIdx.x, id = token[t];
    float sum = 0, v[8], kept[8];

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

static __global__ void FN(rms_norm)(const float *x, const float *weight, float eps,
                                    const int32_t *row, const int32_t *n, int32_t hidden, ACT *h)
{
    int64_t t = blockIdx.x, from = t;
    float sum = 0, v[8], kept[8];

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
 * `lanes` neighbouring lanes, a power of two, process a head of a row. Lane l holds elements 4l to
 * 4l+3 and head_dim/2 + 4l to head_dim/2 + 4l+3: four pairs to rotate. Lanes from head_dim/8 on are
 * idle.
 */
static __global__ void FN(rope_store)(cg_cuda_qkv a, int32_t lanes)
{
    int32_t n_all = a.n_heads + 2 * a.n_kv_heads, half = a.head_dim / 2;
    int32_t l = (int32_t)threadIdx.x & (lanes - 1);
    int32_t group = (int32_t)(blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes);
    int32_t t = group / n_all, head = group - t * n_all;
    int is_q = head < a.n_heads, is_k = !is_q && head < a.n_heads + a.n_kv_heads;
    int active = t < a.rows && 4 * l < half;
    const float *norm = is_q ? a.q_norm : is_k ? a.k_norm : NULL;
    ACT *row = (ACT *)a.qkv + (int64_t)group * a.head_dim + 4 * l, *out = row;
    float u[4] = { 0, 0, 0, 0 }, v[4] = { 0, 0, 0, 0 }, sum = 0;
    float c[4] = { 1, 1, 1, 1 }, s[4] = { 0, 0, 0, 0 };
    int32_t slot = -1, pos = 0;

    /* independent loads come first: the chain of dependent loads determines the run time */
    if (active) {
        slot = a.slot[t];
        pos = a.pos[t];
        LOAD4(row, u);
        LOAD4(row + half, v);
        if (a.cosines) {
            load4_f32(a.cosines + (int64_t)pos * half + 4 * l, c);
            load4_f32(a.sines + (int64_t)pos * half + 4 * l, s);
        }
        if (a.bias)
            for (int j = 0; j < 4; j++) {
                u[j] += a.bias[head * a.head_dim + 4 * l + j];
                v[j] += a.bias[head * a.head_dim + half + 4 * l + j];
            }
    }
    active = active && slot >= 0;
    if (active && !is_q && a.store) {
        int32_t kv_head = head - a.n_heads - (is_k ? 0 : a.n_kv_heads);
        char *base = (char *)(is_k ? a.view.k : a.view.v);

        out = (ACT *)(base + kv_offset(&a.view, slot, kv_head, pos)) + 4 * l;
    }
    if (a.q_norm || a.k_norm) { /* uniform: all lanes take part in the shuffle */
        for (int j = 0; j < 4; j++)
            sum += u[j] * u[j] + v[j] * v[j];
        for (int32_t step = lanes / 2; step > 0; step /= 2)
            sum += __shfl_xor_sync(0xffffffffu, sum, step);
    }
    if (!active)
        return;
    if (norm) {
        float scale = rsqrtf(sum / (float)a.head_dim + a.eps);

        for (int j = 0; j < 4; j++) {
            u[j] *= scale * norm[4 * l + j];
            v[j] *= scale * norm[half + 4 * l + j];
        }
    }
    if (is_q || is_k)
        for (int j = 0; j < 4; j++) {
            float x = u[j], y = v[j];

            u[j] = x * c[j] - y * s[j];
            v[j] = y * c[j] + x * s[j];
        }
    STORE4(out, u);
    STORE4(out + half, v);
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
