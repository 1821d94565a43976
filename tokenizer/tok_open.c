/* SPDX-License-Identifier: MIT */
/* Reads the files of a model directory and passes their texts to the loader of their form. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "tok_impl.h"

enum { OPTIONAL = 0, REQUIRED = 1 };

/* Reads dir/name. An optional file that does not exist leaves *ret_text empty. */
static cg_status read_file(const char *dir, const char *name, int required, cg_bytes *ret_text,
                           cg_error *err)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return cg_fail(err, CG_ERR_IO, "%.64s...: a path of %zu bytes is too long", dir,
                       strlen(dir));
    if (!required && access(path, F_OK) && errno == ENOENT)
        return CG_OK;
    return cg_file_read(path, CG_TOKENIZER_FILE_MAX, ret_text, err);
}

/* Files of tokenizers that are not read. */
static const char *find_other(const char *dir)
{
    static const char *const names[] = { "tokenizer.model", "spiece.model", "vocab.txt",
                                         "tekken.json", "tiktoken.model" };
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (snprintf(path, sizeof path, "%s/%s", dir, names[i]) < (int)sizeof path &&
            !access(path, F_OK))
            return names[i];
    return NULL;
}

static cg_status fail_no_tokenizer(const char *dir, cg_error *err)
{
    const char *other = find_other(dir);

    if (other)
        return cg_fail(
            err, CG_ERR_UNSUPPORTED,
            "%s: found %s, which is not read, wanted tokenizer.json: save_pretrained() of "
            "AutoTokenizer writes it",
            dir, other);
    return cg_fail(err, CG_ERR_IO,
                   "%s: found neither tokenizer.json nor vocab.json; --tokenizer names another "
                   "folder",
                   dir);
}

static cg_status load_vocab_merges(const char *dir, cg_tokenizer **ret_tokenizer, cg_error *err)
{
    cg_bytes vocab = { 0 }, merges = { 0 }, config = { 0 }, added = { 0 }, model = { 0 };
    cg_vocab_merges_files files;
    cg_status st;

    CG_TRY_GOTO(st, read_file(dir, "vocab.json", OPTIONAL, &vocab, err), out);
    if (!vocab.data) {
        st = fail_no_tokenizer(dir, err);
        goto out;
    }
    CG_TRY_GOTO(st, read_file(dir, "merges.txt", REQUIRED, &merges, err), out);
    CG_TRY_GOTO(st, read_file(dir, "tokenizer_config.json", REQUIRED, &config, err), out);
    CG_TRY_GOTO(st, read_file(dir, "added_tokens.json", OPTIONAL, &added, err), out);
    CG_TRY_GOTO(st, read_file(dir, "config.json", OPTIONAL, &model, err), out);
    files = (cg_vocab_merges_files) {
        .vocab = (const char *)vocab.data,
        .vocab_len = vocab.len,
        .merges = (const char *)merges.data,
        .merges_len = merges.len,
        .config = (const char *)config.data,
        .config_len = config.len,
        .added_tokens = (const char *)added.data,
        .added_tokens_len = added.len,
        .model_config = (const char *)model.data,
        .model_config_len = model.len,
    };
    st = cg_tokenizer_from_vocab_merges(dir, &files, ret_tokenizer, err);
out:
    cg_bytes_release(&vocab);
    cg_bytes_release(&merges);
    cg_bytes_release(&config);
    cg_bytes_release(&added);
    cg_bytes_release(&model);
    return st;
}

static cg_status load_json(const char *dir, const cg_bytes *json, cg_tokenizer **ret_tokenizer,
                           cg_error *err)
{
    cg_bytes config = { 0 }, map = { 0 }, model = { 0 };
    char path[PATH_MAX];
    cg_json_texts texts;
    cg_status st;

    CG_TRY_GOTO(st, read_file(dir, "tokenizer_config.json", OPTIONAL, &config, err), out);
    CG_TRY_GOTO(st, read_file(dir, "special_tokens_map.json", OPTIONAL, &map, err), out);
    CG_TRY_GOTO(st, read_file(dir, "config.json", OPTIONAL, &model, err), out);
    texts = (cg_json_texts) {
        .tokenizer = (const char *)json->data,
        .tokenizer_len = json->len,
        .config = (const char *)config.data,
        .config_len = config.len,
        .special_map = (const char *)map.data,
        .special_map_len = map.len,
        .model_config = (const char *)model.data,
        .model_config_len = model.len,
    };
    snprintf(path, sizeof path, "%s/tokenizer.json", dir); /* read_file() checked its length */
    st = cg_tokenizer_from_json(path, &texts, ret_tokenizer, err);
out:
    cg_bytes_release(&config);
    cg_bytes_release(&map);
    cg_bytes_release(&model);
    return st;
}

/* A tokenizer.json by its own path: the files beside it do not count. */
static cg_status load_file(const char *path, cg_tokenizer **ret_tokenizer, cg_error *err)
{
    cg_bytes json = { 0 };
    cg_status st;

    CG_TRY(cg_file_read(path, CG_TOKENIZER_FILE_MAX, &json, err));
    st = cg_tokenizer_from_json(
        path, &(cg_json_texts) { .tokenizer = (const char *)json.data, .tokenizer_len = json.len },
        ret_tokenizer, err);
    cg_bytes_release(&json);
    return st;
}

cg_status cg_tokenizer_load(const char *path, cg_tokenizer **ret_tokenizer, cg_error *err)
{
    cg_bytes json = { 0 };
    struct stat info;
    cg_status st;

    if (!stat(path, &info) && S_ISREG(info.st_mode))
        return load_file(path, ret_tokenizer, err);
    CG_TRY(read_file(path, "tokenizer.json", OPTIONAL, &json, err));
    if (!json.data)
        return load_vocab_merges(path, ret_tokenizer, err);
    st = load_json(path, &json, ret_tokenizer, err);
    cg_bytes_release(&json);
    return st;
}
