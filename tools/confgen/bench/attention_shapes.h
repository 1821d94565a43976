/* SPDX-License-Identifier: MIT */
/** @file attention_shapes.h  The shapes of `bench attention`: named sets, and products of lists. */
#ifndef CG_TOOLS_ATTENTION_SHAPES_H
#define CG_TOOLS_ATTENTION_SHAPES_H

#include <confgen/tensor.h>

enum { MAX_SHAPES = 512 }; /* of a command */

/** What one call computes. */
struct attention_shape {
    const char *set; /* "" for a shape of the command line */
    char name[96];
    int32_t n_seqs, n_heads, n_kv_heads;
    int32_t head_dim, v_head_dim; /* elements of a query or key, and of a value */
    int32_t rows;                 /* query tokens of a sequence */
    int32_t kv_min, kv_max;       /* cached tokens of a sequence, its query tokens included */
    int32_t window;               /* 0: none */
    int32_t no_mask;              /* nonzero: rows attend to all cached tokens */
    int32_t latent;               /* nonzero: values are the first elements of the keys */
    cg_dtype dtype, kv_dtype;     /* of queries and output, of keys and values */
    int32_t kv_layout;            /* CG_KV_HND, CG_KV_NHD */
};

/**
 * Sizes of shapes as text: N, lists of it, ranges A..B of which each number is twice the one
 * before.
 */
struct shape_lists {
    const char *set, *name; /* name NULL: made of the sizes */
    const char *batch, *heads;
    const char *kv_heads; /* NULL: as heads */
    const char *head_dim;
    const char *v_head_dim; /* NULL: as head_dim */
    const char *rows;       /* NULL: 1; in it "all": as many as cached tokens */
    const char *kv_len;     /* also A-B: lengths from A to B in one shape */
    const char *window;     /* NULL: 0 */
    int32_t no_mask, latent;
};

/** What the shapes of a command are made of. */
struct shape_selection {
    char *sets, *cases; /* names separated by commas, cut in place; NULL: not given */
    int is_free;        /* nonzero: the product of `lists` instead */
    struct shape_lists lists;
    char *dtypes, *kv_dtypes; /* likewise; kv_dtypes NULL: those of the queries */
    char *layouts;
};

/**
 * Selects shapes. A usage error if a name or number is wrong or there are more than MAX_SHAPES.
 *
 * @param ret_shapes  [MAX_SHAPES]
 * @return their number
 */
int select_shapes(const struct shape_selection *s, struct attention_shape *ret_shapes);

/** Names of the sets, separated by ", ". Static storage. */
const char *shape_set_names(void);

/** Why no plugin can compute the shape; NULL if it is a valid one. Static storage. */
const char *shape_fault(const struct attention_shape *s);

/** Floating-point operations of a call. */
double shape_flops(const struct attention_shape *s);
/** Bytes of the keys, values and scales that a call has to read at least once. */
double shape_kv_bytes(const struct attention_shape *s);
/** Cached tokens of sequence i: from kv_min to kv_max. */
int32_t shape_kv_len(const struct attention_shape *s, int32_t i);
/** Factor of the scores. */
float shape_score_scale(const struct attention_shape *s);
/** Name of a type as options have it: "fp8", "int8", else that of cg_dtype_name(). */
const char *option_dtype_name(cg_dtype dtype);

#endif
