/* SPDX-License-Identifier: MIT */
#include "engine/tuning_cache.h"

#include <jansson.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "base/whole_file.h"

enum { VERSION = 1, MAX_TUNINGS = 256, MAX_BYTES = 16 << 20 };

cg_status cg_tuning_path(char *ret_path, size_t cap, cg_error *err)
{
    static const struct {
        const char *variable, *suffix;
    } candidates[] = { { "CONFGEN_CACHE_DIR", "tuning.json" },
                       { "XDG_CACHE_HOME", "confgen/tuning.json" },
                       { "HOME", ".cache/confgen/tuning.json" } };

    ret_path[0] = '\0';
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        const char *dir = getenv(candidates[i].variable);
        int n;

        if (!dir || !*dir)
            continue;
        n = snprintf(ret_path, cap, "%s/%s", dir, candidates[i].suffix);
        if (n > 0 && (size_t)n < cap)
            return CG_OK;
        ret_path[0] = '\0';
        return cg_fail(err, CG_ERR_LIMIT, "%s '%.200s...': the path is longer than %zu bytes",
                       candidates[i].variable, dir, cap - 1);
    }
    return CG_OK;
}

/* ---- reading ------------------------------------------------------------------------------ */

static cg_status fail_damaged(const char *path, const char *what, cg_error *err)
{
    return cg_fail(err, CG_ERR_FORMAT, "tunings of GPUs '%s': found %s: the file is ignored", path,
                   what);
}

/* Reads a string member into ret[cap]; a missing optional one gives "". */
static cg_status read_text(const cg_json *o, const char *key, int required, char *ret, size_t cap,
                           cg_error *err)
{
    const char *text = "";

    CG_TRY(cg_json_string(o, key, required, &text, err));
    if (strlen(text) >= cap)
        return cg_json_fail_wanted(o, key, "a shorter text", err);
    snprintf(ret, cap, "%s", text);
    return CG_OK;
}

static cg_status read_attempt(const cg_json *o, cg_tuning_attempt *a, cg_error *err)
{
    int64_t batch_size = 0, n_conformers = 0;

    a->struct_size = sizeof *a;
    CG_TRY(read_text(o, "attention", CG_JSON_REQUIRED, a->attention, sizeof a->attention, err));
    CG_TRY(read_text(o, "kv_cache", CG_JSON_REQUIRED, a->kv_cache, sizeof a->kv_cache, err));
    CG_TRY(read_text(o, "refused", CG_JSON_OPTIONAL, a->refused, sizeof a->refused, err));
    CG_TRY(cg_json_int(o, "batch_size", CG_JSON_REQUIRED, 1, CG_MAX_BATCH, &batch_size, err));
    CG_TRY(cg_json_int(o, "conformers", CG_JSON_OPTIONAL, 0, INT32_MAX, &n_conformers, err));
    a->batch_size = (int32_t)batch_size;
    a->n_conformers = (int32_t)n_conformers;
    return cg_json_real(o, "tokens_per_second", CG_JSON_OPTIONAL, 0, 1e12, &a->tokens_per_second,
                        err);
}

static cg_status read_tuning(const cg_json *o, cg_tuning *t, cg_error *err)
{
    const json_t *attempts = cg_json_member(o, "figures");
    cg_tuning_attempt selected = { 0 };

    CG_TRY(read_attempt(o, &selected, err));
    CG_TRY(cg_json_real(o, "seconds", CG_JSON_REQUIRED, 0, 1e9, &t->seconds, err));
    if (!json_is_array(attempts) || json_array_size(attempts) > CG_TUNING_ATTEMPTS)
        return cg_json_fail_wanted(o, "figures", "a list of attempts", err);
    for (size_t i = 0; i < json_array_size(attempts); i++) {
        cg_json a = { o->file, "figures[]", json_array_get(attempts, i) };

        if (!json_is_object(a.node))
            return cg_json_fail_wanted(o, "figures", "a list of objects", err);
        CG_TRY(read_attempt(&a, &t->attempts[t->n_attempts++], err));
    }
    memcpy(t->attention, selected.attention, sizeof t->attention);
    memcpy(t->kv_cache, selected.kv_cache, sizeof t->kv_cache);
    t->batch_size = selected.batch_size;
    t->tokens_per_second = selected.tokens_per_second;
    return CG_OK;
}

static cg_status check_root(const char *path, const json_t *root, cg_error *err)
{
    const json_t *version = json_object_get(root, "confgen_tuning");
    const json_t *tunings = json_object_get(root, "choices");
    char what[96];

    if (!json_is_integer(version))
        return fail_damaged(path, "no format version 'confgen_tuning'", err);
    if (json_integer_value(version) != VERSION) {
        snprintf(what, sizeof what, "format version %jd, wanted %d",
                 (intmax_t)json_integer_value(version), VERSION);
        return fail_damaged(path, what, err);
    }
    if (!json_is_array(tunings))
        return fail_damaged(path, "no list 'choices' of tunings", err);
    if (json_array_size(tunings) > MAX_TUNINGS) {
        snprintf(what, sizeof what, "%zu tunings, wanted at most %d", json_array_size(tunings),
                 MAX_TUNINGS);
        return fail_damaged(path, what, err);
    }
    for (size_t i = 0; i < json_array_size(tunings); i++)
        if (!json_is_object(json_object_get(json_array_get(tunings, i), "key")))
            return fail_damaged(path, "a tuning without an object 'key'", err);
    return CG_OK;
}

/* Reads and checks the whole file; *ret_root is NULL without a file. */
static cg_status read_root(const char *path, json_t **ret_root, cg_error *err)
{
    cg_bytes bytes = { 0 };
    json_t *root = NULL;
    cg_status st;

    *ret_root = NULL;
    if (!cg_file_exists(path))
        return CG_OK;
    CG_TRY(cg_file_read(path, MAX_BYTES, &bytes, err));
    CG_TRY_GOTO(st, cg_json_parse(path, bytes.data, bytes.len, &root, err), out);
    CG_TRY_GOTO(st, check_root(path, root, err), out);
    *ret_root = root;
    root = NULL;
out:
    cg_bytes_release(&bytes);
    json_decref(root);
    return st;
}

static int is_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    int n = 1;

    for (; *s && n; s += n)
        n = cg_utf8_length(s);
    return n != 0;
}

static cg_status make_key(const char *path, const cg_tuning_item *items, size_t n_items,
                          json_t **ret_key, cg_error *err)
{
    json_t *key;

    for (size_t i = 0; i < n_items; i++)
        if (!is_utf8(items[i].value))
            return cg_fail(err, CG_ERR_INPUT,
                           "GPU tuning cache '%s': item '%s' of the key is not UTF-8: the tuning "
                           "is not remembered",
                           path, items[i].key);
    key = json_object();
    for (size_t i = 0; key && i < n_items; i++)
        if (json_object_set_new(key, items[i].key, cg_json_text(items[i].value))) {
            json_decref(key);
            key = NULL;
        }
    if (!key)
        return cg_fail_nomem(err, path);
    *ret_key = key;
    return CG_OK;
}

/* Index of a key among the tunings; their number if it is missing. */
static size_t find(const json_t *tunings, const json_t *key)
{
    size_t i = 0;

    while (i < json_array_size(tunings) &&
           !json_equal(json_object_get(json_array_get(tunings, i), "key"), key))
        i++;
    return i;
}

/* Whether all items of `part` are in `key`. */
static int is_part_of(const json_t *part, const json_t *key)
{
    const char *name;
    const json_t *value;

    json_object_foreach((json_t *)part, name,
                        value) if (!json_equal(json_object_get(key, name), value)) return 0;
    return 1;
}

/* As find(): the first tuning whose key is a part of `key`. */
static size_t find_part(const json_t *tunings, const json_t *key)
{
    size_t i = 0;

    while (i < json_array_size(tunings) &&
           !is_part_of(json_object_get(json_array_get(tunings, i), "key"), key))
        i++;
    return i;
}

static cg_status load(const char *path, const cg_tuning_item *items, size_t n_items,
                      size_t (*find_key)(const json_t *tunings, const json_t *key),
                      cg_tuning *ret_tuning, int *ret_found, cg_error *err)
{
    json_t *root, *key = NULL;
    const json_t *node;
    cg_tuning tuning = { .n_attempts = 0 };
    cg_status st;

    *ret_found = 0;
    CG_TRY(read_root(path, &root, err));
    if (!root)
        return CG_OK;
    CG_TRY_GOTO(st, make_key(path, items, n_items, &key, err), out);
    node = json_object_get(root, "choices");
    node = json_array_get(node, find_key(node, key)); /* NULL if it is missing */
    if (node) {
        cg_json o = { path, "choices[]", node };

        CG_TRY_GOTO(st, read_tuning(&o, &tuning, err), out);
        *ret_tuning = tuning;
        *ret_found = 1;
    }
out:
    json_decref(key);
    json_decref(root);
    return st;
}

cg_status cg_tuning_load(const char *path, const cg_tuning_item *items, size_t n_items,
                         cg_tuning *ret_tuning, int *ret_found, cg_error *err)
{
    return load(path, items, n_items, find, ret_tuning, ret_found, err);
}

cg_status cg_tuning_load_shipped(const char *path, const cg_tuning_item *items, size_t n_items,
                                 cg_tuning *ret_tuning, int *ret_found, cg_error *err)
{
    return load(path, items, n_items, find_part, ret_tuning, ret_found, err);
}

/* ---- writing ------------------------------------------------------------------------------ */

static json_t *attempt_json(const cg_tuning_attempt *a)
{
    if (a->refused[0])
        return json_pack("{s:s, s:s, s:i, s:o}", "attention", a->attention, "kv_cache", a->kv_cache,
                         "batch_size", (int)a->batch_size, "refused", cg_json_text(a->refused));
    return json_pack("{s:s, s:s, s:i, s:i, s:f}", "attention", a->attention, "kv_cache",
                     a->kv_cache, "batch_size", (int)a->batch_size, "conformers",
                     (int)a->n_conformers, "tokens_per_second", a->tokens_per_second);
}

/* Takes over the reference to the key. */
static json_t *tuning_json(const cg_tuning *t, json_t *key)
{
    json_t *attempts = json_array();

    for (int32_t i = 0; i < t->n_attempts; i++)
        if (json_array_append_new(attempts, attempt_json(&t->attempts[i]))) {
            json_decref(attempts);
            json_decref(key);
            return NULL;
        }
    return json_pack("{s:o, s:s, s:s, s:i, s:f, s:f, s:o}", "key", key, "attention", t->attention,
                     "kv_cache", t->kv_cache, "batch_size", (int)t->batch_size, "tokens_per_second",
                     t->tokens_per_second, "seconds", t->seconds, "figures", attempts);
}

/* Creates the missing directories above a file. */
static void make_dirs(const char *path)
{
    char dir[PATH_MAX];

    snprintf(dir, sizeof dir, "%s", path);
    for (char *c = dir + 1; *c; c++)
        if (*c == '/') {
            *c = '\0';
            mkdir(dir, 0700); /* a failure shows when the file is created */
            *c = '/';
        }
}

static cg_status replace(const char *path, const json_t *root, cg_error *err)
{
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    cg_status st;

    if (!text)
        return cg_fail_nomem(err, path);
    make_dirs(path);
    st = cg_file_write_whole(path, text, strlen(text), 1, err);
    free(text);
    return st == CG_OK ? st : cg_fail_prefix(err, st, "GPU tuning cache");
}

cg_status cg_tuning_store(const char *path, const cg_tuning_item *items, size_t n_items,
                          const cg_tuning *tuning, cg_error *err)
{
    json_t *root, *tunings, *key, *node;
    cg_status st;

    CG_TRY(make_key(path, items, n_items, &key, err));
    /* a file that cannot be read for any reason is replaced */
    if (read_root(path, &root, NULL) != CG_OK || !root)
        root = json_pack("{s:i, s:[]}", "confgen_tuning", VERSION, "choices");
    tunings = json_object_get(root, "choices");
    if (!tunings) {
        st = cg_fail_nomem(err, path);
        goto out;
    }
    /* all with this key: an earlier one would be found instead of the new one */
    while (find(tunings, key) < json_array_size(tunings))
        json_array_remove(tunings, find(tunings, key));
    while (json_array_size(tunings) >= MAX_TUNINGS)
        json_array_remove(tunings, 0);
    node = tuning_json(tuning, json_incref(key));
    if (!node || json_array_append_new(tunings, node)) {
        st = cg_fail_nomem(err, path);
        goto out;
    }
    st = replace(path, root, err);
out:
    json_decref(key);
    json_decref(root);
    return st;
}

/* ---- listing ------------------------------------------------------------------------------ */

static const char *text_of(const json_t *key, const char *name)
{
    const char *text = json_string_value(json_object_get(key, name));

    return text ? text : "";
}

cg_status cg_tuning_list(void (*on_tuned)(void *ctx, const cg_tuned *tuned), void *ctx,
                         char *ret_path, size_t cap, cg_error *err)
{
    json_t *root = NULL;
    const json_t *tunings;
    cg_status st = CG_OK;

    CG_TRY(cg_tuning_path(ret_path, cap, err));
    if (*ret_path)
        CG_TRY(read_root(ret_path, &root, err));
    tunings = json_object_get(root, "choices");
    for (size_t i = 0; i < json_array_size(tunings); i++) {
        cg_json o = { ret_path, "choices[]", json_array_get(tunings, i) };
        const json_t *key = json_object_get(o.node, "key");
        cg_tuning t = { .n_attempts = 0 };
        cg_tuned tuned = { CG_SIZED(cg_tuned) };

        CG_TRY_GOTO(st, read_tuning(&o, &t, err), out);
        tuned.gpu = text_of(key, "gpu");
        tuned.model = text_of(key, "model");
        tuned.dtype = text_of(key, "dtype");
        tuned.kv_dtype = text_of(key, "kv_dtype");
        tuned.attention = t.attention;
        tuned.kv_cache = t.kv_cache;
        tuned.batch_size = t.batch_size;
        tuned.tokens_per_second = t.tokens_per_second;
        on_tuned(ctx, &tuned);
    }
out:
    json_decref(root);
    return st;
}
