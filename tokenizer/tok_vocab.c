/* SPDX-License-Identifier: MIT */
#include "tok_vocab.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
#include "base/size.h"

void cg_vocab_finish(cg_vocab *vocab)
{
    free(vocab->offset);
    free(vocab->length);
    free(vocab->flags);
    free(vocab->bytes);
    free(vocab->plain.buckets);
    free(vocab->names.buckets);
    free(vocab->merges);
    memset(vocab, 0, sizeof *vocab);
}

uint64_t cg_bytes_hash(const char *bytes, size_t len)
{
    return XXH3_64bits(bytes, len);
}

static int grow_ids(cg_vocab *v, size_t want)
{
    const struct {
        void **array;
        size_t size;
    } arrays[] = {
        { (void **)&v->offset, sizeof *v->offset },
        { (void **)&v->length, sizeof *v->length },
        { (void **)&v->flags, sizeof *v->flags },
    };
    size_t old = v->ids_cap, cap = old;

    if (want <= old)
        return 0;
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        cap = old;
        if (cg_grow(arrays[i].array, &cap, want, arrays[i].size))
            return -1;
        memset((char *)*arrays[i].array + old * arrays[i].size, 0, (cap - old) * arrays[i].size);
    }
    v->ids_cap = cap;
    return 0;
}

cg_status cg_vocab_set(cg_vocab *v, int64_t id, const char *bytes, size_t len, unsigned flags,
                       cg_error *err)
{
    if (id < 0 || id >= CG_TOKENIZER_ID_MAX)
        return cg_fail(err, CG_ERR_LIMIT, "token '%.*s': found id %lld, wanted one from 0 to %d",
                       (int)(len < 64 ? len : 64), bytes, (long long)id, CG_TOKENIZER_ID_MAX - 1);
    if (grow_ids(v, (size_t)id + 1) ||
        cg_grow((void **)&v->bytes, &v->bytes_cap, v->n_bytes + len + 1, 1))
        return cg_fail_nomem(err, "vocabulary");
    if (v->flags[id] & CG_TOKEN_PRESENT)
        return cg_fail(err, CG_ERR_FORMAT, "token '%.*s': id %lld is already used by '%.*s'",
                       (int)(len < 64 ? len : 64), bytes, (long long)id,
                       (int)(v->length[id] < 64 ? v->length[id] : 64), v->bytes + v->offset[id]);
    memcpy(v->bytes + v->n_bytes, bytes, len);
    v->offset[id] = (uint32_t)v->n_bytes; /* files are limited to far less than 4 GiB */
    v->length[id] = (uint32_t)len;
    v->flags[id] = (uint8_t)(flags | CG_TOKEN_PRESENT);
    v->n_bytes += len;
    if (id >= v->n_ids)
        v->n_ids = (int32_t)id + 1;
    return CG_OK;
}

cg_status cg_vocab_reserve_merges(cg_vocab *v, size_t n, cg_error *err)
{
    uint64_t size;

    if (n > (size_t)CG_TOKENIZER_ID_MAX)
        return cg_fail(err, CG_ERR_LIMIT, "found %zu merges, wanted at most %d", n,
                       CG_TOKENIZER_ID_MAX);
    size = cg_bucket_count(n);
    v->merges = cg_alloc_array(size, sizeof *v->merges);
    if (!v->merges)
        return cg_fail_nomem(err, "merges");
    for (uint64_t i = 0; i < size; i++)
        v->merges[i] = (cg_merge_bucket) { UINT64_MAX, 0, 0 };
    v->merge_mask = size - 1;
    return CG_OK;
}

void cg_vocab_merge(cg_vocab *v, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t i = cg_mix(pair) & v->merge_mask;

    while (v->merges[i].pair != UINT64_MAX && v->merges[i].pair != pair)
        i = (i + 1) & v->merge_mask;
    v->n_merges += v->merges[i].pair != pair;
    v->merges[i] = (cg_merge_bucket) { pair, rank, id };
}

int32_t cg_vocab_find(const cg_vocab *v, const char *bytes, size_t len)
{
    const cg_name_bucket *found;
    uint64_t key;

    if (!len || len >= CG_NAME_WHOLE)
        return -1;
    key = cg_name_key(bytes, len);
    found = cg_name_find(v, &v->names, bytes, len, key);
    if (!found)
        found = cg_name_find(v, &v->plain, bytes, len, key);
    return found ? found->id : -1;
}
