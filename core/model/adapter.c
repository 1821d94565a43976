/* SPDX-License-Identifier: MIT */
#include "model/adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/size.h"
#include "model/architectures.h"
#include "model/safetensors.h"

enum {
    MAX_CONFIG_BYTES = 1 << 20,
    MAX_NAME = 256,
    MAX_RANK = 1 << 16,
    ALIGN = 64,
};

static const char config_name[] = "adapter_config.json";
static const char weights_name[] = "adapter_model.safetensors";

/* What the adapter does to one tensor of the model. */
struct change {
    cg_tensor_spec *spec;
    const cg_st_tensor *full; /* in place of the tensor; NULL: it stays */
    const cg_st_tensor *down; /* A; NULL: nothing is added */
    const cg_st_tensor *up;   /* B */
    int32_t is_transposed;    /* A is [rank, rows] and B [cols, rank]: (B A)^T is added */
    int32_t is_embedding;     /* a transposed pair whose product is rounded before it is added */
    int32_t rank;
    float scale;
    size_t offset; /* of the result, in the new memory */
    int failed;    /* out of memory */
};

struct cg_adapter {
    const char *dir;
    json_t *config;
    cg_safetensors *weights;
    struct change *changes; /* [n_specs], of the tensors of the model in their order by name */
    size_t n_specs;
    uint8_t *memory; /* of the results, while they are computed */
};

/* ---- settings ----------------------------------------------------------------------------- */

static int is_off(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && !json_array_size(v)) ||
           (json_is_object(v) && !json_object_size(v));
}

/*
 * Settings that are read below, and those that matter only in training or to the choice of tensors
 * in the file. Any other that is switched on may change the network.
 */
static cg_status check_keys(const cg_json *o, cg_error *err)
{
    static const char *const known[] = {
        "alpha_pattern",
        "auto_mapping",
        "base_model_class",
        "base_model_name_or_path",
        "bias",
        "eva_config",
        "exclude_modules",
        "fan_in_fan_out",
        "inference_mode",
        "init_lora_weights",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "megatron_core",
        "modules_to_save",
        "parent_library",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "r",
        "rank_pattern",
        "revision",
        "target_modules",
        "task_type",
        "use_rslora",
    };
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)o->node, key, value)
    {
        size_t i = 0;

        while (i < sizeof known / sizeof *known && strcmp(key, known[i]))
            i++;
        if (i == sizeof known / sizeof *known && !is_off(value))
            return cg_json_fail_unsupported(
                o, key, "null or false: this setting of an adapter is not supported", err);
    }
    return CG_OK;
}

/* Initialisations such as pissa and olora change the base weights when peft loads the adapter. */
static cg_status check_initialisation(const cg_json *o, cg_error *err)
{
    static const char *const of_adapter_only[] = { "gaussian", "eva", "orthogonal" };
    const json_t *v = cg_json_member(o, "init_lora_weights");
    size_t i = 0;

    if (!v || json_is_boolean(v))
        return CG_OK;
    while (i < 3 && (!json_is_string(v) || strcmp(json_string_value(v), of_adapter_only[i])))
        i++;
    return i < 3 ? CG_OK
                 : cg_json_fail_unsupported(
                       o, "init_lora_weights",
                       "true, false, \"gaussian\", \"eva\" or \"orthogonal\": other "
                       "initialisations change the base weights; save the merged model",
                       err);
}

/* Patterns are regular expressions; plain names are all that is supported. */
static cg_status check_pattern(const cg_json *o, const char *key, cg_error *err)
{
    const json_t *v = cg_json_member(o, key);
    const char *name;
    json_t *value;

    if (v && !json_is_object(v))
        return cg_json_fail_wanted(o, key, "an object", err);
    json_object_foreach((json_t *)(uintptr_t)v, name, value)
    {
        if (name[strspn(name + (name[0] == '^'), "abcdefghijklmnopqrstuvwxyz"
                                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") +
                 (name[0] == '^')])
            return cg_fail(
                err, CG_ERR_UNSUPPORTED,
                "%s: %s: found the regular expression \"%.60s\", wanted names of modules", o->file,
                key, name);
        if (!json_is_number(value) || json_number_value(value) <= 0 ||
            json_number_value(value) > 1e9)
            return cg_fail(err, CG_ERR_FORMAT, "%s: %s.%.60s: wanted a number above 0", o->file,
                           key, name);
    }
    return CG_OK;
}

static cg_status check_config(const cg_json *o, cg_error *err)
{
    static const char *const lists[] = { "modules_to_save", "layers_to_transform" };
    const char *type = NULL;
    int64_t rank = 0;
    double alpha = 0;
    int rslora = 0;

    CG_TRY(cg_json_string(o, "peft_type", CG_JSON_REQUIRED, &type, err));
    if (strcmp(type, "LORA"))
        return cg_json_fail_unsupported(o, "peft_type",
                                        "\"LORA\": other adapters are not supported", err);
    CG_TRY(check_keys(o, err));
    CG_TRY(check_initialisation(o, err));
    CG_TRY(cg_json_int(o, "r", CG_JSON_REQUIRED, 1, MAX_RANK, &rank, err));
    CG_TRY(cg_json_real(o, "lora_alpha", CG_JSON_REQUIRED, -1e9, 1e9, &alpha, err));
    CG_TRY(cg_json_bool(o, "use_rslora", CG_JSON_OPTIONAL, &rslora, err));
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const json_t *v = cg_json_member(o, lists[i]);

        if (v && !json_is_array(v) && !json_is_integer(v))
            return cg_json_fail_wanted(o, lists[i], "a list", err);
    }
    CG_TRY(check_pattern(o, "rank_pattern", err));
    return check_pattern(o, "alpha_pattern", err);
}

cg_status cg_adapter_open(const char *dir, size_t max_bytes, cg_adapter **ret_adapter,
                          cg_error *err)
{
    cg_adapter *a = calloc(1, sizeof *a);
    char *config = cg_path_join(dir, config_name), *weights = cg_path_join(dir, weights_name);
    cg_bytes text = { 0 };
    cg_status st = CG_OK;

    if (!a || !config || !weights) {
        st = cg_fail_nomem(err, dir);
        goto out;
    }
    if (!cg_file_exists(config)) {
        if (cg_file_exists(weights))
            st = cg_fail(err, CG_ERR_IO,
                         "%s/%s: an adapter without %s, wanted both files or neither", dir,
                         weights_name, config_name);
        else
            *ret_adapter = NULL;
        goto out;
    }
    a->dir = dir;
    CG_TRY_GOTO(st, cg_file_read(config, MAX_CONFIG_BYTES, &text, err), out);
    CG_TRY_GOTO(st, cg_json_parse(config, text.data, text.len, &a->config, err), out);
    CG_TRY_GOTO(st, check_config(&(cg_json) { config, "", a->config }, err), out);
    if (!cg_file_exists(weights)) {
        st = cg_fail(err, CG_ERR_IO, "%s: the adapter has no %s", config, weights_name);
        goto out;
    }
    CG_TRY_GOTO(st, cg_safetensors_open(weights, max_bytes, &a->weights, err), out);
    *ret_adapter = a;
    a = NULL;
out:
    cg_adapter_close(a);
    cg_bytes_release(&text);
    free(config);
    free(weights);
    return st;
}

void cg_adapter_close(cg_adapter *a)
{
    if (!a)
        return;
    cg_safetensors_close(a->weights);
    json_decref(a->config);
    free(a->changes);
    free(a);
}

/* ---- names -------------------------------------------------------------------------------- */

enum part { PART_FULL, PART_DOWN, PART_UP, PART_OTHER };

/* Splits the name of a tensor into that of the model's tensor, in ret_name, and its part. */
static enum part parse_name(const char *name, int *ret_embedding, char ret_name[MAX_NAME])
{
    static const struct {
        const char *suffix;
        enum part part;
        int embedding;
    } suffixes[] = {
        { ".lora_A.weight", PART_DOWN, 0 },
        { ".lora_B.weight", PART_UP, 0 },
        { ".lora_embedding_A", PART_DOWN, 1 },
        { ".lora_embedding_B", PART_UP, 1 },
    };
    static const char prefix[] = "base_model.model.";
    static const char *const wrappers[] = { ".base_layer.", ".modules_to_save." };
    size_t n;

    if (!strncmp(name, prefix, sizeof prefix - 1))
        name += sizeof prefix - 1;
    n = strlen(name);
    *ret_embedding = 0;
    if (n >= MAX_NAME - sizeof ".weight")
        return PART_OTHER;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t m = strlen(suffixes[i].suffix);

        if (n > m && !strcmp(name + n - m, suffixes[i].suffix)) {
            snprintf(ret_name, MAX_NAME, "%.*s.weight", (int)(n - m), name);
            *ret_embedding = suffixes[i].embedding;
            return suffixes[i].part;
        }
    }
    snprintf(ret_name, MAX_NAME, "%s", name);
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        char *at = strstr(ret_name, wrappers[i]);
        size_t m = strlen(wrappers[i]) - 1;

        if (at)
            memmove(at, at + m, strlen(at + m) + 1);
    }
    return strstr(ret_name, "lora_") ? PART_OTHER : PART_FULL;
}

int cg_adapter_replaces(const cg_adapter *a, const char *name)
{
    for (size_t i = 0; a && i < a->weights->table.n; i++) {
        char found[MAX_NAME];
        int embedding;

        if (parse_name(a->weights->table.tensors[i].name, &embedding, found) == PART_FULL &&
            !strcmp(found, name))
            return 1;
    }
    return 0;
}

/* Whether `name` is `end`, or ends in it behind a dot; with any_end also without a dot. */
static int ends_in(const char *name, const char *end, int any_end)
{
    size_t n = strlen(name), m = strlen(end);

    return n >= m && !strcmp(name + n - m, end) && (n == m || any_end || name[n - m - 1] == '.');
}

static int is_listed(const json_t *list, const char *module, int any_end)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *end = json_string_value(json_array_get(list, i));

        if (end && ends_in(module, end, any_end))
            return 1;
    }
    return 0;
}

/* peft saves both in whole, listed or not, if the vocabulary was changed. */
static int is_head_or_embedding(const char *module)
{
    static const char *const names[] = { "embed_tokens", "lm_head", "wte", "embed_in",
                                         "embed_out" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ends_in(module, names[i], 0))
            return 1;
    return 0;
}

/* The value of the first pattern that matches a module, or `otherwise`. */
static double by_pattern(const json_t *pattern, const char *module, double otherwise)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)pattern, name, value)
    {
        if (name[0] == '^' ? !strcmp(module, name + 1) : ends_in(module, name, 0))
            return json_number_value(value);
    }
    return otherwise;
}

/* ---- binding ------------------------------------------------------------------------------ */

static cg_status fail_tensor(const cg_adapter *a, const char *name, cg_status code,
                             const char *text, cg_error *err)
{
    return cg_fail(err, code, "%s/%s: tensor %.120s: %s", a->dir, weights_name, name, text);
}

/* The name of the module of NAME.weight or NAME.bias. */
static void module_of(const char *name, char ret_module[MAX_NAME])
{
    char *dot;

    snprintf(ret_module, MAX_NAME, "%s", name);
    dot = strrchr(ret_module, '.');
    if (dot)
        *dot = '\0';
}

static cg_status bind_full(const cg_adapter *a, const cg_st_tensor *t, const char *module,
                           const cg_json *o, struct change *c, cg_error *err)
{
    const char *bias = "none";
    CG_TRY(cg_json_string(o, "bias", CG_JSON_OPTIONAL, &bias, err));
    if (!is_head_or_embedding(module) &&
        !is_listed(cg_json_member(o, "modules_to_save"), module, 1) &&
        !(ends_in(t->name, "bias", 0) && strcmp(bias, "none")))
        return fail_tensor(a, t->name, CG_ERR_FORMAT,
                           "wanted a pair of lora_A and lora_B, or the module in modules_to_save "
                           "of adapter_config.json",
                           err);
    if (c->full)
        return fail_tensor(a, t->name, CG_ERR_FORMAT, "the file has this weight twice", err);
    if (t->n_dims != c->spec->n_dims || t->shape[t->n_dims - 1] != c->spec->cols ||
        (t->n_dims == 2 && t->shape[0] != c->spec->rows))
        return fail_tensor(a, t->name, CG_ERR_FORMAT,
                           "found another shape than config.json describes", err);
    c->full = t;
    return CG_OK;
}

static cg_status bind_pair(const cg_adapter *a, const cg_st_tensor *t, const char *module,
                           enum part part, int embedding, const cg_json *o, struct change *c,
                           cg_error *err)
{
    const json_t *targets = cg_json_member(o, "target_modules");
    const cg_st_tensor **slot = part == PART_DOWN ? &c->down : &c->up;

    if (json_is_array(targets) && !is_listed(targets, module, 0))
        return fail_tensor(a, t->name, CG_ERR_FORMAT,
                           "wanted its module in target_modules of adapter_config.json", err);
    if (*slot)
        return fail_tensor(a, t->name, CG_ERR_FORMAT, "the file has this weight twice", err);
    if (t->n_dims != 2 || c->spec->n_dims != 2)
        return fail_tensor(a, t->name, CG_ERR_FORMAT, "wanted matrices", err);
    *slot = t;
    c->is_embedding = embedding;
    c->is_transposed = embedding || c->spec->stored == CG_STORED_TRANSPOSED;
    return CG_OK;
}

static cg_status bind_one(cg_adapter *a, const cg_st_tensor *t, cg_tensor_spec *const *by_name,
                          size_t n, int tied, const cg_json *o, cg_error *err)
{
    char name[MAX_NAME], module[MAX_NAME];
    int embedding;
    enum part part = parse_name(t->name, &embedding, name);
    struct change *c;
    size_t i;

    if (part == PART_OTHER)
        return fail_tensor(
            a, t->name, CG_ERR_UNSUPPORTED,
            "wanted lora_A.weight, lora_B.weight, lora_embedding_A or "
            "lora_embedding_B: other parts of adapters, as bias and magnitude (DoRA), "
            "are not supported",
            err);
    if (t->dtype == CG_ST_OTHER)
        return fail_tensor(a, t->name, CG_ERR_UNSUPPORTED, "wanted weights in BF16, F16 or F32",
                           err);
    module_of(name, module);
    i = cg_tensor_spec_find(by_name, n, name);
    if (tied && is_head_or_embedding(module))
        return fail_tensor(a, t->name, CG_ERR_UNSUPPORTED,
                           "config.json ties head and embedding, so the adapter is ambiguous: save "
                           "the merged model",
                           err);
    if (i == n)
        return fail_tensor(a, t->name, CG_ERR_FORMAT, "the model of config.json has no such weight",
                           err);
    c = &a->changes[i];
    c->spec = by_name[i];
    return part == PART_FULL ? bind_full(a, t, module, o, c, err)
                             : bind_pair(a, t, module, part, embedding, o, c, err);
}

/* Checks a complete pair of matrices and sets rank and scale. */
static cg_status check_pair(const cg_adapter *a, const cg_json *o, struct change *c, cg_error *err)
{
    const cg_st_tensor *down = c->down, *up = c->up;
    int64_t rows = c->spec->rows, cols = c->spec->cols, rank = 0;
    int use_rslora = 0;
    char module[MAX_NAME];
    double alpha = 0;

    if (!down || !up)
        return fail_tensor(a, (down ? down : up)->name, CG_ERR_FORMAT,
                           down ? "wanted lora_B beside it" : "wanted lora_A beside it", err);
    module_of(c->spec->name, module);
    CG_TRY(cg_json_int(o, "r", CG_JSON_REQUIRED, 1, MAX_RANK, &rank, err));
    CG_TRY(cg_json_real(o, "lora_alpha", CG_JSON_REQUIRED, -1e9, 1e9, &alpha, err));
    CG_TRY(cg_json_bool(o, "use_rslora", CG_JSON_OPTIONAL, &use_rslora, err));
    rank = (int64_t)by_pattern(cg_json_member(o, "rank_pattern"), module, (double)rank);
    alpha = by_pattern(cg_json_member(o, "alpha_pattern"), module, alpha);
    if (down->shape[0] != rank || up->shape[1] != rank)
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s/%s: tensor %.120s: found rank %jd, wanted %jd by adapter_config.json",
                       a->dir, weights_name, down->name, (intmax_t)down->shape[0], (intmax_t)rank);
    if (down->shape[1] != (c->is_transposed ? rows : cols) ||
        up->shape[0] != (c->is_transposed ? cols : rows))
        return fail_tensor(a, down->name, CG_ERR_FORMAT,
                           "A and B have other shapes than the weight that they adapt", err);
    c->rank = (int32_t)rank;
    c->scale = (float)(alpha / (use_rslora ? sqrt((double)rank) : (double)rank));
    return CG_OK;
}

cg_status cg_adapter_bind(cg_adapter *a, cg_tensor_spec *const *by_name, size_t n, int tied,
                          cg_error *err)
{
    const cg_st_table *table = &a->weights->table;
    char *path = cg_path_join(a->dir, config_name);
    cg_json o = { path, "", a->config };
    cg_status st = CG_OK;

    a->changes = calloc(n, sizeof *a->changes);
    a->n_specs = n;
    if (!a->changes || !path) {
        st = cg_fail_nomem(err, a->dir);
        goto out;
    }
    for (size_t i = 0; i < table->n; i++)
        CG_TRY_GOTO(st, bind_one(a, &table->tensors[i], by_name, n, tied, &o, err), out);
    for (size_t i = 0; i < n; i++)
        if (a->changes[i].down || a->changes[i].up)
            CG_TRY_GOTO(st, check_pair(a, &o, &a->changes[i], err), out);
out:
    free(path);
    return st;
}

int32_t cg_adapter_count(const cg_adapter *a)
{
    int32_t n = 0;

    for (size_t i = 0; a && i < a->n_specs; i++)
        n += a->changes[i].spec != NULL;
    return n;
}

/* ---- merging ------------------------------------------------------------------------------ */

static cg_tensor_ref ref_of(const cg_adapter *a, const cg_st_tensor *t)
{
    return (cg_tensor_ref) { a->weights->data + t->begin, t->n_dims == 2 ? t->shape[0] : 1,
                             t->shape[t->n_dims - 1], (cg_dtype)t->dtype };
}

/* Reads a matrix [rows, cols] as float32, or its transpose. */
static void read_matrix(const cg_tensor_ref *r, int transpose, float *scratch, float *dst)
{
    for (int64_t i = 0; i < r->rows; i++) {
        float *row = transpose ? scratch : dst + i * r->cols;

        cg_weight_to_f32(r, i, 1, row);
        for (int64_t j = 0; transpose && j < r->cols; j++)
            dst[j * r->rows + i] = row[j];
    }
}

/*
 * Writes base + scale * left @ right, row by row; sums run over the rank in order. What is added to
 * an embedding is rounded to the dtype first, as in peft.
 *
 * base: [rows, cols]; left: [rows, rank]; right: [rank, cols]; row, sum: [cols] scratch;
 * out: [rows, cols] of `dtype`
 */
static void add_product(const struct change *c, const cg_tensor_ref *base, const float *left,
                        const float *right, float *row, float *sum, cg_dtype dtype, uint8_t *out)
{
    int64_t cols = base->cols;

    for (int64_t i = 0; i < base->rows; i++, out += cols * cg_dtype_size(dtype)) {
        cg_tensor_ref rounded = { out, 1, cols, dtype };

        memset(sum, 0, (size_t)cols * sizeof *sum);
        for (int32_t k = 0; k < c->rank; k++) {
            float x = left[i * c->rank + k];
            const float *r = right + k * cols;

            for (int64_t j = 0; j < cols; j++)
                sum[j] += x * r[j];
        }
        for (int64_t j = 0; j < cols; j++)
            sum[j] *= c->scale;
        if (c->is_embedding) {
            cg_weight_from_f32(sum, cols, dtype, out);
            cg_weight_to_f32(&rounded, 0, 1, sum);
        }
        cg_weight_to_f32(base, i, 1, row);
        for (int64_t j = 0; j < cols; j++)
            row[j] += sum[j];
        cg_weight_from_f32(row, cols, dtype, out);
    }
}

static void merge_one(void *ctx, int64_t index, int worker)
{
    cg_adapter *a = ctx;
    struct change *c = &a->changes[index];
    cg_tensor_ref base, a_ref, b_ref;
    size_t rank = (size_t)c->rank, rows, cols;
    float *memory, *left, *right, *row, *sum;

    (void)worker;
    if (!c->spec)
        return;
    base = c->full ? ref_of(a, c->full) : c->spec->whole;
    rows = (size_t)base.rows;
    cols = (size_t)base.cols;
    memory = cg_alloc_array(rank * (rows + cols + 1) + 2 * cols + rows, sizeof *memory);
    if (!memory) {
        c->failed = 1;
        return;
    }
    left = memory;
    right = left + rank * rows;
    row = right + rank * cols;
    sum = row + cols + rows + rank; /* `row` also holds a row of a transposed matrix */
    if (c->down) {
        a_ref = ref_of(a, c->down);
        b_ref = ref_of(a, c->up);
        read_matrix(c->is_transposed ? &a_ref : &b_ref, c->is_transposed, row, left);
        read_matrix(c->is_transposed ? &b_ref : &a_ref, c->is_transposed, row, right);
    }
    add_product(c, &base, left, right, row, sum, c->spec->whole.dtype, a->memory + c->offset);
    free(memory);
}

cg_status cg_adapter_merge(cg_adapter *a, struct cg_model_store *store, cg_team *team,
                           cg_error *err)
{
    size_t bytes = 0;

    for (size_t i = 0; i < a->n_specs; i++) {
        struct change *c = &a->changes[i];

        if (!c->spec)
            continue;
        if (!c->spec->whole.data) { /* the base has no such tensor */
            cg_tensor_ref full = ref_of(a, c->full);

            c->spec->whole = (cg_tensor_ref) { NULL, c->spec->rows, c->spec->cols, full.dtype };
        }
        c->offset = bytes;
        bytes += ((size_t)cg_weight_bytes(&c->spec->whole) + ALIGN - 1) / ALIGN * ALIGN;
    }
    store->heap = aligned_alloc(ALIGN, bytes ? bytes : ALIGN);
    if (!store->heap)
        return cg_fail(err, CG_ERR_NOMEM, "%s: no memory for %zu bytes of adapted weights", a->dir,
                       bytes);
    a->memory = store->heap;
    cg_team_loop(team, (int64_t)a->n_specs, merge_one, a);
    for (size_t i = 0; i < a->n_specs; i++) {
        struct change *c = &a->changes[i];

        if (c->failed)
            return cg_fail_nomem(err, a->dir);
        if (c->spec) {
            c->spec->whole.data = a->memory + c->offset;
            c->spec->file = weights_name;
        }
    }
    return CG_OK;
}
