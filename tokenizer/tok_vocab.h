/* SPDX-License-Identifier: MIT */
/** @file tok_vocab.h  Token bytes, their index, and the merges of byte pair encoding. */
#ifndef CG_TOK_VOCAB_H
#define CG_TOK_VOCAB_H

#include <confgen/tokenizer.h>
#include <string.h>

/* Flags of a token */
#define CG_TOKEN_PRESENT 0x01 /* the id is taken */
#define CG_TOKEN_BYTES   0x02 /* vocabulary token written in the byte-level alphabet */
#define CG_TOKEN_ADDED   0x04
#define CG_TOKEN_SPECIAL 0x08

/** Bucket of a hash table from byte strings to ids. */
typedef struct cg_name_bucket {
    uint64_t key; /* the bytes themselves up to 8, else their hash */
    uint32_t len; /* 0: empty; CG_NAME_WHOLE may be set */
    int32_t id;
} cg_name_bucket;

/** Flag in cg_name_bucket.len: these bytes encode to this one token, so no merging is needed. */
#define CG_NAME_WHOLE (UINT32_C(1) << 31)

/** Open addressing, linear probing. */
typedef struct cg_name_table {
    cg_name_bucket *buckets; /* [mask + 1] */
    uint64_t mask;
} cg_name_table;

typedef struct cg_merge_bucket {
    uint64_t pair; /* left id << 32 | right id; UINT64_MAX: empty */
    uint32_t rank; /* lower merges first */
    int32_t id;    /* of the merged token */
} cg_merge_bucket;

/** Filled by the loaders, then finalized (tok_finalize.h) and immutable. Zero-initialise. */
typedef struct cg_vocab {
    int32_t n_ids; /* largest id + 1 */
    size_t ids_cap;
    uint32_t *offset; /* [n_ids] into bytes */
    uint32_t *length; /* [n_ids] */
    uint8_t *flags;   /* [n_ids] CG_TOKEN_* */
    char *bytes;
    size_t n_bytes, bytes_cap;
    int32_t byte_id[256];    /* token of each single byte, -1 if none */
    cg_name_table plain;     /* CG_TOKEN_BYTES tokens: those that encoding can produce */
    cg_name_table names;     /* all others, and added tokens that are also plain: lookup by name */
    cg_merge_bucket *merges; /* [merge_mask + 1] */
    uint64_t merge_mask;
    size_t n_merges;
    int ignore_merges; /* a pre-token that is a token encodes to it, regardless of the merges */
} cg_vocab;

void cg_vocab_finish(cg_vocab *vocab);

/**
 * Adds token `id` with its bytes, which are copied.
 * @return CG_OK, CG_ERR_LIMIT (id out of range), CG_ERR_FORMAT (id taken), CG_ERR_NOMEM
 */
cg_status cg_vocab_set(cg_vocab *vocab, int64_t id, const char *bytes, size_t len, unsigned flags,
                       cg_error *err);

/** Allocates the table of n merges. Call before the first cg_vocab_merge(). */
cg_status cg_vocab_reserve_merges(cg_vocab *vocab, size_t n, cg_error *err);

/** Adds the merge left, right -> id. A later merge of the same pair wins, as in the reference. */
void cg_vocab_merge(cg_vocab *vocab, int32_t left, int32_t right, uint32_t rank, int32_t id);

/** Id of the token with exactly these bytes, -1 if none. */
int32_t cg_vocab_find(const cg_vocab *vocab, const char *bytes, size_t len);

/** Buckets of a table of n entries: a power of two, at most half full. */
static inline uint64_t cg_bucket_count(size_t n)
{
    uint64_t size = 16;

    while (size < 2 * (uint64_t)n)
        size *= 2;
    return size;
}

/** Bijective mixing of 64 bits, for hash tables. */
static inline uint64_t cg_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

/** XXH3 of bytes. Out of line: only strings over 8 bytes need it. */
uint64_t cg_bytes_hash(const char *bytes, size_t len);

/** Key of a string, 1 <= len. Up to 8 bytes, key and len determine the string. */
static inline uint64_t cg_name_key(const char *p, size_t len)
{
    uint64_t key;
    uint32_t lo, hi;

    if (len > 8)
        return cg_bytes_hash(p, len);
    if (len == 8) {
        memcpy(&key, p, 8);
        return key;
    }
    if (len >= 4) {
        memcpy(&lo, p, 4);
        memcpy(&hi, p + len - 4, 4);
        return (uint64_t)hi << 32 | lo;
    }
    return (uint64_t)(uint8_t)p[0] | (uint64_t)(uint8_t)p[len >> 1] << 8 |
           (uint64_t)(uint8_t)p[len - 1] << 16;
}

/** Bucket of a string in a table, NULL if absent. */
static inline const cg_name_bucket *cg_name_find(const cg_vocab *v, const cg_name_table *table,
                                                 const char *p, size_t len, uint64_t key)
{
    for (uint64_t i = cg_mix(key + len) & table->mask;; i = (i + 1) & table->mask) {
        const cg_name_bucket *b = &table->buckets[i];

        if (!b->len)
            return NULL;
        if (b->key == key && (b->len & ~CG_NAME_WHOLE) == len &&
            (len <= 8 || !memcmp(v->bytes + v->offset[b->id], p, len)))
            return b;
    }
}

/** Merge of a pair, NULL if none. */
static inline const cg_merge_bucket *cg_merge_find(const cg_vocab *v, int32_t left, int32_t right)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;

    for (uint64_t i = cg_mix(pair) & v->merge_mask;; i = (i + 1) & v->merge_mask) {
        const cg_merge_bucket *m = &v->merges[i];

        if (m->pair == pair)
            return m;
        if (m->pair == UINT64_MAX)
            return NULL;
    }
}

#endif
