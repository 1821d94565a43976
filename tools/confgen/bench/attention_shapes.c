/* SPDX-License-Identifier: MIT */
/* Named shapes of `bench attention`, and those that the command line describes. */
#include "attention_shapes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

enum {
    MAX_SIZES = 64,      /* numbers of a list */
    MAX_SIZE = 1 << 24,  /* of a number */
    MAX_NAMES = 64,      /* of --set and --case */
    MAX_ROWS = 1 << 28,  /* query tokens of a call */
    MAX_VALUE = 1 << 16, /* elements of a head, and heads */
};

/* clang-format off */
#define SIZES(set_, name_, batch_, heads_, kv_heads_, head_dim_, v_head_dim_, rows_, kv_len_)          \
    .set = set_, .name = name_, .batch = batch_, .heads = heads_, .kv_heads = kv_heads_,               \
    .head_dim = head_dim_, .v_head_dim = v_head_dim_, .rows = rows_, .kv_len = kv_len_

/* Whole sequences, without and with the causal mask. */
#define BOTH_MASKS(set_, batch_, heads_, head_dim_, lengths)                                           \
    { SIZES(set_, NULL, batch_, heads_, NULL, head_dim_, NULL, "all", lengths), .no_mask = 1 },        \
    { SIZES(set_, NULL, batch_, heads_, NULL, head_dim_, NULL, "all", lengths) }

/* Attention of the layers of a model: multi-head, grouped, multi-query, latent (absorbed: the keys
 * of 512 + 64 elements hold the values) and latent as it is multiplied out for prompts. */
#define LAYER_KINDS(set_, batch_, heads_, head_dim_, length)                                           \
    { SIZES(set_, set_ "_mha", batch_, heads_, NULL, head_dim_, NULL, "all", length) },                \
    { SIZES(set_, set_ "_gqa", batch_, heads_, "8", head_dim_, NULL, "all", length) },                 \
    { SIZES(set_, set_ "_mqa", batch_, heads_, "1", head_dim_, NULL, "all", length) },                 \
    { SIZES(set_, set_ "_latent", batch_, heads_, "1", "576", "512", "all", length), .latent = 1 },    \
    { SIZES(set_, set_ "_latent_heads", batch_, heads_, NULL, "192", "128", "all", length) }

static const struct shape_lists sets[] = {
    /* set, name, batch, heads, kv_heads, head_dim, v_head_dim, rows, kv_len */
    { SIZES("cpu", "decode", "64", "8", "4", "64", NULL, "1", "150-250") },
    { SIZES("cpu", "prefill512", "1", "8", "4", "64", NULL, "all", "512") },
    { SIZES("cpu", "prefill2048", "1", "8", "4", "64", NULL, "all", "2048") },
    { SIZES("cpu", "wide", "16", "16", "8", "128", NULL, "1", "512") },

    { SIZES("prefill", "prefill_s4096_d64", "8", "32", NULL, "64", NULL, "all", "4096") },
    { SIZES("prefill", "prefill_s2048_d64", "4", "16", NULL, "64", NULL, "all", "2048") },
    { SIZES("prefill", "prompt_b128_s128_d128", "128", "32", NULL, "128", NULL, "all", "128") },
    { SIZES("prefill", "prefill_gqa8_s4096_d128", "1", "64", "8", "128", NULL, "all", "4096") },

    { SIZES("decode", "decode_b1024_l512_d64", "1024", "16", "8", "64", NULL, "1", "512") },
    { SIZES("decode", "decode_b256_l512_d128", "256", "16", "8", "128", NULL, "1", "512") },
    { SIZES("decode", "decode_b256_l256_d64", "256", "16", "8", "64", NULL, "1", "256") },
    { SIZES("decode", "decode_b512_l256_d64", "512", "16", "8", "64", NULL, "1", "256") },
    { SIZES("decode", "decode_b1024_l256_d64", "1024", "16", "8", "64", NULL, "1", "256") },
    { SIZES("decode", "decode_b256_l256_d128", "256", "16", "8", "128", NULL, "1", "256") },
    { SIZES("decode", "decode_b512_l256_d128", "512", "16", "8", "128", NULL, "1", "256") },
    { SIZES("decode", "decode_b1024_l256_d128", "1024", "16", "8", "128", NULL, "1", "256") },
    /* a step of a run: sequences of all lengths */
    { SIZES("decode", "decode_b512_ragged_d64", "512", "16", "8", "64", NULL, "1", "60-440") },
    { SIZES("decode", "decode_b512_ragged_d128", "512", "16", "8", "128", NULL, "1", "60-440") },

    { SIZES("generator", NULL, "128", "32", NULL, "128", NULL, "1", "128..8192") },
    { SIZES("generator_batch", NULL, "1..2048", "32", NULL, "128", NULL, "1", "128") },
    { SIZES("prompt", NULL, "1,128", "32", NULL, "128", NULL, "all", "128..8192") },
    { SIZES("prompt_batch", NULL, "1..2048", "32", NULL, "128", NULL, "all", "128") },
    { SIZES("token", NULL, "1", "32", NULL, "128", NULL, "1", "512..32768") },

    BOTH_MASKS("main", "8", "32", "64", "512..8192"),
    BOTH_MASKS("main_b4", "4", "32", "64", "512..8192"),
    BOTH_MASKS("b16_s512", "16", "32", "64", "512"),
    BOTH_MASKS("b4_s2048", "4", "16", "64", "2048"),

    LAYER_KINDS("deepseek_v3", "2", "128", "56", "2048"),
    LAYER_KINDS("llama_70b", "1", "64", "128", "4096"),
    LAYER_KINDS("llama_405b", "1", "128", "128", "2048"),
};
/* clang-format on */
enum { N_LISTS = sizeof sets / sizeof sets[0] };

const char *shape_set_names(void)
{
    static char names[512];
    size_t n = 0;

    for (int i = 0; i < N_LISTS; i++)
        if (!i || strcmp(sets[i].set, sets[i - 1].set) != 0)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", sets[i].set);
    return names;
}

/* ---- lists --------------------------------------------------------------------------------- */

/* Numbers lo[i] to hi[i]; only ragged lengths have two. */
struct sizes {
    int32_t lo[MAX_SIZES], hi[MAX_SIZES];
    int n;
};

static void add_size(const char *option, struct sizes *s, int32_t lo, int32_t hi)
{
    if (s->n == MAX_SIZES)
        usage_error("%s: wanted at most %d numbers", option, MAX_SIZES);
    s->lo[s->n] = lo;
    s->hi[s->n++] = hi;
}

/* What an item of a list may be besides N and A..B. */
enum { RAGGED = 1 /* A-B */, ALL = 2 /* "all", which becomes 0 */ };

/* Adds the numbers of an item. Cuts `word`. */
static void add_word(const char *option, char *word, int32_t least, int32_t most, int allowed,
                     struct sizes *ret)
{
    char *range = strstr(word, ".."), *dash = allowed & RAGGED ? strchr(word, '-') : NULL;
    int32_t lo, hi;

    if (allowed & ALL && !strcmp(word, "all")) {
        add_size(option, ret, 0, 0);
        return;
    }
    if (range)
        *range = '\0';
    else if (dash)
        *dash = '\0';
    lo = hi = parse_int(option, word, least, most);
    if (range)
        hi = parse_int(option, range + 2, least, most);
    else if (dash)
        hi = parse_int(option, dash + 1, least, most);
    if (hi < lo)
        usage_error("%s: found %d to %d, wanted the smaller number first", option, lo, hi);
    if (range && !lo)
        usage_error("%s: found 0..%d, wanted a range from 1 on", option, hi);
    if (!range)
        add_size(option, ret, lo, hi);
    for (int64_t size = lo; range && size <= hi; size *= 2)
        add_size(option, ret, (int32_t)size, (int32_t)size);
}

static void parse_sizes(const char *option, const char *text, int32_t least, int32_t most,
                        int allowed, struct sizes *ret)
{
    const char *words[MAX_SIZES];
    char copy[512];
    int n;

    ret->n = 0;
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        usage_error("%s: longer than %zu bytes", option, sizeof copy - 1);
    n = parse_words(option, copy, words, MAX_SIZES);
    for (int i = 0; i < n; i++)
        add_word(option, copy + (words[i] - copy), least, most, allowed, ret);
}

/* ---- shapes of lists ------------------------------------------------------------------------ */

/* The sizes of lists, parsed. A list that is absent has one entry, 0. */
struct parsed_lists {
    struct sizes batch, heads, kv_heads, head_dim, v_head_dim, rows, kv_len, window;
};

static void parse_optional(const char *option, const char *text, int32_t least, int32_t most,
                           struct sizes *ret)
{
    *ret = (struct sizes) { .n = 1 };
    if (text)
        parse_sizes(option, text, least, most, 0, ret);
}

static void parse_lists(const struct shape_lists *l, struct parsed_lists *ret)
{
    parse_sizes("--batch", l->batch, 1, MAX_SIZE, 0, &ret->batch);
    parse_sizes("--heads", l->heads, 1, MAX_VALUE, 0, &ret->heads);
    parse_optional("--kv-heads", l->kv_heads, 1, MAX_VALUE, &ret->kv_heads);
    parse_sizes("--head-dim", l->head_dim, 1, MAX_VALUE, 0, &ret->head_dim);
    parse_optional("--v-head-dim", l->v_head_dim, 1, MAX_VALUE, &ret->v_head_dim);
    parse_sizes("--rows", l->rows ? l->rows : "1", 1, MAX_SIZE, ALL, &ret->rows);
    parse_sizes("--kv-len", l->kv_len, 1, MAX_SIZE, RAGGED, &ret->kv_len);
    parse_optional("--window", l->window, 0, MAX_SIZE, &ret->window);
}

/* The names of types, layouts and features that differ from the usual ones are added to `name`. */
static void name_shape(const struct shape_lists *l, struct attention_shape *s)
{
    size_t n = 0, cap = sizeof s->name;

#define ADD(...) (n += n < cap ? (size_t)snprintf(s->name + n, cap - n, __VA_ARGS__) : 0)
    if (l->name) {
        ADD("%s", l->name);
    } else {
        ADD("b%d_h%d", s->n_seqs, s->n_heads);
        if (s->n_kv_heads != s->n_heads)
            ADD("k%d", s->n_kv_heads);
        if (s->rows == s->kv_max && s->kv_min == s->kv_max)
            ADD("_s%d", s->rows);
        else if (s->rows > 1)
            ADD("_q%d", s->rows);
        if (s->rows != s->kv_max || s->kv_min != s->kv_max)
            ADD("_l%d", s->kv_min);
        if (s->kv_min != s->kv_max)
            ADD("-%d", s->kv_max);
        ADD("_d%d", s->head_dim);
        if (s->v_head_dim != s->head_dim)
            ADD("v%d", s->v_head_dim);
        if (s->window)
            ADD("_w%d", s->window);
        if (s->no_mask)
            ADD("_full");
        if (s->latent)
            ADD("_latent");
    }
#undef ADD
}

/* Keeps a shape if there is room and if `cases` (NULL: any) has its name. */
static void add_shape(const struct attention_shape *s, const char *const *cases, int n_cases,
                      struct attention_shape *ret, int *n)
{
    int wanted = !n_cases;

    for (int i = 0; i < n_cases; i++)
        wanted |= !strcmp(s->name, cases[i]);
    if (!wanted)
        return;
    if (*n == MAX_SHAPES)
        usage_error("more than %d shapes: wanted shorter lists", MAX_SHAPES);
    ret[(*n)++] = *s;
}

/* One shape per combination of the sizes; the last list varies fastest. */
static void expand(const struct shape_lists *l, const struct attention_shape *types,
                   const char *const *cases, int n_cases, struct attention_shape *ret, int *n)
{
    struct parsed_lists p;
    const struct sizes *lists[] = { &p.batch,      &p.heads, &p.kv_heads, &p.head_dim,
                                    &p.v_head_dim, &p.rows,  &p.kv_len,   &p.window };
    enum { N = sizeof lists / sizeof lists[0] };
    int64_t total = 1;

    parse_lists(l, &p);
    for (int i = 0; i < N; i++)
        total *= lists[i]->n;
    if (total > MAX_SHAPES)
        usage_error("the lists make %lld shapes, wanted at most %d", (long long)total, MAX_SHAPES);
    for (int64_t k = 0; k < total; k++) {
        struct attention_shape s = *types;
        int64_t rest = k;
        int at[N];

        for (int i = N - 1; i >= 0; rest /= lists[i]->n, i--)
            at[i] = (int)(rest % lists[i]->n);
        s.set = l->set;
        s.n_seqs = p.batch.lo[at[0]];
        s.n_heads = p.heads.lo[at[1]];
        s.n_kv_heads = l->kv_heads ? p.kv_heads.lo[at[2]] : s.n_heads;
        s.head_dim = p.head_dim.lo[at[3]];
        s.v_head_dim = l->v_head_dim ? p.v_head_dim.lo[at[4]] : s.head_dim;
        s.kv_min = p.kv_len.lo[at[6]];
        s.kv_max = p.kv_len.hi[at[6]];
        s.rows = p.rows.lo[at[5]] ? p.rows.lo[at[5]] : s.kv_min;
        s.window = p.window.lo[at[7]];
        s.no_mask = l->no_mask;
        s.latent = l->latent;
        name_shape(l, &s);
        add_shape(&s, cases, n_cases, ret, n);
    }
}

/* ---- selection ------------------------------------------------------------------------------ */

static int has_word(const char *const *words, int n, const char *word)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(words[i], word))
            return 1;
    return 0;
}

static void check_sets(const char *const *names, int n)
{
    for (int i = 0; i < n; i++) {
        int known = !strcmp(names[i], "all");

        for (int k = 0; k < N_LISTS; k++)
            known |= !strcmp(names[i], sets[k].set);
        if (!known)
            usage_error("--set '%s': wanted %s or all", names[i], shape_set_names());
    }
}

/* Adds the shapes of the selection with given types. */
static void add_types(const struct shape_selection *s, const char *const *set_names, int n_sets,
                      const char *const *cases, int n_cases, const struct attention_shape *types,
                      struct attention_shape *ret, int *n)
{
    if (s->is_free) {
        expand(&s->lists, types, NULL, 0, ret, n);
        return;
    }
    for (int i = 0; i < N_LISTS; i++)
        if (!n_sets || has_word(set_names, n_sets, "all") ||
            has_word(set_names, n_sets, sets[i].set))
            expand(&sets[i], types, cases, n_cases, ret, n);
}

static const char *const dtype_options[] = { "f32", "bf16", "f16", "fp8", "int8" };
static const cg_dtype dtype_values[] = { CG_F32, CG_BF16, CG_F16, CG_F8_E4M3, CG_I8 };
enum { N_DTYPES = 5, N_WIDE = 3 }; /* the wide ones first */

const char *option_dtype_name(cg_dtype dtype)
{
    for (int i = 0; i < N_DTYPES; i++)
        if (dtype_values[i] == dtype)
            return dtype_options[i];
    return cg_dtype_name(dtype);
}

static int parse_keywords(const char *option, char *text, const char *const *keywords, int n,
                          int *ret, int cap)
{
    const char *words[8];
    int n_words = parse_words(option, text, words, cap);

    for (int i = 0; i < n_words; i++)
        ret[i] = parse_keyword(option, words[i], keywords, n);
    return n_words;
}

/* All combinations of types and layouts, for each of which the sizes are expanded. */
int select_shapes(const struct shape_selection *s, struct attention_shape *ret_shapes)
{
    static const char *const layout_options[] = { "hnd", "nhd" };
    const char *set_names[MAX_NAMES], *cases[MAX_NAMES];
    int n_sets = s->sets ? parse_words("--set", s->sets, set_names, MAX_NAMES) : 0;
    int n_cases = s->cases ? parse_words("--case", s->cases, cases, MAX_NAMES) : 0;
    int dtypes[N_WIDE], kv_dtypes[N_DTYPES], layouts[2], n = 0;
    int n_dtypes = parse_keywords("--dtype", s->dtypes, dtype_options, N_WIDE, dtypes, N_WIDE);
    int n_kv = s->kv_dtypes ? parse_keywords("--kv-dtype", s->kv_dtypes, dtype_options, N_DTYPES,
                                             kv_dtypes, N_DTYPES)
                            : 0;
    int n_layouts = parse_keywords("--layout", s->layouts, layout_options, 2, layouts, 2);

    check_sets(set_names, n_sets);
    for (int d = 0; d < n_dtypes; d++)
        for (int k = 0; k < (n_kv ? n_kv : 1); k++)
            for (int l = 0; l < n_layouts; l++) {
                struct attention_shape types = {
                    .dtype = dtype_values[dtypes[d]],
                    .kv_dtype = dtype_values[n_kv ? kv_dtypes[k] : dtypes[d]],
                    .kv_layout = layouts[l] ? CG_KV_NHD : CG_KV_HND,
                };

                add_types(s, set_names, n_sets, cases, n_cases, &types, ret_shapes, &n);
            }
    for (int i = 0; i < n_cases; i++) {
        int found = 0;

        for (int k = 0; k < n; k++)
            found |= !strcmp(cases[i], ret_shapes[k].name);
        if (!found)
            usage_error("--case '%s': no such shape%s; --set all --list prints their names",
                        cases[i], n_sets ? " in these sets" : "");
    }
    return n;
}

/* ---- properties ----------------------------------------------------------------------------- */

const char *shape_fault(const struct attention_shape *s)
{
    if (s->n_heads % s->n_kv_heads)
        return "the number of heads is not a multiple of that of key/value heads";
    if (!s->no_mask && s->rows > s->kv_min)
        return "a causal mask with more query tokens than cached ones";
    if (s->no_mask && s->window)
        return "a window without a causal mask";
    if (s->latent && s->v_head_dim > s->head_dim)
        return "values in the keys that are longer than the keys";
    if ((int64_t)s->n_seqs * s->rows > MAX_ROWS)
        return "more than 268435456 query tokens";
    if ((int64_t)s->n_seqs * s->kv_max > INT32_MAX / 2)
        return "more than 1073741823 cached tokens";
    return NULL;
}

int32_t shape_kv_len(const struct attention_shape *s, int32_t i)
{
    return s->kv_min + (int32_t)((int64_t)i * 7919 % (s->kv_max - s->kv_min + 1));
}

/* Sum over n rows of the tokens that a row attends to, of which the last has `last` before it and
 * with it, at most `window` of them. */
static double attended(int32_t n, int32_t last, int32_t window)
{
    double rows = n, full = 0;

    if (window && window < last) {
        /* rows at position window and later attend to `window` tokens */
        full = last - window < n ? last - window : n;
        rows -= full;
        last = window;
    }
    return full * window + rows * (last - rows) + 0.5 * rows * (rows + 1);
}

double shape_flops(const struct attention_shape *s)
{
    double pairs = 0;

    for (int32_t i = 0; i < s->n_seqs; i++) {
        int32_t len = shape_kv_len(s, i);

        pairs += s->no_mask ? (double)s->rows * len : attended(s->rows, len, s->window);
    }
    /* a product and a sum per element for QK and for PV */
    return 2.0 * s->n_heads * ((double)s->head_dim + s->v_head_dim) * pairs;
}

double shape_kv_bytes(const struct attention_shape *s)
{
    double size = cg_dtype_size(s->kv_dtype), tokens = 0, elements;

    for (int32_t i = 0; i < s->n_seqs; i++) {
        int64_t len = shape_kv_len(s, i);
        int64_t read = s->window ? (int64_t)s->window + s->rows - 1 : len;

        tokens += (double)(read < len ? read : len);
    }
    elements = (double)s->head_dim + (s->latent ? 0 : s->v_head_dim);
    if (size == 1) /* and scales of 4 bytes */
        elements += 4 * (s->latent ? 1 : 2);
    return tokens * s->n_kv_heads * elements * size;
}

/* Three times the usual scale: q and k are uniform in [-1, 1), of variance 1/3, and the scores then
 * have the variance that normally distributed q and k give. */
float shape_score_scale(const struct attention_shape *s)
{
    return 3.0f / sqrtf((float)s->head_dim);
}
