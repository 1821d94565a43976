/* SPDX-License-Identifier: MIT */
#include "engine/tuning_cache.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

enum { VERSION = 1, MAX_CHOICES = 256, MAX_BYTES = 16 << 20 };

cg_status cg_tuning_path(char *ret_path, size_t cap, cg_error *err)
{
    static const struct {
        const char *variable, *below;
    } places[] = { { "CONFGEN_CACHE_DIR", "tuning.json" },
                   { "XDG_CACHE_HOME", "confgen/tuning.json" },
                   { "HOME", ".cache/confgen/tuning.json" } };

    ret_path[0] = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *dir = getenv(places[i].variable);
        int n;

        if (!dir || !*dir)
            continue;
        n = snprintf(ret_path, cap, "%s/%s", dir, places[i].below);
        if (n > 0 && (size_t)n < cap)
            return CG_OK;
        ret_path[0] = '\0';
        return cg_fail(err, CG_ERR_LIMIT, "%s '%.200s...': the path is longer than %zu bytes",
                       places[i].variable, dir, cap - 1);
    }
    return CG_OK;
}

/* ---- reading ------------------------------------------------------------------------------ */

static cg_status damaged(const char *path, const char *what, cg_error *err)
{
    return cg_fail(err, CG_ERR_FORMAT, "'%s': not a file of remembered choices: %s", path, what);
}

/* A short string member into ret[cap]; optional ones become "". */
static cg_status get_text(const cg_json *o, const char *key, int required, char *ret, size_t cap,
                          cg_error *err)
{
    const char *text = "";
    cg_status status = cg_json_string(o, key, required, &text, err);

    if (status == CG_OK && strlen(text) >= cap)
        status = cg_json_unwanted(o, key, "a shorter text", err);
    if (status == CG_OK)
        snprintf(ret, cap, "%s", text);
    return status;
}

static cg_status read_figure(const cg_json *o, cg_tuning_figure *ret, cg_error *err)
{
    int64_t batch_size = 0;
    cg_status status =
        get_text(o, "attention", CG_JSON_REQUIRED, ret->attention, sizeof ret->attention, err);

    ret->struct_size = sizeof *ret;
    if (status == CG_OK)
        status =
            get_text(o, "kv_cache", CG_JSON_REQUIRED, ret->kv_cache, sizeof ret->kv_cache, err);
    if (status == CG_OK)
        status = get_text(o, "refused", CG_JSON_OPTIONAL, ret->refused, sizeof ret->refused, err);
    if (status == CG_OK)
        status = cg_json_int(o, "batch_size", CG_JSON_REQUIRED, 1, CG_MAX_BATCH, &batch_size, err);
    if (status == CG_OK)
        status = cg_json_real(o, "tokens_per_second", CG_JSON_OPTIONAL, 0, 1e12,
                              &ret->tokens_per_second, err);
    ret->batch_size = (int32_t)batch_size;
    return status;
}

static cg_status read_choice(const cg_json *o, cg_tuning *ret, cg_error *err)
{
    const json_t *figures = cg_json_member(o, "figures");
    cg_tuning_figure choice = { 0 };
    cg_status status = read_figure(o, &choice, err);

    if (status == CG_OK)
        status = cg_json_real(o, "seconds", CG_JSON_REQUIRED, 0, 1e9, &ret->seconds, err);
    if (status == CG_OK &&
        (!json_is_array(figures) || json_array_size(figures) > CG_TUNING_FIGURES))
        status = cg_json_unwanted(o, "figures", "a list of attempts", err);
    for (size_t i = 0; status == CG_OK && i < json_array_size(figures); i++) {
        cg_json f = { o->file, "figures[]", json_array_get(figures, i) };

        if (!json_is_object(f.node))
            return cg_json_unwanted(o, "figures", "a list of objects", err);
        status = read_figure(&f, &ret->figures[ret->n_figures++], err);
    }
    memcpy(ret->attention, choice.attention, sizeof ret->attention);
    memcpy(ret->kv_cache, choice.kv_cache, sizeof ret->kv_cache);
    ret->batch_size = choice.batch_size;
    ret->tokens_per_second = choice.tokens_per_second;
    return status;
}

/* The whole file; *ret_root is NULL without one. */
static cg_status read_file(const char *path, json_t **ret_root, cg_error *err)
{
    cg_bytes bytes = { 0 };
    const json_t *choices;
    cg_status status;

    *ret_root = NULL;
    if (!cg_file_exists(path))
        return CG_OK;
    status = cg_file_read(path, MAX_BYTES, &bytes, err);
    if (status == CG_OK)
        status = cg_json_parse(path, bytes.data, bytes.len, ret_root, err);
    cg_bytes_release(&bytes);
    if (status != CG_OK)
        return status;
    choices = json_object_get(*ret_root, "choices");
    if (json_integer_value(json_object_get(*ret_root, "confgen_tuning")) != VERSION)
        status = damaged(path, "another version", err);
    else if (!json_is_array(choices) || json_array_size(choices) > MAX_CHOICES)
        status = damaged(path, "no list of choices", err);
    for (size_t i = 0; status == CG_OK && i < json_array_size(choices); i++)
        if (!json_is_object(json_object_get(json_array_get(choices, i), "key")))
            status = damaged(path, "a choice without a key", err);
    if (status != CG_OK) {
        json_decref(*ret_root);
        *ret_root = NULL;
    }
    return status;
}

static json_t *make_key(const cg_tuning_item *key, size_t n_key)
{
    json_t *o = json_object();

    for (size_t i = 0; o && i < n_key; i++)
        if (json_object_set_new(o, key[i].key, json_string(key[i].value))) {
            json_decref(o); /* no memory, or no UTF-8 */
            o = NULL;
        }
    return o;
}

/* Place of a key among the choices; their number if it is not there. */
static size_t find(const json_t *choices, const json_t *key)
{
    size_t i = 0;

    while (i < json_array_size(choices) &&
           !json_equal(json_object_get(json_array_get(choices, i), "key"), key))
        i++;
    return i;
}

cg_status cg_tuning_load(const char *path, const cg_tuning_item *key, size_t n_key,
                         cg_tuning *ret_tuning, int *ret_found, cg_error *err)
{
    json_t *root, *wanted;
    const json_t *choices;
    cg_tuning tuning = { .n_figures = 0 };
    size_t i;
    cg_status status = read_file(path, &root, err);

    *ret_found = 0;
    if (status != CG_OK || !root)
        return status;
    choices = json_object_get(root, "choices");
    wanted = make_key(key, n_key);
    if (!wanted) {
        status = cg_fail(err, CG_ERR_NOMEM, "'%s': out of memory", path);
    } else if ((i = find(choices, wanted)) < json_array_size(choices)) {
        cg_json o = { path, "choices[]", json_array_get(choices, i) };

        status = read_choice(&o, &tuning, err);
        if (status == CG_OK) {
            *ret_tuning = tuning;
            *ret_found = 1;
        }
    }
    json_decref(wanted);
    json_decref(root);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------ */

static json_t *figure_json(const cg_tuning_figure *f)
{
    if (f->refused[0])
        return json_pack("{s:s, s:s, s:i, s:s}", "attention", f->attention, "kv_cache", f->kv_cache,
                         "batch_size", (int)f->batch_size, "refused", f->refused);
    return json_pack("{s:s, s:s, s:i, s:f}", "attention", f->attention, "kv_cache", f->kv_cache,
                     "batch_size", (int)f->batch_size, "tokens_per_second", f->tokens_per_second);
}

static json_t *choice_json(const cg_tuning *t, json_t *key)
{
    json_t *figures = json_array();

    for (int32_t i = 0; i < t->n_figures; i++)
        if (json_array_append_new(figures, figure_json(&t->figures[i]))) {
            json_decref(figures);
            json_decref(key);
            return NULL;
        }
    return json_pack("{s:o, s:s, s:s, s:i, s:f, s:f, s:o}", "key", key, "attention", t->attention,
                     "kv_cache", t->kv_cache, "batch_size", (int)t->batch_size, "tokens_per_second",
                     t->tokens_per_second, "seconds", t->seconds, "figures", figures);
}

/* The directories above a file, as far as they are missing. */
static void make_dirs(const char *path)
{
    char dir[PATH_MAX];

    snprintf(dir, sizeof dir, "%s", path);
    for (char *c = dir + 1; *c; c++)
        if (*c == '/') {
            *c = '\0';
            mkdir(dir, 0700); /* what goes wrong shows when the file is made */
            *c = '/';
        }
}

/* Write beside the file and rename, so that nobody meets half of it. */
static cg_status replace(const char *path, const json_t *root, cg_error *err)
{
    char temporary[PATH_MAX];
    int fd, n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path), failed;

    if (n < 0 || (size_t)n >= sizeof temporary)
        return cg_fail(err, CG_ERR_IO, "'%.200s...': the path is too long", path);
    make_dirs(path);
    fd = mkstemp(temporary);
    if (fd < 0)
        return cg_fail(err, CG_ERR_IO, "'%s': cannot be written: %s", path, strerror(errno));
    failed = json_dumpfd(root, fd, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    failed |= close(fd);
    if (!failed)
        failed = rename(temporary, path);
    if (!failed)
        return CG_OK;
    n = errno;
    unlink(temporary);
    return cg_fail(err, CG_ERR_IO, "'%s': cannot be written: %s", path, strerror(n));
}

cg_status cg_tuning_store(const char *path, const cg_tuning_item *key, size_t n_key,
                          const cg_tuning *tuning, cg_error *err)
{
    json_t *root, *choices, *wanted = make_key(key, n_key), *choice = NULL;
    size_t i;
    cg_status status = CG_OK;

    if (read_file(path, &root, NULL) != CG_OK || !root) /* damaged: it begins anew */
        root = json_pack("{s:i, s:[]}", "confgen_tuning", VERSION, "choices");
    choices = json_object_get(root, "choices");
    if (wanted && choices && (i = find(choices, wanted)) < json_array_size(choices))
        json_array_remove(choices, i);
    while (json_array_size(choices) >= MAX_CHOICES)
        json_array_remove(choices, 0);
    if (wanted && choices)
        choice = choice_json(tuning, json_incref(wanted));
    if (!choice || json_array_append_new(choices, choice))
        status = cg_fail(err, CG_ERR_NOMEM, "'%s': out of memory", path);
    else
        status = replace(path, root, err);
    json_decref(wanted);
    json_decref(root);
    return status;
}

/* ---- listing ------------------------------------------------------------------------------ */

static const char *part(const json_t *key, const char *name)
{
    const char *text = json_string_value(json_object_get(key, name));

    return text ? text : "";
}

cg_status cg_tuning_list(void (*on_choice)(void *ctx, const cg_tuned *choice), void *ctx,
                         char *ret_path, size_t cap, cg_error *err)
{
    json_t *root = NULL;
    const json_t *choices;
    cg_status status = cg_tuning_path(ret_path, cap, err);

    if (status == CG_OK && *ret_path)
        status = read_file(ret_path, &root, err);
    choices = json_object_get(root, "choices");
    for (size_t i = 0; status == CG_OK && i < json_array_size(choices); i++) {
        cg_json o = { ret_path, "choices[]", json_array_get(choices, i) };
        const json_t *key = json_object_get(o.node, "key");
        cg_tuning t = { .n_figures = 0 };
        cg_tuned tuned = { CG_SIZED(cg_tuned),          .gpu = part(key, "gpu"),
                           .model = part(key, "model"), .dtype = part(key, "dtype"),
                           .attention = t.attention,    .kv_cache = t.kv_cache };

        status = read_choice(&o, &t, err);
        tuned.batch_size = t.batch_size;
        tuned.tokens_per_second = t.tokens_per_second;
        if (status == CG_OK)
            on_choice(ctx, &tuned);
    }
    json_decref(root);
    return status;
}
