/* SPDX-License-Identifier: MIT */
#include "fsq/fsq_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

size_t cg_fsq_token_length(const char *text, size_t len)
{
    const char *end;

    if (!len || !text[0])
        return 0;
    if (text[0] == '[') {
        end = memchr(text, ']', len);
        return end && end > text + 1 ? (size_t)(end - text) + 1 : 0;
    }
    if (text[0] == '%')
        return len > 2 && is_digit(text[1]) && is_digit(text[2]) ? 3 : 0;
    return is_digit(text[0]) || strchr("-=#:/\\().", text[0]) ? 1 : 0;
}

int32_t cg_fsq_token_id(const cg_fsq_model *m, const char *text, size_t len)
{
    size_t i;

    for (size_t probe = 0;
         (i = cg_index_next(&m->index, XXH3_64bits(text, len), &probe)) != CG_INDEX_NONE;)
        if (!strncmp(m->tokens[i], text, len) && !m->tokens[i][len])
            return (int32_t)i;
    return -1;
}

cg_status cg_fsq_tokenize(const cg_fsq_model *m, const char *smiles, size_t len, int32_t **ret_ids,
                          int32_t *ret_n, cg_error *err)
{
    int32_t *ids = cg_alloc_array(len, sizeof *ids);
    int32_t n = 0;

    if (!ids)
        return cg_fail_nomem(err, "FSQ tokens");
    for (size_t at = 0, bytes; at < len; at += bytes) {
        bytes = cg_fsq_token_length(smiles + at, len - at);
        ids[n] = bytes ? cg_fsq_token_id(m, smiles + at, bytes) : -1;
        if (ids[n] < 0) {
            cg_status st = bytes ? cg_fail(err, CG_ERR_INPUT,
                                           "the network that decodes codes has no token '%.*s'",
                                           (int)(bytes < 64 ? bytes : 64), smiles + at)
                                 : cg_fail(err, CG_ERR_INPUT,
                                           "'%.*s' begins with no SMILES token that has a code",
                                           (int)(len - at < 64 ? len - at : 64), smiles + at);

            free(ids);
            return st;
        }
        n++;
    }
    *ret_ids = ids;
    *ret_n = n;
    return CG_OK;
}
