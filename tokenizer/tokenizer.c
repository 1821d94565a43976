/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/size.h"
#include "tok_impl.h"

cg_tokenizer *cg_tokenizer_new(void)
{
    static _Atomic uint32_t next_serial = 1; /* tells tokenizers apart in a shared cache */
    cg_tokenizer *t = calloc(1, sizeof *t);

    if (t)
        t->serial = atomic_fetch_add_explicit(&next_serial, 1, memory_order_relaxed);
    return t;
}

void cg_tokenizer_destroy(cg_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    cg_vocab_finish(&tokenizer->vocab);
    cg_added_finish(&tokenizer->added_raw);
    cg_added_finish(&tokenizer->added_norm);
    cg_pretok_finish(&tokenizer->pretok);
    free(tokenizer);
}

static cg_status read_open_file(int fd, const char *path, char **ret_text, size_t *ret_len,
                                cg_error *err)
{
    struct stat info;
    size_t want, len = 0;
    char *text;

    if (fstat(fd, &info))
        return cg_fail(err, CG_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cg_fail(err, CG_ERR_IO, "%s: not a regular file", path);
    if ((uint64_t)info.st_size > CG_TOKENIZER_FILE_MAX)
        return cg_fail(err, CG_ERR_LIMIT, "%s: %lld bytes; at most %zu are read", path,
                       (long long)info.st_size, CG_TOKENIZER_FILE_MAX);
    want = (size_t)info.st_size;
    text = malloc(want + 1);
    if (!text)
        return cg_fail(err, CG_ERR_NOMEM, "%s: out of memory", path);
    while (len < want) {
        ssize_t n = read(fd, text + len, want - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            free(text);
            return cg_fail(err, CG_ERR_IO, "%s: %s after %zu of %zu bytes", path,
                           n ? strerror(errno) : "end of file", len, want);
        }
        len += (size_t)n;
    }
    text[len] = '\0';
    *ret_text = text;
    *ret_len = len;
    return CG_OK;
}

/* Text of dir/name, ended by NUL. *ret_text stays NULL if there is no such file and none is needed.
 */
static cg_status read_file(const char *dir, const char *name, int needed, char **ret_text,
                           size_t *ret_len, cg_error *err)
{
    char path[PATH_MAX];
    cg_status st;
    int fd;

    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return cg_fail(err, CG_ERR_IO, "%.64s...: a path of %zu bytes is too long", dir,
                       strlen(dir));
    /* non-blocking: a named pipe must be refused, not waited for */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        if (errno == ENOENT && !needed)
            return CG_OK;
        return cg_fail(err, CG_ERR_IO, "%s: %s", path, strerror(errno));
    }
    st = read_open_file(fd, path, ret_text, ret_len, err);
    close(fd);
    return st;
}

static cg_status load_vocab_merges(const char *dir, cg_tokenizer **ret_tokenizer, cg_error *err)
{
    char *vocab = NULL, *merges = NULL, *config = NULL, *added = NULL;
    cg_vocab_merges_files f = { 0 };
    cg_status st;

    if ((st = read_file(dir, "vocab.json", 0, &vocab, &f.vocab_len, err)) != CG_OK)
        goto out;
    if (!vocab) {
        st = cg_fail(err, CG_ERR_IO, "%s: neither tokenizer.json nor vocab.json is there", dir);
        goto out;
    }
    if ((st = read_file(dir, "merges.txt", 1, &merges, &f.merges_len, err)) != CG_OK ||
        (st = read_file(dir, "tokenizer_config.json", 1, &config, &f.config_len, err)) != CG_OK ||
        (st = read_file(dir, "added_tokens.json", 0, &added, &f.added_tokens_len, err)) != CG_OK)
        goto out;
    f.vocab = vocab;
    f.merges = merges;
    f.config = config;
    f.added_tokens = added;
    st = cg_tokenizer_from_vocab_merges(dir, &f, ret_tokenizer, err);
out:
    free(vocab);
    free(merges);
    free(config);
    free(added);
    return st;
}

cg_status cg_tokenizer_load(const char *dir, cg_tokenizer **ret_tokenizer, cg_error *err)
{
    char path[PATH_MAX];
    char *json = NULL;
    size_t len = 0;
    cg_status st;

    if ((st = read_file(dir, "tokenizer.json", 0, &json, &len, err)) != CG_OK)
        return st;
    if (!json)
        return load_vocab_merges(dir, ret_tokenizer, err);
    snprintf(path, sizeof path, "%s/tokenizer.json", dir); /* fitted when it was read */
    st = cg_tokenizer_from_json(path, json, len, ret_tokenizer, err);
    free(json);
    return st;
}

int32_t cg_tokenizer_vocab_size(const cg_tokenizer *tokenizer)
{
    return tokenizer->vocab.n_ids;
}

static unsigned flags_of(const cg_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->vocab.n_ids ? t->vocab.flags[id] : 0;
}

cg_status cg_tokenizer_token_bytes(const cg_tokenizer *tokenizer, int32_t id,
                                   const char **ret_bytes, size_t *ret_len)
{
    if (!(flags_of(tokenizer, id) & CG_TOKEN_PRESENT))
        return CG_ERR_INPUT;
    *ret_bytes = tokenizer->vocab.bytes + tokenizer->vocab.offset[id];
    *ret_len = tokenizer->vocab.length[id];
    return CG_OK;
}

int cg_tokenizer_is_added(const cg_tokenizer *tokenizer, int32_t id)
{
    return (flags_of(tokenizer, id) & CG_TOKEN_ADDED) != 0;
}

int cg_tokenizer_is_special(const cg_tokenizer *tokenizer, int32_t id)
{
    return (flags_of(tokenizer, id) & CG_TOKEN_SPECIAL) != 0;
}

int32_t cg_tokenizer_token_id(const cg_tokenizer *tokenizer, const char *bytes, size_t len)
{
    return cg_vocab_find(&tokenizer->vocab, bytes, len);
}

cg_status cg_tokenizer_decode(const cg_tokenizer *tokenizer, const int32_t *ids, size_t n,
                              uint32_t flags, char **ret_bytes, size_t *ret_len, cg_error *err)
{
    const cg_vocab *v = &tokenizer->vocab;
    size_t len = 0, at = 0;
    char *bytes;

    for (size_t i = 0; i < n; i++) {
        unsigned f = flags_of(tokenizer, ids[i]);

        if (!(f & CG_TOKEN_PRESENT))
            return cg_fail(err, CG_ERR_INPUT, "token %zu: id %d is not in the vocabulary of %d", i,
                           ids[i], v->n_ids);
        if ((f & CG_TOKEN_SPECIAL) && (flags & CG_DECODE_SKIP_SPECIAL))
            continue;
        if (cg_add(len, v->length[ids[i]], &len))
            return cg_fail(err, CG_ERR_LIMIT, "decoding %zu tokens: text is too long", n);
    }
    bytes = len < SIZE_MAX ? malloc(len + 1) : NULL;
    if (!bytes)
        return cg_fail(err, CG_ERR_NOMEM, "decoding %zu tokens: out of memory", n);
    for (size_t i = 0; i < n; i++) {
        if ((v->flags[ids[i]] & CG_TOKEN_SPECIAL) && (flags & CG_DECODE_SKIP_SPECIAL))
            continue;
        memcpy(bytes + at, v->bytes + v->offset[ids[i]], v->length[ids[i]]);
        at += v->length[ids[i]];
    }
    bytes[len] = '\0';
    *ret_bytes = bytes;
    *ret_len = len;
    return CG_OK;
}
