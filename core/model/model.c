/* SPDX-License-Identifier: MIT */
#include "model/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/size.h"
#include "base/text.h"
#include "model/adapter.h"
#include "model/architectures.h"
#include "model/config_files.h"
#include "model/model_store.h"
#include "model/safetensors.h"
#include "model/tensor_specs.h"
#include "model/unsupported_files.h"

enum {
    MAX_INDEX_BYTES = 4 << 20,
    MAX_SHARDS = 1024,
    MAX_THREADS = 8, /* with more, opening is bound by memory bandwidth */
    NAMES_SHOWN = 3,
    MAX_MASK = 8192, /* positions; old checkpoints with masks have 1024 to 4096 */
    /* bytes of a file, after decompression, besides its tensors and the largest header */
    SINGLE_MORE = 1 << 20,  /* rotary buffers */
    SHARD_MORE = 256 << 10, /* metadata */
    ADAPTER_SIZES = 3,     /* of the model: a pair of any useful rank is at most twice its weight */
    TENSOR_MORE = 4 << 10, /* for each tensor: its entry in the header, or a rotary buffer */
};

static const char index_name[] = "model.safetensors.index.json";
static const char single_name[] = "model.safetensors";

/* State needed only while a directory is opened. */
struct loader {
    const char *dir;
    cg_model *model;
    cg_team *team;
    size_t *max_bytes; /* [n_files] of a file, after decompression */
    json_t *index;     /* NULL for a single file */
    char **names;      /* [store->n_files] file names without .zst, as in the index */
    cg_error *errors;  /* [n_files] or [n_specs], written by the loops */
    cg_tensor_spec *specs;
    size_t n_specs;
    cg_tensor_spec **by_name; /* [n_specs], sorted */
    cg_adapter *adapter;      /* NULL without one */
    int has_prefix;           /* of the architecture, before the names of the files */
    cg_tensor_spec tied_head; /* of a tied model whose file has a head: to compare it */
};

/* ---- weight files ----------------------------------------------------------------------- */

/* Finds dir/name or else dir/name.zst; *ret is NULL if neither exists. */
static cg_status find_file(const char *dir, const char *name, char **ret, cg_error *err)
{
    static const char *const suffixes[] = { "", ".zst" };

    *ret = NULL;
    for (int i = 0; i < 2; i++) {
        char *path = NULL;

        if (asprintf(&path, "%s/%s%s", dir, name, suffixes[i]) < 0)
            return cg_fail_nomem(err, dir);
        if (cg_file_exists(path)) {
            *ret = path;
            return CG_OK;
        }
        free(path);
    }
    return CG_OK;
}

/* A shard must be a file in this directory. */
static int is_shard_name(const char *name)
{
    size_t n = strlen(name), n_suffix = sizeof ".safetensors" - 1;

    return n > n_suffix && n < 200 && !strchr(name, '/') && name[0] != '.' &&
           !strcmp(name + n - n_suffix, ".safetensors");
}

static cg_status add_name(struct loader *l, const char *name, cg_error *err)
{
    struct cg_model_store *s = l->model->store;

    for (size_t i = 0; i < s->n_files; i++)
        if (!strcmp(l->names[i], name))
            return CG_OK;
    if (s->n_files == MAX_SHARDS)
        return cg_fail(err, CG_ERR_LIMIT, "%s/%s: more than %d shards", l->dir, index_name,
                       MAX_SHARDS);
    l->names[s->n_files] = strdup(name);
    if (!l->names[s->n_files])
        return cg_fail_nomem(err, l->dir);
    s->n_files++;
    return CG_OK;
}

static cg_status read_index(struct loader *l, cg_error *err)
{
    cg_bytes b = { 0 };
    char *path = cg_path_join(l->dir, index_name);
    const json_t *map;
    const char *key;
    json_t *value;
    cg_status st;

    if (!path)
        return cg_fail_nomem(err, l->dir);
    CG_TRY_GOTO(st, cg_file_read(path, MAX_INDEX_BYTES, &b, err), out);
    CG_TRY_GOTO(st, cg_json_parse(path, b.data, b.len, &l->index, err), out);
    map = json_object_get(l->index, "weight_map");
    if (!json_is_object(map) || !json_object_size(map)) {
        st = cg_json_fail_wanted(&(cg_json) { path, "", l->index }, "weight_map",
                                 "an object that names the file of each tensor", err);
        goto out;
    }
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        const char *name = json_string_value(value);

        if (!name || !is_shard_name(name)) {
            char found[80];

            cg_json_describe(value, found, sizeof found);
            st = cg_fail(err, CG_ERR_FORMAT,
                         "%s: weight_map.%.60s: found %s, wanted the name of a .safetensors file "
                         "in this directory",
                         path, key, found);
            goto out;
        }
        CG_TRY_GOTO(st, add_name(l, name, err), out);
    }
out:
    cg_bytes_release(&b);
    free(path);
    return st;
}

static cg_status list_files(struct loader *l, cg_error *err)
{
    struct cg_model_store *s = l->model->store;
    char *single = NULL, *index = NULL;

    l->names = calloc(MAX_SHARDS, sizeof *l->names);
    if (!l->names)
        return cg_fail_nomem(err, l->dir);
    CG_TRY(find_file(l->dir, single_name, &single, err));
    if (single) {
        free(single);
        CG_TRY(add_name(l, single_name, err));
    } else {
        CG_TRY(find_file(l->dir, index_name, &index, err));
        if (!index)
            return cg_fail_no_weights(l->dir, err);
        free(index);
        CG_TRY(read_index(l, err));
    }
    s->files = calloc(s->n_files, sizeof *s->files);
    return s->files ? CG_OK : cg_fail_nomem(err, l->dir);
}

/* ---- opening, in parallel --------------------------------------------------------------- */

static void open_one(void *ctx, int64_t i, int worker)
{
    struct loader *l = ctx;
    cg_error *err = &l->errors[i];
    char *path = NULL;

    (void)worker;
    if (find_file(l->dir, l->names[i], &path, err) != CG_OK)
        return;
    if (!path) {
        cg_fail(err, CG_ERR_IO, "%s/%s: no such file, plain or .zst", l->dir, l->names[i]);
        return;
    }
    cg_safetensors_open(path, l->max_bytes[i], &l->model->store->files[i], err);
    free(path);
}

/* Brings a tensor to the model's order and checks it. */
static cg_status check_one(const struct loader *l, cg_tensor_spec *s, cg_error *err)
{
    const char *dir = l->dir;
    int64_t bad;

    CG_TRY(cg_tensor_spec_reorder(s, &l->model->config, err));
    bad = cg_weight_find_nonfinite(&s->whole);
    if (bad >= 0)
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s/%s: tensor %s: element %jd of %jd is NaN or infinite, wanted finite "
                       "weights",
                       dir, s->file, s->name, (intmax_t)bad, (intmax_t)(s->rows * s->cols));
    s->hash = XXH3_64bits(s->whole.data, (size_t)cg_weight_bytes(&s->whole));
    return CG_OK;
}

static void check_item(void *ctx, int64_t i, int worker)
{
    struct loader *l = ctx;

    (void)worker;
    check_one(l, &l->specs[i], &l->errors[i]);
}

/* Runs fn over n items with an error record each; returns the first failure by index. */
static cg_status run_loop(struct loader *l, size_t n, cg_loop_fn fn, cg_error *err)
{
    cg_status st = CG_OK;

    l->errors = calloc(n, sizeof *l->errors);
    if (!l->errors)
        return cg_fail_nomem(err, l->dir);
    cg_team_loop(l->team, (int64_t)n, fn, l);
    for (size_t i = 0; i < n && st == CG_OK; i++)
        if (l->errors[i].code != CG_OK)
            st = cg_fail(err, l->errors[i].code, "%s", l->errors[i].msg);
    free(l->errors);
    l->errors = NULL;
    return st;
}

/* ---- binding tensors to the members of the model ---------------------------------------- */

/* Counts names and lists the first few of them, for a message. */
struct names {
    size_t n;
    char text[400];
};

static void add_to_names(struct names *s, const char *name)
{
    size_t used = strlen(s->text);

    if (s->n < NAMES_SHOWN)
        snprintf(s->text + used, sizeof s->text - used, "%s%.80s", s->n ? ", " : "", name);
    else if (s->n == NAMES_SHOWN)
        snprintf(s->text + used, sizeof s->text - used, ", ...");
    s->n++;
}

static int compare_specs(const void *a, const void *b)
{
    return strcmp((*(cg_tensor_spec *const *)a)->name, (*(cg_tensor_spec *const *)b)->name);
}

static cg_status sort_specs(struct loader *l, cg_error *err)
{
    l->by_name = cg_alloc_array(l->n_specs, sizeof *l->by_name);
    if (!l->by_name)
        return cg_fail_nomem(err, l->dir);
    for (size_t i = 0; i < l->n_specs; i++)
        l->by_name[i] = &l->specs[i];
    qsort(l->by_name, l->n_specs, sizeof *l->by_name, compare_specs);
    return CG_OK;
}

static const char *prefix_of(const struct loader *l)
{
    return cg_architecture_of(l->model->config.arch)->prefix;
}

/* A checkpoint of the model without its head has no prefix before any name, e.g. that of GPT-2. */
static void note_prefix(struct loader *l, const char *name)
{
    l->has_prefix = l->has_prefix || !strncmp(name, prefix_of(l), strlen(prefix_of(l)));
}

/* The specification of a tensor; NULL if the model has none of this name. */
static cg_tensor_spec *find_exact(const struct loader *l, const char *name)
{
    size_t i = cg_tensor_spec_find(l->by_name, l->n_specs, name);

    return i < l->n_specs ? l->by_name[i] : NULL;
}

/* The same, by the names of the file. */
static cg_tensor_spec *find_spec(const struct loader *l, const char *name)
{
    cg_tensor_spec *s = find_exact(l, name);
    char full[sizeof s->name];

    if (s || l->has_prefix ||
        snprintf(full, sizeof full, "%s%s", prefix_of(l), name) >= (int)sizeof full)
        return s;
    return find_exact(l, full);
}

/* Whether a tensor is the head of a model that ties it: it repeats the embedding. */
static int is_tied_head(const char *name, const cg_model_config *c)
{
    return c->tie_embeddings && !strcmp(name, cg_architecture_of(c->arch)->head);
}

/* The causal mask that old checkpoints of GPT-2 and GPT-NeoX have for each layer. */
static int is_mask(const char *name, const cg_model_config *c)
{
    if (c->norm != CG_NORM_LAYER)
        return 0;
    return cg_text_ends_with(name, ".attn.bias") || cg_text_ends_with(name, ".attn.masked_bias") ||
           cg_text_ends_with(name, ".attention.bias") ||
           cg_text_ends_with(name, ".attention.masked_bias");
}

/* Buffers of old checkpoints are unused. */
static int is_ignored(const char *name, const cg_model_config *c)
{
    return is_tied_head(name, c) || is_mask(name, c) ||
           cg_text_ends_with(name, "rotary_emb.inv_freq");
}

static cg_status bind(struct loader *l, size_t file, const cg_st_tensor *t, cg_tensor_spec *s,
                      cg_error *err)
{
    const char *where = l->names[file];
    const json_t *map = l->index ? json_object_get(l->index, "weight_map") : NULL;

    if (s->file)
        return cg_fail(
            err, CG_ERR_FORMAT,
            "%s: tensor %s is in %s and in %s, wanted it in one of them: remove the file "
            "that does not belong to the model",
            l->dir, t->name, s->file, where);
    if (map) {
        const char *indexed = json_string_value(json_object_get(map, t->name));

        if (!indexed)
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s/%s: tensor %s is in %s, but the index does not list it: wanted the "
                           "index that was saved with these shards",
                           l->dir, index_name, t->name, where);
        if (strcmp(indexed, where))
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s/%s: tensor %s is in %s, the index says %s: wanted the index that "
                           "was saved with these shards",
                           l->dir, index_name, t->name, where, indexed);
    }
    if (t->dtype == CG_ST_OTHER)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "%s/%s: tensor %s: found %s, wanted weights in BF16, F16 or F32", l->dir,
                       where, t->name, t->dtype_name);
    if (t->n_dims != s->n_dims || t->shape[t->n_dims - 1] != s->cols ||
        (s->n_dims == 2 && t->shape[0] != s->rows)) {
        const int64_t shape[2] = { s->rows, s->cols };
        char found[CG_ST_SHAPE_TEXT], wanted[CG_ST_SHAPE_TEXT];

        return cg_fail(err, CG_ERR_FORMAT,
                       "%s/%s: tensor %s: found shape %s, wanted %s by config.json", l->dir, where,
                       t->name, cg_st_shape_text(t->n_dims, t->shape, found),
                       cg_st_shape_text(s->n_dims, shape + 2 - s->n_dims, wanted));
    }
    s->file = where;
    s->whole = (cg_tensor_ref) { l->model->store->files[file]->data + t->begin, s->rows, s->cols,
                                 t->dtype };
    return CG_OK;
}

static cg_status fail_names(const struct loader *l, const struct names *missing,
                            const struct names *surplus, cg_error *err)
{
    return cg_fail(
        err, CG_ERR_FORMAT,
        "%s: %zu tensors of %s missing%s%s%s, %zu tensors too many%s%s%s: wanted the weights that "
        "config.json describes",
        l->dir, missing->n, cg_arch_name(l->model->config.arch), missing->n ? " (" : "",
        missing->text, missing->n ? ")" : "", surplus->n, surplus->n ? " (" : "", surplus->text,
        surplus->n ? ")" : "");
}

static cg_status fail_quantised(const struct loader *l, const char *file, const char *tensor,
                                const char *dtype, cg_error *err)
{
    return cg_fail(
        err, CG_ERR_UNSUPPORTED,
        "%s/%s: tensor %.120s%s%s%s: the checkpoint is quantised, wanted plain bf16, f16 "
        "or f32 weights",
        l->dir, file, tensor, dtype ? " (" : "", dtype ? dtype : "", dtype ? ")" : "");
}

/* Names a tensor of a quantised checkpoint, before its missing weights are listed. */
static cg_status check_not_quantised(const struct loader *l, cg_error *err)
{
    const struct cg_model_store *store = l->model->store;

    for (size_t f = 0; f < store->n_files; f++) {
        const cg_st_table *table = &store->files[f]->table;

        for (size_t i = 0; i < table->n; i++)
            if (cg_is_quantised_tensor(&table->tensors[i]))
                return fail_quantised(l, l->names[f], table->tensors[i].name,
                                      table->tensors[i].dtype_name, err);
    }
    return CG_OK;
}

/* The head of a tied model is bound to be compared with the embedding. */
static cg_status bind_tied_head(struct loader *l, size_t file, const cg_st_tensor *t, cg_error *err)
{
    if (!l->tied_head.file) {
        l->tied_head = l->specs[0]; /* the embedding */
        l->tied_head.file = NULL;
        snprintf(l->tied_head.name, sizeof l->tied_head.name, "%s", t->name);
    }
    return bind(l, file, t, &l->tied_head, err);
}

/*
 * Versions of transformers differ in whether a tied model takes the embedding or a different head
 * of the file.
 */
static cg_status check_tied_head(const struct loader *l, cg_error *err)
{
    const cg_tensor_ref *head = &l->tied_head.whole, *embed = &l->specs[0].whole;
    int64_t cols = embed->cols;
    float *rows;
    cg_status st = CG_OK;

    if (!l->tied_head.file)
        return CG_OK;
    rows = cg_alloc_array((size_t)cols, 2 * sizeof *rows);
    if (!rows)
        return cg_fail_nomem(err, l->dir);
    for (int64_t i = 0; i < embed->rows && st == CG_OK; i++) {
        cg_weight_to_f32(head, i, 1, rows);
        cg_weight_to_f32(embed, i, 1, rows + cols);
        if (memcmp(rows, rows + cols, (size_t)cols * sizeof *rows) != 0)
            st = cg_fail(err, CG_ERR_FORMAT,
                         "%s/%s: tensor %s differs from %s in row %jd, but tie_word_embeddings in "
                         "config.json is true: wanted false if the head of the file is the trained "
                         "one, or a file without it",
                         l->dir, l->tied_head.file, l->tied_head.name, l->specs[0].name,
                         (intmax_t)i);
    }
    free(rows);
    return st;
}

static cg_status bind_all(struct loader *l, cg_error *err)
{
    struct cg_model_store *store = l->model->store;
    struct names missing = { 0 }, surplus = { 0 };

    for (size_t f = 0; f < store->n_files; f++)
        for (size_t i = 0; i < store->files[f]->table.n; i++)
            note_prefix(l, store->files[f]->table.tensors[i].name);
    for (size_t f = 0; f < store->n_files; f++) {
        const cg_st_table *table = &store->files[f]->table;

        for (size_t i = 0; i < table->n; i++) {
            const cg_st_tensor *t = &table->tensors[i];
            cg_tensor_spec *s = find_spec(l, t->name);

            if (s)
                CG_TRY(bind(l, f, t, s, err));
            else if (is_tied_head(t->name, &l->model->config))
                CG_TRY(bind_tied_head(l, f, t, err));
            else if (!is_ignored(t->name, &l->model->config))
                add_to_names(&surplus, t->name);
        }
    }
    for (size_t i = 0; i < l->n_specs; i++)
        if (!l->specs[i].file && !cg_adapter_replaces(l->adapter, l->specs[i].name))
            add_to_names(&missing, l->specs[i].name);
    if (!missing.n && !surplus.n)
        return CG_OK;
    return fail_names(l, &missing, &surplus, err);
}

/* *sum += bytes of a tensor in float32. */
static cg_status add_bytes(const struct loader *l, const cg_tensor_spec *s, size_t *sum,
                           cg_error *err)
{
    size_t bytes = 0;

    if (cg_mul((size_t)s->rows, (size_t)s->cols, &bytes) || cg_mul(bytes, 4, &bytes) ||
        cg_add(*sum, bytes, sum))
        return cg_fail(err, CG_ERR_LIMIT, "%s/config.json: the size of the weights overflows",
                       l->dir);
    return CG_OK;
}

/* *sum += bytes of the masks of n layers, in float32 at most. */
static cg_status add_masks(const struct loader *l, int32_t n, size_t *sum, cg_error *err)
{
    const cg_model_config *c = &l->model->config;
    size_t bytes = 0, positions = (size_t)c->max_positions;

    if (c->norm != CG_NORM_LAYER || c->max_positions > MAX_MASK)
        return CG_OK;
    if (cg_mul(positions, positions, &bytes) || cg_mul(bytes, 4 * (size_t)n, &bytes) ||
        cg_add(*sum, bytes, sum))
        return cg_fail(err, CG_ERR_LIMIT, "%s/config.json: the size of the masks overflows",
                       l->dir);
    return CG_OK;
}

/* A single file has at most a header, all tensors, the masks and, of a tied model, the head, which
 * has the size of the embedding. */
static cg_status bound_single_file(const struct loader *l, size_t *ret_bytes, cg_error *err)
{
    size_t sum = CG_ST_MAX_HEADER + SINGLE_MORE;

    CG_TRY(add_masks(l, l->model->config.n_layers, &sum, err));
    for (size_t i = 0; i < l->n_specs; i++)
        CG_TRY(add_bytes(l, &l->specs[i], &sum, err));
    CG_TRY(add_bytes(l, &l->specs[0], &sum, err));
    *ret_bytes = sum;
    return CG_OK;
}

/*
 * Bounds each shard by the tensors that the index assigns to it, so the shards together are hardly
 * larger than a single file. An index that names other tensors than the model's is refused before
 * a shard is opened.
 */
static cg_status bound_shards(struct loader *l, size_t *ret_bytes, cg_error *err)
{
    json_t *map = json_object_get(l->index, "weight_map"), *file;
    struct names missing = { 0 }, surplus = { 0 };
    const char *name;

    for (size_t f = 0; f < l->model->store->n_files; f++)
        ret_bytes[f] = SHARD_MORE;
    json_object_foreach(map, name, file)
    {
        note_prefix(l, name);
    }
    json_object_foreach(map, name, file)
    {
        const cg_tensor_spec *s = find_spec(l, name);
        size_t f = 0;

        while (strcmp(l->names[f], json_string_value(file)))
            f++;
        ret_bytes[f] += TENSOR_MORE;
        if (s)
            CG_TRY(add_bytes(l, s, &ret_bytes[f], err));
        else if (cg_is_quantised_name(name))
            return fail_quantised(l, index_name, name, NULL, err);
        else if (!is_ignored(name, &l->model->config))
            add_to_names(&surplus, name);
        else if (is_tied_head(name, &l->model->config))
            CG_TRY(add_bytes(l, &l->specs[0], &ret_bytes[f], err));
        else if (is_mask(name, &l->model->config))
            CG_TRY(add_masks(l, 1, &ret_bytes[f], err));
    }
    return surplus.n ? fail_names(l, &missing, &surplus, err) : CG_OK;
}

static cg_status bound_files(struct loader *l, cg_error *err)
{
    l->max_bytes = cg_alloc_array(l->model->store->n_files, sizeof *l->max_bytes);
    if (!l->max_bytes)
        return cg_fail_nomem(err, l->dir);
    return l->index ? bound_shards(l, l->max_bytes, err) : bound_single_file(l, l->max_bytes, err);
}

/*
 * Opens the adapter of the directory. One that has a head of its own makes a tied model an untied
 * one, as in peft.
 */
static cg_status open_adapter(struct loader *l, cg_error *err)
{
    cg_model *m = l->model;
    size_t max_bytes = 0;

    CG_TRY(bound_single_file(l, &max_bytes, err));
    if (cg_mul(max_bytes, ADAPTER_SIZES, &max_bytes))
        return cg_fail(err, CG_ERR_LIMIT, "%s: the size of the weights overflows", l->dir);
    CG_TRY(cg_adapter_open(l->dir, max_bytes, &l->adapter, err));
    if (!m->config.tie_embeddings ||
        !cg_adapter_replaces(l->adapter, cg_architecture_of(m->config.arch)->head))
        return CG_OK;
    m->config.tie_embeddings = 0;
    free(l->specs);
    free(m->layers);
    l->specs = NULL;
    m->layers = NULL;
    return cg_tensor_specs_create(m, &l->specs, &l->n_specs, err);
}

static cg_status merge_adapter(struct loader *l, cg_error *err)
{
    cg_model *m = l->model;

    if (!l->adapter)
        return CG_OK;
    CG_TRY(cg_adapter_bind(l->adapter, l->by_name, l->n_specs, m->config.tie_embeddings, err));
    CG_TRY(cg_adapter_merge(l->adapter, m->store, l->team, err));
    m->n_adapted = cg_adapter_count(l->adapter);
    return CG_OK;
}

static cg_status check_folder(const char *dir, cg_error *err)
{
    if (cg_file_is_directory(dir))
        return CG_OK;
    return cg_fail(err, CG_ERR_IO,
                   "%s: %s; wanted the folder of a model, with config.json, tokenizer.json and "
                   "*.safetensors",
                   dir, cg_file_exists(dir) ? "not a folder" : strerror(errno));
}

static cg_status load(struct loader *l, cg_error *err)
{
    cg_model *m = l->model;
    int n_threads = cg_cpu_count();

    m->store = calloc(1, sizeof *m->store);
    if (!m->store)
        return cg_fail_nomem(err, l->dir);
    CG_TRY(check_folder(l->dir, err));
    CG_TRY(cg_check_config_exists(l->dir, err));
    CG_TRY(cg_model_config_read(l->dir, &m->config, err));
    CG_TRY(cg_check_no_quantised_files(l->dir, err));
    CG_TRY(cg_generation_config_read(l->dir, m->config.vocab, &m->generation, err));
    CG_TRY(cg_format_config_read(l->dir, &m->format, err));
    CG_TRY(list_files(l, err));
    CG_TRY(cg_tensor_specs_create(m, &l->specs, &l->n_specs, err));
    CG_TRY(open_adapter(l, err));
    CG_TRY(sort_specs(l, err));
    CG_TRY(bound_files(l, err));
    CG_TRY(cg_team_create(n_threads < MAX_THREADS ? n_threads : MAX_THREADS, &l->team, err));
    CG_TRY(run_loop(l, m->store->n_files, open_one, err));
    CG_TRY(check_not_quantised(l, err));
    CG_TRY(bind_all(l, err));
    CG_TRY(check_tied_head(l, err));
    CG_TRY(merge_adapter(l, err));
    CG_TRY(run_loop(l, l->n_specs, check_item, err));
    cg_model_complete(m, l->specs, l->n_specs);
    return CG_OK;
}

cg_status cg_model_open(const char *dir, cg_model **ret_model, cg_error *err)
{
    struct loader l = { .dir = dir, .model = calloc(1, sizeof *l.model) };
    cg_status st;

    if (!l.model)
        return cg_fail_nomem(err, dir);
    CG_TRY_GOTO(st, load(&l, err), out);
    *ret_model = l.model;
    l.model = NULL;
out:
    cg_team_destroy(l.team);
    json_decref(l.index);
    for (size_t i = 0; l.names && i < MAX_SHARDS; i++)
        free(l.names[i]);
    free(l.names);
    free(l.by_name);
    free(l.max_bytes);
    free(l.specs);
    cg_adapter_close(l.adapter);
    cg_model_close(l.model);
    return st;
}

void cg_model_close(cg_model *m)
{
    if (!m)
        return;
    for (size_t i = 0; m->store && m->store->files && i < m->store->n_files; i++)
        cg_safetensors_close(m->store->files[i]);
    if (m->store) {
        free(m->store->files);
        free(m->store->heap);
    }
    free(m->store);
    free(m->layers);
    free(m);
}

uint64_t cg_model_fingerprint(const cg_model *model)
{
    return model->fingerprint;
}
