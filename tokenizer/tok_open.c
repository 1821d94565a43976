/* SPDX-License-Identifier: MIT */
/* Reads the files of a model directory and passes their texts to the loader of their form. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
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

static cg_status load_vocab_merges(const char *dir, cg_tokenizer **ret_tokenizer, cg_error *err)
{
    cg_bytes vocab = { 0 }, merges = { 0 }, config = { 0 }, added = { 0 };
    cg_vocab_merges_files files;
    cg_status st;

    CG_TRY_GOTO(st, read_file(dir, "vocab.json", OPTIONAL, &vocab, err), out);
    if (!vocab.data) {
        st = cg_fail(err, CG_ERR_IO, "%s: found neither tokenizer.json nor vocab.json", dir);
        goto out;
    }
    CG_TRY_GOTO(st, read_file(dir, "merges.txt", REQUIRED, &merges, err), out);
    CG_TRY_GOTO(st, read_file(dir, "tokenizer_config.json", REQUIRED, &config, err), out);
    CG_TRY_GOTO(st, read_file(dir, "added_tokens.json", OPTIONAL, &added, err), out);
    files = (cg_vocab_merges_files) {
        .vocab = (const char *)vocab.data,
        .vocab_len = vocab.len,
        .merges = (const char *)merges.data,
        .merges_len = merges.len,
        .config = (const char *)config.data,
        .config_len = config.len,
        .added_tokens = (const char *)added.data,
        .added_tokens_len = added.len,
    };
    st = cg_tokenizer_from_vocab_merges(dir, &files, ret_tokenizer, err);
out:
    cg_bytes_release(&vocab);
    cg_bytes_release(&merges);
    cg_bytes_release(&config);
    cg_bytes_release(&added);
    return st;
}

cg_status cg_tokenizer_load(const char *dir, cg_tokenizer **ret_tokenizer, cg_error *err)
{
    char path[PATH_MAX];
    cg_bytes json = { 0 };
    cg_status st;

    CG_TRY(read_file(dir, "tokenizer.json", OPTIONAL, &json, err));
    if (!json.data)
        return load_vocab_merges(dir, ret_tokenizer, err);
    snprintf(path, sizeof path, "%s/tokenizer.json", dir); /* read_file() checked its length */
    st = cg_tokenizer_from_json(path, (const char *)json.data, json.len, ret_tokenizer, err);
    cg_bytes_release(&json);
    return st;
}
