/* SPDX-License-Identifier: MIT */
#include "tok_vocab.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
#include "base/size.h"
#include "tok_bpe.h"

/* Longer tokens are not tested for being their own encoding; they take the general way. */
#define WHOLE_MAX 512

void cg_vocab_finish(cg_vocab *vocab)
{
    free(vocab->offset);
    free(vocab->length);
    free(vocab->flags);
    free(vocab->bytes);
    free(vocab->pieces.slots);
    free(vocab->names.slots);
    free(vocab->merges);
    memset(vocab, 0, sizeof *vocab);
}

uint64_t cg_bytes_hash(const char *bytes, size_t len)
{
    return XXH3_64bits(bytes, len);
}

static int grow_ids(cg_vocab *v, size_t want)
{
    size_t old = v->ids_cap, cap;

    if (want <= old)
        return 0;
    cap = old;
    if (cg_grow((void **)&v->offset, &cap, want, sizeof *v->offset))
        return -1;
    cap = old;
    if (cg_grow((void **)&v->length, &cap, want, sizeof *v->length))
        return -1;
    cap = old;
    if (cg_grow((void **)&v->flags, &cap, want, sizeof *v->flags))
        return -1;
    memset(v->offset + old, 0, (cap - old) * sizeof *v->offset);
    memset(v->length + old, 0, (cap - old) * sizeof *v->length);
    memset(v->flags + old, 0, cap - old);
    v->ids_cap = cap;
    return 0;
}

cg_status cg_vocab_set(cg_vocab *v, int64_t id, const char *bytes, size_t len, unsigned flags,
                       cg_error *err)
{
    if (id < 0 || id >= CG_TOKENIZER_ID_MAX)
        return cg_fail(err, CG_ERR_LIMIT, "token '%.*s': id %lld; ids from 0 to %d are accepted",
                       (int)(len < 64 ? len : 64), bytes, (long long)id, CG_TOKENIZER_ID_MAX - 1);
    if (grow_ids(v, (size_t)id + 1) ||
        cg_grow((void **)&v->bytes, &v->bytes_cap, v->n_bytes + len + 1, 1))
        return cg_fail(err, CG_ERR_NOMEM, "vocabulary: out of memory");
    if (v->flags[id] & CG_TOKEN_PRESENT)
        return cg_fail(err, CG_ERR_FORMAT, "token '%.*s': id %lld is already that of '%.*s'",
                       (int)(len < 64 ? len : 64), bytes, (long long)id,
                       (int)(v->length[id] < 64 ? v->length[id] : 64), v->bytes + v->offset[id]);
    memcpy(v->bytes + v->n_bytes, bytes, len);
    v->offset[id] = (uint32_t)v->n_bytes; /* files are bounded far below 4 GiB */
    v->length[id] = (uint32_t)len;
    v->flags[id] = (uint8_t)(flags | CG_TOKEN_PRESENT);
    v->n_bytes += len;
    if (id >= v->n_ids)
        v->n_ids = (int32_t)id + 1;
    return CG_OK;
}

/* Power of two with at most half of the slots taken by n. */
static uint64_t table_size(size_t n)
{
    uint64_t size = 16;

    while (size < 2 * (uint64_t)n)
        size *= 2;
    return size;
}

cg_status cg_vocab_reserve_merges(cg_vocab *v, size_t n, cg_error *err)
{
    uint64_t size;

    if (n > (size_t)CG_TOKENIZER_ID_MAX)
        return cg_fail(err, CG_ERR_LIMIT, "%zu merges; at most %d are accepted", n,
                       CG_TOKENIZER_ID_MAX);
    size = table_size(n);
    v->merges = cg_alloc_array(size, sizeof *v->merges);
    if (!v->merges)
        return cg_fail(err, CG_ERR_NOMEM, "merges: out of memory");
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

static void table_add(const cg_vocab *v, cg_name_table *table, int32_t id)
{
    const char *p = v->bytes + v->offset[id];
    uint32_t len = v->length[id];
    uint64_t key = cg_name_key(p, len);
    uint64_t i = cg_mix(key + len) & table->mask;

    while (table->slots[i].len)
        i = (i + 1) & table->mask;
    table->slots[i] = (cg_name_bucket) { key, len, id };
}

static cg_status build_tables(cg_vocab *v, cg_error *err)
{
    size_t n_pieces = 0, n_names = 0;

    for (int32_t id = 0; id < v->n_ids; id++) {
        n_pieces += (v->flags[id] & CG_TOKEN_BYTES) != 0;
        n_names += (v->flags[id] & CG_TOKEN_PRESENT) != 0;
    }
    v->pieces.mask = table_size(n_pieces) - 1;
    v->names.mask = table_size(n_names) - 1;
    v->pieces.slots = calloc(v->pieces.mask + 1, sizeof *v->pieces.slots);
    v->names.slots = calloc(v->names.mask + 1, sizeof *v->names.slots);
    if (!v->pieces.slots || !v->names.slots)
        return cg_fail(err, CG_ERR_NOMEM, "vocabulary: out of memory");
    for (int32_t id = 0; id < v->n_ids; id++) {
        if (!v->length[id])
            continue; /* no text ever contains it */
        if (v->flags[id] & CG_TOKEN_BYTES)
            table_add(v, &v->pieces, id);
        /* an added token is also looked up by name where its text is written like a plain one */
        if (!(v->flags[id] & CG_TOKEN_BYTES) || (v->flags[id] & CG_TOKEN_ADDED))
            table_add(v, &v->names, id);
    }
    return CG_OK;
}

static cg_status find_byte_tokens(cg_vocab *v, cg_error *err)
{
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        const cg_name_bucket *s = cg_name_find(v, &v->pieces, &c, 1, cg_name_key(&c, 1));
        int in_utf8 = b != 0xc0 && b != 0xc1 && b < 0xf5;

        v->byte_id[b] = s ? s->id : -1;
        if (!s && in_utf8)
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "vocabulary has no token for byte 0x%02x; only byte-level vocabularies, "
                           "which have one for every byte, are supported",
                           b);
    }
    return CG_OK;
}

/* Mark the tokens that their own bytes encode to: those pieces need no merging. */
static cg_status mark_whole(cg_vocab *v, cg_error *err)
{
    cg_bpe_memory memory = { NULL, NULL, 0, 0 };
    int32_t ids[WHOLE_MAX];
    cg_status st = CG_OK;

    for (uint64_t i = 0; i <= v->pieces.mask; i++) {
        cg_name_bucket *s = &v->pieces.slots[i];
        const char *p = v->bytes + v->offset[s->id];
        size_t n = 0;
        int encodable = 1;

        if (!s->len)
            continue;
        if (v->ignore_merges) {
            s->len |= CG_NAME_WHOLE;
            continue;
        }
        if (s->len > WHOLE_MAX)
            continue;
        for (uint32_t k = 0; k < s->len; k++)
            encodable &= v->byte_id[(uint8_t)p[k]] >= 0;
        if (!encodable)
            continue;
        if (cg_bpe_encode(v, &memory, p, s->len, ids, &n)) {
            st = cg_fail(err, CG_ERR_NOMEM, "vocabulary: out of memory");
            break;
        }
        if (n == 1 && ids[0] == s->id)
            s->len |= CG_NAME_WHOLE;
    }
    cg_bpe_memory_finish(&memory);
    return st;
}

cg_status cg_vocab_seal(cg_vocab *v, cg_error *err)
{
    cg_status st;

    if (!v->merges && (st = cg_vocab_reserve_merges(v, 0, err)) != CG_OK)
        return st;
    if ((st = build_tables(v, err)) != CG_OK)
        return st;
    if ((st = find_byte_tokens(v, err)) != CG_OK)
        return st;
    return mark_whole(v, err);
}

int32_t cg_vocab_find(const cg_vocab *v, const char *bytes, size_t len)
{
    const cg_name_bucket *s;
    uint64_t key;

    if (!len || len >= CG_NAME_WHOLE)
        return -1;
    key = cg_name_key(bytes, len);
    s = cg_name_find(v, &v->names, bytes, len, key);
    if (!s)
        s = cg_name_find(v, &v->pieces, bytes, len, key);
    return s ? s->id : -1;
}
