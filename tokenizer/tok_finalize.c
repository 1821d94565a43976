/* SPDX-License-Identifier: MIT */
#include "tok_finalize.h"

#include <stdlib.h>

#include "base/error.h"
#include "tok_bpe.h"

/* Longer tokens are never marked CG_NAME_WHOLE: their pre-tokens go through the merges. */
#define WHOLE_MAX 512

static void add_name(const cg_vocab *v, cg_name_table *table, int32_t id)
{
    const char *p = v->bytes + v->offset[id];
    uint32_t len = v->length[id];
    uint64_t key = cg_name_key(p, len);
    uint64_t i = cg_mix(key + len) & table->mask;

    while (table->buckets[i].len)
        i = (i + 1) & table->mask;
    table->buckets[i] = (cg_name_bucket) { key, len, id };
}

static cg_status build_tables(cg_vocab *v, cg_error *err)
{
    size_t n_plain = 0, n_names = 0;

    for (int32_t id = 0; id < v->n_ids; id++) {
        n_plain += (v->flags[id] & CG_TOKEN_BYTES) != 0;
        n_names += (v->flags[id] & CG_TOKEN_PRESENT) != 0;
    }
    v->plain.mask = cg_bucket_count(n_plain) - 1;
    v->names.mask = cg_bucket_count(n_names) - 1;
    v->plain.buckets = calloc(v->plain.mask + 1, sizeof *v->plain.buckets);
    v->names.buckets = calloc(v->names.mask + 1, sizeof *v->names.buckets);
    if (!v->plain.buckets || !v->names.buckets)
        return cg_fail_nomem(err, "vocabulary");
    for (int32_t id = 0; id < v->n_ids; id++) {
        if (!v->length[id])
            continue; /* an empty token never occurs in a text */
        if (v->flags[id] & CG_TOKEN_BYTES)
            add_name(v, &v->plain, id);
        if (!(v->flags[id] & CG_TOKEN_BYTES) || (v->flags[id] & CG_TOKEN_ADDED))
            add_name(v, &v->names, id);
    }
    return CG_OK;
}

static cg_status find_byte_tokens(cg_vocab *v, cg_error *err)
{
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        const cg_name_bucket *found = cg_name_find(v, &v->plain, &c, 1, cg_name_key(&c, 1));
        int in_utf8 = b != 0xc0 && b != 0xc1 && b < 0xf5;

        v->byte_id[b] = found ? found->id : -1;
        if (!found && in_utf8)
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "vocabulary has no token for byte 0x%02x; only byte-level vocabularies, "
                           "which have one for every byte, are supported",
                           b);
    }
    return CG_OK;
}

static int all_bytes_have_tokens(const cg_vocab *v, const char *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        if (v->byte_id[(uint8_t)p[i]] < 0)
            return 0;
    return 1;
}

/* Sets CG_NAME_WHOLE on the tokens that their own bytes encode to. */
static cg_status mark_whole(cg_vocab *v, cg_error *err)
{
    cg_bpe_memory memory = { NULL, NULL, 0, 0 };
    int32_t ids[WHOLE_MAX];
    cg_status st = CG_OK;

    for (uint64_t i = 0; i <= v->plain.mask; i++) {
        cg_name_bucket *bucket = &v->plain.buckets[i];
        const char *p = v->bytes + v->offset[bucket->id];
        size_t n = 0;

        if (!bucket->len)
            continue;
        if (v->ignore_merges) {
            bucket->len |= CG_NAME_WHOLE;
            continue;
        }
        if (bucket->len > WHOLE_MAX || !all_bytes_have_tokens(v, p, bucket->len))
            continue;
        if (cg_bpe_encode(v, &memory, p, bucket->len, ids, &n)) {
            st = cg_fail_nomem(err, "vocabulary");
            break;
        }
        if (n == 1 && ids[0] == bucket->id)
            bucket->len |= CG_NAME_WHOLE;
    }
    cg_bpe_memory_finish(&memory);
    return st;
}

cg_status cg_vocab_index(cg_vocab *v, cg_error *err)
{
    if (!v->merges)
        CG_TRY(cg_vocab_reserve_merges(v, 0, err));
    return build_tables(v, err);
}

cg_status cg_vocab_finalize(cg_vocab *v, cg_error *err)
{
    CG_TRY(cg_vocab_index(v, err));
    CG_TRY(find_byte_tokens(v, err));
    return mark_whole(v, err);
}
