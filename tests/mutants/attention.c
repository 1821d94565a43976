/* SPDX-License-Identifier: MIT */
/*
 * naive: attention on the CPU, written from the public headers, with one planted fault: -DBUG=n.
 * BUG 0 is without a fault, and BUG 50, which serves few problems. From BUG 2000 on the plugin also
 * has the features and element types of ABI 1.2; BUG 2000 is without a fault. attention.txt names
 * the check that must detect each.
 *
 *     cc -O2 -fPIC -shared -fvisibility=hidden -DBUG=61 attention.c -lm -o mutant.so
 *     confgen plugins check ./mutant.so
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <confgen/attention.h>
#include <confgen/attention_check.h>

#ifndef BUG
#define BUG 0
#endif

enum {
    HAS_FEATURES = BUG >= 2000,
    CAPS =
        CG_ATTENTION_DETERMINISTIC | (BUG == 616 || BUG == 95 ? 0 : CG_ATTENTION_BATCH_INVARIANT),
    FEATURES = CG_ATTENTION_SOFTCAP | CG_ATTENTION_ALIBI | CG_ATTENTION_SINK_LOGITS |
               CG_ATTENTION_SINK_TOKENS | CG_ATTENTION_BIAS | CG_ATTENTION_NO_MASK |
               CG_ATTENTION_VALUE_SIZE | CG_ATTENTION_KV_SCALES | CG_ATTENTION_POSITIONS |
               CG_ATTENTION_TREE,
    TABLE_ROOM = 8192, /* entries of the page table that BUG 806 and 814 keep */
    SLOT_ROOM = 64,    /* slots of which BUG 815 keeps a number */
};

struct plan {
    const cg_host *host;
    cg_attention_problem problem;
    int32_t v_dim;
    /* state that only faults use */
    const void *first_k;
    const int32_t *first_table;
    int32_t table[TABLE_ROOM];
    float *scratch;
    void *late;
    int64_t calls;
    int32_t prepared_len, first_block_tokens;
    const void *seen;           /* the page table or the keys of the call before */
    float first_key[SLOT_ROOM]; /* the first number of a slot */
    const cg_attention_problem *given;
};

/* Of the plan made last. */
static const cg_attention_problem *last_problem;

/* ---- elements ------------------------------------------------------------------------------ */

static float bf16(uint16_t bits)
{
    uint32_t u = (uint32_t)bits << 16;
    float x;

    memcpy(&x, &u, sizeof x);
    return x;
}

/* A number of `exponent` and `mantissa` bits below a sign bit, as IEEE 754 has it; NaN if all of
 * exponent and mantissa are set. */
static float small_float(uint32_t bits, int exponent, int mantissa)
{
    int32_t e = (int32_t)(bits >> mantissa) & ((1 << exponent) - 1),
            bias = (1 << (exponent - 1)) - 1;
    int32_t m = (int32_t)bits & ((1 << mantissa) - 1);
    float sign = bits >> (exponent + mantissa) & 1 ? -1.0f : 1.0f;

    if (BUG == 2025 && !e) /* no subnormal numbers */
        return 0;
    if (!e)
        return sign * ldexpf((float)m, 1 - bias - mantissa);
    return sign * ldexpf((float)(m + (1 << mantissa)), e - bias - mantissa);
}

static float element(const void *at, int64_t i, cg_dtype t)
{
    const uint8_t *byte = (const uint8_t *)at + i;

    switch (t) {
    case CG_F32:
        return ((const float *)at)[i];
    case CG_BF16:
        return bf16(((const uint16_t *)at)[i]);
    case CG_F16:
        return (float)((const _Float16 *)at)[i];
    case CG_F8_E4M3:
        return (*byte & 0x7f) == 0x7f ? NAN : small_float(*byte, 4, 3);
    case CG_F8_E5M2:
        return (*byte & 0x7f) > 0x7c    ? NAN
               : (*byte & 0x7f) == 0x7c ? (*byte & 0x80 ? -INFINITY : INFINITY)
                                        : small_float(*byte, 5, 2);
    default:
        return BUG == 2026 ? (float)*byte : (float)(int8_t)*byte; /* 2026: unsigned */
    }
}

static void store(void *at, int64_t i, cg_dtype t, float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof u);
    if (t == CG_F32)
        ((float *)at)[i] = x;
    else if (t == CG_F16)
        ((_Float16 *)at)[i] = (_Float16)x;
    else
        ((uint16_t *)at)[i] =
            (uint16_t)(isnan(x) ? u >> 16 | 0x40 : (u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* ---- plan ---------------------------------------------------------------------------------- */

static int has_type(cg_dtype t, int is_cached)
{
    return t == CG_F32 || BUG == 18 || /* claims types and computes f32 */
           (HAS_FEATURES && (t <= CG_F16 || is_cached));
}

static cg_status supports(const cg_host *host, const cg_attention_problem *p, cg_error *err)
{
    if (BUG == 1102) /* supports everything */
        return CG_OK;
    if (BUG == 1105 && p->kv_dtype == CG_I8) /* 8 bits without the feature */
        return CG_OK;
    CG_TRY(cg_attention_check_problem(host, p, BUG == 1103 ? NULL : err)); /* 1103: no reason */
    if (p->device != CG_DEVICE_CPU || !has_type(p->dtype, 0) || !has_type(p->kv_dtype, 1))
        return host->fail(err, CG_ERR_UNSUPPORTED, "naive: q of %s, cache of %s on %s",
                          cg_dtype_name(p->dtype), cg_dtype_name(p->kv_dtype),
                          cg_device_name(p->device));
    if (p->flags & ~(uint32_t)CAPS)
        return host->fail(err, CG_ERR_UNSUPPORTED, "naive: flags 0x%x", p->flags);
    if (BUG == 50 && (!p->paged || p->block_tokens != 16 || p->kv_layout != CG_KV_NHD ||
                      p->head_dim != 128 || p->n_heads != 4 * p->n_kv_heads))
        return host->fail(err, CG_ERR_UNSUPPORTED, "naive: for one model and cache alone");
    if (BUG == 2031 && p->struct_size > sizeof *p) /* refuses newer hosts */
        return host->fail(err, CG_ERR_UNSUPPORTED, "naive: a problem of another size");
    return CG_OK;
}

static cg_status plan(const cg_host *host, const cg_attention_problem *p, void **ret_plan,
                      cg_error *err)
{
    struct plan *self;

    CG_TRY(supports(host, p, err));
    self = host->alloc(host->ctx, sizeof *self);
    if (!self && BUG != 25)
        return host->fail(err, CG_ERR_NOMEM, "naive: out of memory");
    memset(self, 0, sizeof *self);
    self->host = host;
    self->problem = cg_attention_keep_problem(p);
    self->given = p;
    last_problem = &self->problem;
    if (!HAS_FEATURES)
        self->problem.features = 0;
    if (BUG == 2029) /* reads members that an older host does not have */
        self->problem.features = p->features;
    self->v_dim = self->problem.features & CG_ATTENTION_VALUE_SIZE && self->problem.v_head_dim
                      ? self->problem.v_head_dim
                      : self->problem.head_dim;
    if (BUG == 92) { /* memory of its own, which nothing frees */
        self->late = malloc(1000);
        memset(self->late, 1, 1000);
    }
    if (BUG == 11 || BUG == 112) { /* one row of scores for all workers */
        self->scratch = host->alloc(host->ctx, sizeof(float) * (size_t)p->max_kv_len);
        if (!self->scratch) {
            host->free(host->ctx, self);
            return host->fail(err, CG_ERR_NOMEM, "naive: out of memory");
        }
    }
    *ret_plan = self;
    return CG_OK;
}

static void destroy(void *plan)
{
    struct plan *self = plan;

    if (!self)
        return;
    self->host->free(self->host->ctx, self->scratch);
    if (BUG != 13) /* else leaks the plan */
        self->host->free(self->host->ctx, self);
}

/* A row of scores per worker. */
static size_t row_bytes(const struct plan *self)
{
    return ((size_t)self->problem.max_kv_len * sizeof(float) + 63) / 64 * 64;
}

static size_t workspace_size(const void *plan)
{
    const struct plan *self = plan;

    int32_t workers = self->host->workers;

    return (size_t)(BUG == 77 && workers > 8 ? 8 : workers) * row_bytes(self);
}

/* ---- one row and head ---------------------------------------------------------------------- */

/* A query token and head. */
struct row {
    const struct plan *plan;
    const cg_attention_args *args;
    const cg_kv_view *kv;
    int32_t seq, row, head, kv_head, slot;
    int32_t n_new; /* rows of the sequence in this call */
    int32_t place, position;
    const char *q;
    char *out;
    float *score; /* [max_kv_len] */
};

static int uses(const struct plan *self, uint32_t feature)
{
    return (self->problem.features & feature) != 0;
}

/* The sum over elements; the faults of 602 to 606 add in another order in some calls. */
static int is_reversed(const struct row *r)
{
    switch (BUG) {
    case 6:
        return r->args->n_seqs > 4;
    case 602:
        return r->n_new == 1;
    case 603:
        return r->plan->problem.max_seqs > 32;
    case 604:
        return r->args->n_seqs >= 48;
    case 605:
        return r->slot & 1;
    case 606:
        return r->n_new >= 128;
    case 607:
        return r->plan->problem.max_kv_len > 600;
    case 608:
        return r->plan->problem.max_tokens > 256;
    case 609:
        return (uintptr_t)r->kv->k & 64;
    case 613:
        return r->seq & 1;
    case 614: /* pages in ascending order */
        return r->kv->page_table && r->place >= r->kv->block_tokens &&
               cg_kv_block(r->kv, r->slot, r->kv->block_tokens) ==
                   cg_kv_block(r->kv, r->slot, 0) + 1;
    case 615:
        return r->kv->n_slots & 1;
    case 617:
        return r->plan->host->workers == 1;
    case 618:
        return CG_HAS_SIZE(r->args, group_len) && r->args->n_groups;
    }
    return 0;
}

/* Elements of a key that the sum reads. */
static int32_t read_dim(const struct row *r)
{
    int32_t d = r->plan->problem.head_dim;

    return BUG == 9 && d == 96      ? 64
           : BUG == 901 && d == 80  ? 64
           : BUG == 902 && d == 256 ? 128
           : BUG == 903 && d == 72  ? 64
           : BUG == 904 && d == 192 ? 128
           : BUG == 905 && d == 112 ? 96
           : BUG == 906 && d > 64   ? d / 4 * 4
                                    : d;
}

static float dot(const struct row *r, const char *k)
{
    const cg_attention_problem *p = &r->plan->problem;
    int32_t n = read_dim(r);
    float sum = 0;

    if (p->dtype == CG_F32 && p->kv_dtype == CG_F32) {
        const float *a = (const float *)r->q, *b = (const float *)k;

        if (is_reversed(r))
            for (int32_t d = n - 1; d >= 0; d--)
                sum += a[d] * b[d];
        else
            for (int32_t d = 0; d < n; d++)
                sum += a[d] * b[d];
        return sum;
    }
    for (int32_t d = 0; d < n; d++)
        sum += element(r->q, d, p->dtype) * element(k, d, p->kv_dtype);
    return sum;
}

static float scale_of(const struct row *r)
{
    const cg_attention_problem *p = BUG == 811   ? r->plan->given
                                    : BUG == 810 ? last_problem
                                                 : &r->plan->problem;
    const cg_attention_args *a = r->args;
    int is_wrong =
        (BUG == 69 && a->n_tokens > 2000) || (BUG == 73 && a->kv_len[r->seq] % 256 == 0) ||
        (BUG == 65 && !p->flags) || (BUG == 61 && a->n_seqs != 8) ||
        (BUG == 62 && a->kv_len[r->seq] > 100) || (BUG == 75 && r->plan->host->workers == 1) ||
        (BUG == 76 && r->plan->host->workers == 7) ||
        (BUG == 616 && r->n_new > 128 && r->n_new < a->kv_len[r->seq]) ||
        (BUG == 84 && p->n_heads / p->n_kv_heads > 16) || (BUG == 85 && r->head >= 96) ||
        (BUG == 87 && r->seq >= 700) || (BUG == 94 && r->n_new > 1024) ||
        (BUG == 2041 && a->kv_len[r->seq] > 128) || (BUG == 2042 && a->kv_len[r->seq] > 1024) ||
        (BUG == 2043 && a->n_seqs > 16) || (BUG == 2046 && r->n_new > 70) ||
        (BUG == 63 && r->kv->n_slots > 8) || (BUG == 64 && p->max_seqs > 8);

    if (BUG == 1) /* ignores the problem's */
        return 1.0f / sqrtf((float)p->head_dim);
    return p->scale * (BUG == 101 ? 1.001f : is_wrong ? 3.0f : 1.0f);
}

/* Where the scale of a key or value is. */
static float stored_scale(const struct row *r, const float *scales, int32_t pos)
{
    cg_kv_view view;

    if (!scales)
        return 1;
    view = *r->kv;
    if (BUG == 2014)
        view.scale_token_stride = 0;
    if (BUG == 2015)
        view.scale_block_stride = 0;
    if (BUG == 2033)
        view.scale_head_stride = 0;
    if (BUG == 2039) /* offsets of 32 bits */
        return *(const float *)((const char *)scales +
                                (int32_t)cg_kv_scale_offset(&view, r->slot, r->kv_head, pos));
    return *(const float *)((const char *)scales +
                            cg_kv_scale_offset(&view, r->slot, r->kv_head, pos));
}

static const char *key(const struct row *r, int32_t pos)
{
    const char *base = BUG == 8 ? r->plan->first_k : r->kv->k;
    int32_t slot = r->slot;

    if (BUG == 2032 && CG_HAS(r->args, group_start)) /* the group's memory beyond its length */
        for (int32_t g = 0; g < r->args->n_groups; g++)
            if (r->seq > r->args->group_start[g] && r->seq < r->args->group_start[g + 1] &&
                pos < r->args->group_len[g] + 1 && pos < r->args->kv_len[r->args->group_start[g]])
                slot = r->args->slot[r->args->group_start[g]];
    if (BUG == 68) /* offsets of 32 bits */
        return base + (int32_t)cg_kv_offset(r->kv, slot, r->kv_head, pos);
    return base + cg_kv_offset(r->kv, slot, r->kv_head, pos);
}

static const char *value(const struct row *r, int32_t pos)
{
    int has_own = HAS_FEATURES && uses(r->plan, CG_ATTENTION_VALUE_SIZE) && BUG != 2023;

    if (BUG == 2038) /* offsets of 32 bits */
        return (const char *)r->kv->v +
               (int32_t)cg_kv_value_offset(r->kv, r->slot, r->kv_head, pos);
    return (const char *)r->kv->v + (has_own ? cg_kv_value_offset(r->kv, r->slot, r->kv_head, pos)
                                             : cg_kv_offset(r->kv, r->slot, r->kv_head, pos));
}

static int tree_bit(const struct row *r, int32_t b)
{
    const cg_attention_args *a = r->args;
    const uint32_t *words = a->tree_mask + (int64_t)r->row * a->tree_words;

    if (BUG == 2047 && b >= 128) /* a mask of 128 bits */
        return 1;
    if (BUG == 2010)
        return words[b / 32] >> (31 - b % 32) & 1;
    if (BUG == 2012)
        return words[0] >> b % 32 & 1;
    return words[b / 32] >> b % 32 & 1;
}

static int attends(const struct row *r, int32_t j)
{
    const cg_attention_problem *p = &r->plan->problem;
    int32_t before = r->args->kv_len[r->seq] - r->n_new; /* tokens cached before the call */
    int32_t sinks = uses(r->plan, CG_ATTENTION_SINK_TOKENS) ? p->sink_tokens : 0;
    int32_t mask_pos = BUG == 2016 ? r->place : r->position;
    int32_t window_pos = BUG == 2017 ? r->place : r->position;

    if (BUG == 2037 && uses(r->plan, CG_ATTENTION_TREE) && j < before) /* no window */
        return j <= mask_pos || p->mask == CG_MASK_NONE;
    if (uses(r->plan, CG_ATTENTION_TREE) && (j >= before || BUG == 2011))
        return tree_bit(r, BUG == 2011 && j < before ? 0 : j - before);
    if (BUG == 2020)
        sinks--;
    if (BUG == 2051 && sinks > 16)
        sinks = 16;
    if ((!uses(r->plan, CG_ATTENTION_NO_MASK) || p->mask == CG_MASK_CAUSAL || BUG == 2019 ||
         (BUG == 2048 && r->n_new > 64) || (BUG == 2052 && r->n_new == r->args->kv_len[r->seq])) &&
        j > mask_pos)
        return 0;
    return !p->window || j > window_pos - p->window || j < sinks;
}

/* First and last token to look at, before attends(). */
static void bounds(const struct row *r, int32_t *ret_first, int32_t *ret_last)
{
    const cg_attention_problem *p = &r->plan->problem;
    int32_t len = r->args->kv_len[r->seq], pos = r->place;
    int32_t first = p->window && pos >= p->window ? pos - p->window + 1 : 0, last = pos;

    if (p->features) {
        *ret_first = 0;
        *ret_last = len - 1;
        return;
    }
    if (BUG == 2 && last + 1 < len) /* sees the next token */
        last++;
    if (BUG == 201 && last > 0) /* does not see itself */
        last--;
    if (BUG == 202 && p->window && first < last) /* a window of one token less */
        first++;
    if (BUG == 88) /* positions of 16 bits */
        last = pos & 0xffff;
    if (BUG == 203) /* sees the later tokens of the call */
        last = len - 1;
    if (BUG == 3 && r->row - r->args->q_start[r->seq] < last) /* ignores kv_len */
        last = r->row - r->args->q_start[r->seq];
    *ret_first = first;
    *ret_last = last;
}

static float bias(const struct row *r, int32_t j)
{
    const cg_attention_args *a = r->args;
    const cg_attention_problem *p = &r->plan->problem;
    int64_t row = BUG == 2007   ? 0
                  : BUG == 2049 ? (int32_t)((uint32_t)r->row * (uint32_t)a->bias_row_stride)
                                : r->row * a->bias_row_stride;
    int64_t head = BUG == 2008 ? 0 : r->head * a->bias_head_stride;

    return element((const char *)a->bias + row + head, j, BUG == 2009 ? CG_BF16 : p->bias_dtype);
}

/* The score of token j by the formulas of confgen/attention.h. */
static float score(const struct row *r, int32_t j)
{
    const struct plan *self = r->plan;
    const cg_attention_args *a = r->args;
    float s = scale_of(r) * dot(r, key(r, j)), slope = 0, cap = self->problem.softcap;
    int32_t pos = BUG == 2018 ? r->place : r->position;

    if (!self->problem.features)
        return s;
    if (uses(self, CG_ATTENTION_KV_SCALES))
        s *= stored_scale(r, BUG == 2013 ? r->kv->v_scale : r->kv->k_scale, j);
    if (uses(self, CG_ATTENTION_ALIBI))
        slope = a->alibi_slope[BUG == 2044 && r->head >= 32 ? 0 : r->head] *
                (float)(BUG == 2045 && pos - j > 127 ? -127 : j - pos) *
                (BUG == 2003 ? -1.0f : 1.0f);
    if (BUG == 2001) /* the cap of the whole score */
        s += slope + (uses(self, CG_ATTENTION_BIAS) ? bias(r, j) : 0);
    if (BUG == 2036 && uses(self, CG_ATTENTION_SOFTCAP)) { /* exponentials overflow */
        float e = expf(2 * s / cap);

        return cap * (e - 1) / (e + 1) + slope + (uses(self, CG_ATTENTION_BIAS) ? bias(r, j) : 0);
    }
    if (uses(self, CG_ATTENTION_SOFTCAP) && BUG != 2024)
        s = cap * tanhf(BUG == 2002 ? s : s / cap);
    if (BUG == 2001)
        return s;
    return s + slope + (uses(self, CG_ATTENTION_BIAS) ? bias(r, j) : 0);
}

static float largest(const struct row *r, float max)
{
    if (BUG == 10) /* overflows */
        return 0;
    if ((BUG == 1001 && r->place >= 1000) || (BUG == 1002 && r->place >= 2048) ||
        (BUG == 1003 && r->place >= 4096) || (BUG == 1004 && r->place >= 512))
        return NAN;
    return max;
}

static void add_value(const struct row *r, float *sum, int32_t j, float weight)
{
    const cg_attention_problem *p = &r->plan->problem;
    const char *v = value(r, j);

    if (uses(r->plan, CG_ATTENTION_KV_SCALES))
        weight *= stored_scale(r, r->kv->v_scale, j);
    for (int32_t d = 0; d < (BUG == 2040 && r->plan->v_dim > 256 ? 256 : r->plan->v_dim); d++)
        sum[d] +=
            weight * (p->kv_dtype == CG_F32 ? ((const float *)v)[d] : element(v, d, p->kv_dtype));
}

/* Writes and reads that are not allowed. */
static void trespass(const struct row *r)
{
    const struct plan *self = r->plan;
    const cg_attention_problem *p = &self->problem;
    const cg_attention_args *a = r->args;
    const cg_kv_view *kv = r->kv;
    int is_last = r->head == p->n_heads - 1 && r->row == a->n_tokens - 1;
    int is_first = r->head == 0 && r->row == 0;
    float *out = (float *)r->out;

    if (BUG == 5 && is_last)
        out[p->head_dim] = 1;
    if (BUG == 501)
        ((char *)a->workspace)[workspace_size(self)] = 1;
    if (BUG == 502 && r->head == 0)
        *(float *)((char *)kv->v + cg_kv_offset(kv, r->slot, 0, 0)) += 1e-3f;
    if (BUG == 503 && r->head == p->n_heads - 1 &&
        a->out_stride > p->n_heads * p->head_dim * (int64_t)sizeof(float))
        out[p->head_dim] = 1; /* between rows */
    if (BUG == 504)
        ((float *)r->q)[0] *= 1.0f + 1e-6f;
    if (BUG == 505)
        (void)*(const volatile float *)(key(r, r->place) + kv->token_stride * 100000);
    if (BUG == 506 && is_last)
        out[p->head_dim + 1024] = 1;
    if (BUG == 507 && is_first)
        out[-1] = 1;
    if (BUG == 508 && r->head == 0 && !kv->page_table && r->place + 1 < kv->block_tokens)
        *(float *)((char *)kv->k + cg_kv_offset(kv, r->slot, 0, r->place + 1)) = 7;
    if (BUG == 509 && is_last)
        (void)*(const volatile float *)(r->q + p->head_dim * (int64_t)sizeof(float) + 60);
    if (BUG == 510 && is_first)
        (void)*(const volatile float *)(r->q - 64);
    if (BUG == 511 && is_first) {
        float *q = (float *)r->q, kept = *q;

        *(volatile float *)q = 0; /* and restores it */
        *(volatile float *)q = kept;
    }
    if (BUG == 512 && r->head == 0)
        (void)*(const volatile int32_t *)&a->q_start[a->n_seqs + 1];
}

/* The largest score, tile by tile as sums that are rescaled need it; NaN if all scores of the first
 * tile are -infinity, less which they are NaN. */
static float largest_by_tiles(const struct row *r, int32_t first, int32_t last, float max)
{
    float found = -INFINITY;

    for (int32_t j = first; j <= last && j < first + 16; j++)
        found = fmaxf(found, r->score[j]);
    return found == -INFINITY ? NAN : max;
}

static void compute(struct row *r)
{
    const struct plan *self = r->plan;
    const cg_attention_problem *p = &self->problem;
    float sum[1024] = { 0 }, max = BUG == 91 ? -1e4f : -INFINITY, total = 0, sink = -INFINITY;
    int32_t first, last;

    if (BUG == 813) /* takes the workspace for zeros */
        max = r->score[p->max_kv_len - 1];

    bounds(r, &first, &last);
    for (int32_t j = first; j <= last; j++) {
        r->score[j] = !p->features || attends(r, j) ? score(r, j) : -INFINITY;
        max = r->score[j] > max ? r->score[j] : max;
    }
    if (uses(self, CG_ATTENTION_SINK_LOGITS))
        sink = r->args->sink_logit[r->head];
    max = largest(r, sink > max ? sink : max);
    if (BUG == 2035 && p->features == CG_ATTENTION_BIAS)
        max = largest_by_tiles(r, first, last, max);
    for (int32_t j = first; j <= last; j++) {
        if (p->features && !attends(r, j))
            continue;
        r->score[j] = expf(r->score[j] - max);
        total += r->score[j];
        add_value(r, sum, j, r->score[j]);
    }
    if (uses(self, CG_ATTENTION_SINK_LOGITS)) {
        total += expf(sink - max);
        if (BUG == 2005) /* a sink with a value */
            add_value(r, sum, 0, expf(sink - max));
    }
    for (int32_t d = 0; d < self->v_dim; d++) {
        float x = sum[d] / total;

        store(r->out, d, BUG == 18 ? CG_F32 : p->dtype, BUG == 1101 && isnan(x) ? 0 : x);
    }
    trespass(r);
}

/* ---- call ---------------------------------------------------------------------------------- */

struct call {
    struct plan *plan;
    const cg_attention_args *args;
};

/* The row's place in the slot, its position and its addresses. */
static void find_row(struct row *r, const struct call *c, int32_t row)
{
    const struct plan *self = c->plan;
    const cg_attention_problem *p = &self->problem;
    const cg_attention_args *a = c->args;
    int64_t size = cg_dtype_size(p->dtype);

    r->row = row;
    r->place = a->kv_len[r->seq] - a->q_start[r->seq + 1] + row;
    if (BUG == 2034 && !self->prepared_len) /* needs prepare() */
        r->place = 0;
    if (BUG == 2028 && self->prepared_len) /* the lengths of an earlier step */
        r->place = r->place < self->prepared_len ? r->place : self->prepared_len - 1;
    r->position = uses(self, CG_ATTENTION_POSITIONS) ? a->position[row] : r->place;
    r->q = (const char *)a->q + r->head * p->head_dim * size +
           (BUG == 82 ? (int32_t)((uint32_t)row * (uint32_t)a->q_stride) : row * a->q_stride);
    r->out =
        (char *)a->out +
        (BUG == 83 ? (int32_t)((uint32_t)row * (uint32_t)a->out_stride) : row * a->out_stride) +
        r->head * (BUG == 2022 ? p->head_dim : self->v_dim) * size;
}

static float all_scores[64][20000];

/* Item: one sequence and query head. */
static void run_item(void *arg, int64_t item, int32_t worker)
{
    const struct call *c = arg;
    const struct plan *self = c->plan;
    const cg_attention_problem *p = &self->problem;
    const cg_attention_args *a = c->args;
    struct row r = { .plan = self, .args = a, .kv = a->kv };
    cg_kv_view view;

    if (a->kv->page_table && ((BUG == 814 && self->seen) || BUG == 95)) {
        view = *a->kv;
        if (BUG == 814)
            view.page_table = self->table;
        else /* entries of a slot as many as it needs */
            view.table_stride = (p->max_kv_len + view.block_tokens - 1) / view.block_tokens;
        r.kv = &view;
    }
    if ((BUG == 806 && self->first_table) || BUG == 66 || BUG == 67 || BUG == 74) {
        view = *a->kv;
        if (BUG == 806)
            view.page_table = self->table;
        if (BUG == 74 && view.block_tokens > 1) /* powers of two */
            view.block_tokens = 1 << (31 - __builtin_clz((unsigned)view.block_tokens));
        if (BUG == 66) /* the size of the first call's blocks */
            view.block_tokens = self->first_block_tokens;
        if (BUG == 67) { /* tokens without padding */
            view.token_stride = view.token_stride / p->head_dim / 4 * p->head_dim * 4;
        }
        r.kv = &view;
    }
    if (BUG == 2030) { /* reads members that an older host does not have */
        view = *a->kv;
        r.kv = &view;
    }
    r.seq = (int32_t)(item / p->n_heads);
    r.head = (int32_t)(item % p->n_heads);
    r.kv_head = BUG == 4 ? r.head % p->n_kv_heads : r.head / (p->n_heads / p->n_kv_heads);
    r.slot = a->slot[r.seq];
    r.n_new = a->q_start[r.seq + 1] - a->q_start[r.seq];
    if (BUG == 77) /* the workspace of 8 workers */
        worker &= 7;
    r.score = self->scratch ? self->scratch
              : BUG == 812  ? all_scores[worker] /* of all plans */
                            : (float *)((char *)a->workspace + (size_t)worker * row_bytes(self));
    for (int32_t row = a->q_start[r.seq]; row < a->q_start[r.seq + 1]; row++) {
        find_row(&r, c, row);
        compute(&r);
    }
}

/* Allocations in run(). */
static void allocate(struct plan *self)
{
    void *p = NULL;

    if (BUG == 7 && (p = malloc(4096)))
        memset(p, 1, 4096);
    if (BUG == 702 && (p = malloc(65536))) /* never freed */
        memset(p, 1, 65536);
    __asm__ volatile("" ::"r"(p) : "memory");
    if (BUG == 7)
        free(p);
    if (BUG == 701)
        self->host->free(self->host->ctx, self->host->alloc(self->host->ctx, 4096));
    if (BUG == 703 && !self->late) /* at the first call */
        self->late = malloc((size_t)1 << 20);
}

/* Keeps what it may not keep from one call to the next. */
static void keep_state(struct plan *self, const cg_attention_args *a)
{
    size_t n = (size_t)a->kv->n_slots * (size_t)a->kv->table_stride;

    if (BUG == 814 && a->kv->page_table && n <= TABLE_ROOM && self->seen != a->kv->page_table) {
        memcpy(self->table, a->kv->page_table, n * sizeof *self->table);
        self->seen = a->kv->page_table;
    }
    if (BUG == 815 && self->seen != a->kv->k)
        memset(self->first_key, 0, sizeof self->first_key);
    if (BUG == 815)
        self->seen = a->kv->k;
    if (BUG == 8 && !self->first_k)
        self->first_k = a->kv->k;
    if (!self->first_block_tokens)
        self->first_block_tokens = a->kv->block_tokens;
    if (BUG == 806 && a->kv->page_table && !self->first_table && n <= TABLE_ROOM) {
        self->first_table = a->kv->page_table;
        memcpy(self->table, a->kv->page_table, n * sizeof *self->table);
    }
}

/* Harms the process. */
static void misbehave(void)
{
    if (BUG == 16)
        for (volatile int i = 0;;)
            (void)i;
    if (BUG == 17)
        *(volatile int *)(uintptr_t)8 = 1;
    if (BUG == 19)
        exit(0);
    if (BUG == 20)
        abort();
#if BUG == 21 /* leaves small numbers flushed to zero */
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040u);
#endif
}

/* A result that depends on the calls before. */
static void count_calls(struct plan *self, const cg_attention_args *a)
{
    static int64_t all_calls;

    self->calls++;
    all_calls++;
    if (!a->n_tokens)
        return;
    if ((BUG == 801 && all_calls % 50 == 0) || (BUG == 802 && self->calls > 8) ||
        (BUG == 803 && self->calls > 100))
        ((float *)a->out)[0] += 0.01f;
    if (BUG == 805 && self->calls > 60)
        ((float *)a->out)[0] += 1;
    if (BUG == 1104)
        ((float *)a->out)[0] += (float)all_calls * 1e-7f;
}

static void run_nested(void *arg, int64_t item, int32_t worker)
{
    const struct call *c = arg;
    const cg_host *host = c->plan->host;

    (void)item;
    (void)worker;
    host->parallel_for(host->ctx, (int64_t)c->args->n_seqs * c->plan->problem.n_heads, run_item,
                       arg);
}

/* Keeps the first number of slots as long as the keys have the same address. Is one another now? */
static int is_stale(struct plan *self, const cg_attention_args *a)
{
    int is_other = 0;

    if (self->seen != a->kv->k)
        memset(self->first_key, 0, sizeof self->first_key);
    self->seen = a->kv->k;
    for (int32_t i = 0; i < a->n_seqs; i++)
        if (a->q_start[i + 1] > a->q_start[i] && a->slot[i] < SLOT_ROOM) {
            float *kept = &self->first_key[a->slot[i]];
            float now =
                *(const float *)((const char *)a->kv->k + cg_kv_offset(a->kv, a->slot[i], 0, 0));

            is_other |= *kept != 0 && *kept != now;
            *kept = *kept != 0 ? *kept : now;
        }
    return is_other;
}

static cg_status run(void *plan, const cg_attention_args *args, cg_error *err)
{
    struct plan *self = plan;
    struct call call = { self, args };

    CG_TRY(cg_attention_check_args(self->host, &self->problem, args, err));
    if (!args->n_seqs)
        return CG_OK;
    allocate(self);
    keep_state(self, args);
    if (BUG == 807 && self->calls % 256 == 255) { /* writes nothing */
        self->calls++;
        return CG_OK;
    }
    if (BUG == 78 && args->n_tokens) { /* a loop in each item of another */
        self->host->parallel_for(self->host->ctx, 1, run_nested, &call);
        return CG_OK;
    }
    if (BUG == 72) { /* fails once */
        static int n;

        if (++n == 100)
            return self->host->fail(err, CG_ERR_NOMEM, "naive: tired");
    }
    if (BUG == 70 && args->n_tokens)
        return self->host->fail(err, CG_ERR_UNSUPPORTED, "naive: the moon is full");
    if (BUG == 71 && args->n_tokens)
        return CG_ERR_INTERNAL;
    self->host->parallel_for(self->host->ctx, (int64_t)args->n_seqs * self->problem.n_heads,
                             run_item, &call);
    if (BUG == 815 && is_stale(self, args) && args->n_tokens)
        ((float *)args->out)[0] += 1;
    count_calls(self, args);
    misbehave();
    return CG_OK;
}

#if BUG >= 2000
/* Keeps the longest length; only BUG 2028 uses it. */
static cg_status prepare(void *plan, const cg_attention_args *args, const int32_t *q_start,
                         const int32_t *kv_len, cg_error *err)
{
    struct plan *self = plan;

    (void)q_start;
    (void)err;
    self->prepared_len = 0;
    for (int32_t i = 0; i < args->n_seqs; i++)
        self->prepared_len = kv_len[i] > self->prepared_len ? kv_len[i] : self->prepared_len;
    return CG_OK;
}
#endif

#if BUG == 26
CG_EXPORT void another_symbol(void);
void another_symbol(void)
{
}
#endif

static const cg_attention_ops ops = {
    CG_SIZED(cg_attention_ops),
    .caps = CAPS,
    .supports = supports,
    .plan = plan,
    .workspace_size = workspace_size,
    .run = run,
    .destroy = destroy,
#if BUG >= 2000
    .features = BUG == 2027 ? FEATURES | 1u << 20 : FEATURES, /* 2027: one that does not exist */
    .prepare = prepare,
#endif
};

static const cg_plugin plugin = {
    CG_SIZED(cg_plugin),
    .kind = CG_PLUGIN_ATTENTION,
    .abi_major = CG_PLUGIN_ABI_MAJOR,
    .abi_minor = BUG == 22 ? 99 : CG_PLUGIN_ABI_MINOR,
    .name = "naive",
    .version = "0.1",
    .description = "attention with a planted fault",
    .ops = &ops,
};

cg_status cg_plugin_entry_v1(const cg_host *host, const cg_plugin **ret_plugin, cg_error *err)
{
    return cg_plugin_enter(host, &plugin, ret_plugin, err);
}
