/* SPDX-License-Identifier: MIT */
/* Opening an engine's model: weights, tokenizer, vocabulary. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "engine/engine.h"
#include "engine/paths.h"
#include "model/config_files.h"

enum { TOKEN_CACHE_ENTRIES = 1 << 16 };

static int is_regular(const char *path)
{
    struct stat info;

    return !stat(path, &info) && S_ISREG(info.st_mode);
}

/*
 * XXH3 of the tokenizer's files, combined in a fixed order by a multiplicative hash (2^64 divided
 * by the golden ratio); a missing file counts as 0.
 */
static cg_status hash_tokenizer(const char *tokenizer, uint64_t *ret_hash, cg_error *err)
{
    static const char *const names[] = { "tokenizer.json", "vocab.json", "merges.txt",
                                         "added_tokens.json", "tokenizer_config.json" };
    uint64_t sum = 0, hash;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        /* a tokenizer.json by its own path counts as a folder with nothing else */
        int is_file = i == 0 && is_regular(tokenizer);
        char *path = is_file ? strdup(tokenizer) : cg_path_join(tokenizer, names[i]);
        cg_status st;

        if (!path)
            return cg_fail_nomem(err, "engine");
        hash = 0;
        st = cg_file_exists(path) ? cg_file_hash(path, &hash, err) : CG_OK;
        free(path);
        if (st != CG_OK)
            return st;
        sum = (sum ^ hash) * UINT64_C(0x9e3779b97f4a7c15);
    }
    *ret_hash = sum;
    return CG_OK;
}

static cg_status open_directory(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    const char *tokenizer;

    if (!o->model) {
        CG_TRY(cg_default_model_dir(&e->model.name, err));
    } else {
        e->model.name = strdup(o->model);
        if (!e->model.name)
            return cg_fail_nomem(err, "engine");
    }
    CG_TRY(cg_model_open(e->model.name, &e->model.weights, err));
    tokenizer = o->tokenizer ? o->tokenizer : e->model.name;
    CG_TRY(hash_tokenizer(tokenizer, &e->info.tokenizer_fingerprint, err));
    return cg_tokenizer_load(tokenizer, &e->model.tokenizer, err);
}

/* Random weights of a named shape, with tokenizer and text format of the directory `dir`. A
 * tokenizer with more tokens than the shape has a larger embedding. */
static cg_status open_shape_over(cg_engine *e, const char *shape, const char *dir, cg_error *err)
{
    cg_model_config config;

    CG_TRY(cg_tokenizer_load(dir, &e->model.tokenizer, err));
    CG_TRY(cg_model_config_named(shape, &config, err));
    if (cg_tokenizer_vocab_size(e->model.tokenizer) > config.vocab)
        config.vocab = (cg_tokenizer_vocab_size(e->model.tokenizer) + 127) / 128 * 128;
    CG_TRY(cg_model_random(&config, 0, &e->model.weights, err));
    if (!is_regular(dir))
        CG_TRY(cg_format_config_read(dir, &e->model.weights->format, err));
    /* The folder's types were chosen with its weights. */
    e->model.weights->format.gpu_dtype = CG_DTYPE_AUTO;
    e->model.weights->format.gpu_kv_dtype = CG_DTYPE_AUTO;
    if (asprintf(&e->model.name, "shape:%s", shape) < 0) {
        e->model.name = NULL;
        return cg_fail_nomem(err, "engine");
    }
    return CG_OK;
}

static cg_status open_shape(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    char *dir = NULL;
    cg_status st;

    if (o->model)
        return cg_fail(err, CG_ERR_USAGE, "a model '%s' and a shape '%s': wanted one of them",
                       o->model, o->shape);
    if (!o->tokenizer)
        CG_TRY(cg_default_model_dir(&dir, err));
    st = open_shape_over(e, o->shape, dir ? dir : o->tokenizer, err);
    free(dir);
    return st;
}

cg_status cg_engine_open_model(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    int32_t n_ids;

    CG_TRY(o->shape ? open_shape(e, o, err) : open_directory(e, o, err));
    n_ids = cg_tokenizer_vocab_size(e->model.tokenizer);
    if (n_ids > e->model.weights->config.vocab)
        return cg_fail(err, CG_ERR_MISMATCH,
                       "model '%s': the tokenizer has ids up to %d, the embedding has %d rows",
                       e->model.name, n_ids - 1, e->model.weights->config.vocab);
    if (o->token_cache)
        CG_TRY(cg_token_cache_create(TOKEN_CACHE_ENTRIES, &e->model.token_cache, err));
    cg_vocabulary_init(&e->model.vocabulary, e->model.tokenizer, e->model.token_cache);
    return CG_OK;
}

cg_status cg_engine_open_codes(cg_engine *e, const cg_engine_options *o, cg_error *err)
{
    const cg_conformer_format *f = &e->model.weights->format.conformer;
    const char *dir = o->shape && o->tokenizer ? o->tokenizer : e->model.name;

    return f->layout == CG_LAYOUT_TOKENS
               ? cg_code_decoder_open(dir, o->shape != NULL, f, &e->codes, err)
               : CG_OK;
}

void cg_engine_close_model(cg_engine *e)
{
    cg_token_cache_destroy(e->model.token_cache);
    cg_tokenizer_destroy(e->model.tokenizer);
    cg_model_close(e->model.weights);
    free(e->model.name);
}
