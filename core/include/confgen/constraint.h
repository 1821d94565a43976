/* SPDX-License-Identifier: MIT */
/**
 * @file constraint.h  Constraints: compilers from a molecule's text to automaton tables.
 *
 * A constraint is not called during generation. Before it, the constraint compiles a molecule's
 * literals and the tokenizer into tables; the executor of any device interprets the tables.
 *
 * The text of a conformer is  literal[0] field[0] literal[1] field[1] ... literal[n_fields]  where
 * a field is one coordinate (or, for other constraints, any run of free tokens). Two tables:
 *
 *  - the *automaton*, shared by all molecules of a run: states inside a field. In state s the
 *    transitions row[s] <= i < row[s+1] allow token[i] and lead to next[i], a state or CG_EXIT
 *    (the field is complete). Transitions of a state are in ascending order of token. Every state
 *    has a transition, and a path to CG_EXIT.
 *  - the *program* of a molecule: the entry state of each field, and the forced tokens before,
 *    between and after the fields.
 *
 * A sequence is: the forced tokens 0; then for f = 0 .. n_fields-1 a path through the automaton
 * from entry[f] to CG_EXIT, followed by the forced tokens f+1, where forced tokens i are
 * forced_token[forced_start[i]] to forced_token[forced_start[i+1] - 1]. A state with a single
 * transition is forced as well: its token is appended without sampling. Forced tokens are parts of
 * the molecule's text, in its order, never another text.
 *
 * The host checks tables and programs once, when a program has been compiled, and ends the run with
 * CG_ERR_PLUGIN if they violate what this file says.
 */
#ifndef CONFGEN_CONSTRAINT_H
#define CONFGEN_CONSTRAINT_H

#include <confgen/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/** cg_automaton.next */
enum {
    CG_EXIT = -1, /* the field is complete */
};

/** cg_constraint_ops.features */
enum {
    /* create() knows the members of cg_text_format since 1.2. Without it the plugin gets only
     * formats of 1.1: decimals with all digits, commas between them, three to an atom. */
    CG_CONSTRAINT_FORMATS = 1 << 0,
    /* From the entry state of a field, every number of the format has exactly one path to CG_EXIT.
     * Geometry repair moves an atom to a place of its choice and writes that place's numbers by
     * their paths, so it needs this; without it a run can only check geometry. Numbers of a format
     * are its list, or all decimals of its digits but negative zero. Includes EXACT. */
    CG_CONSTRAINT_ALL_NUMBERS = 1 << 1,
    /* The text of every sequence is the molecule's: begin, the literals with numbers of the format
     * and separators between them, end, stop. Without it a sequence may be of another molecule or
     * of none, which fails when it has been generated; the text around fields that are coordinates
     * is the molecule's in any case. */
    CG_CONSTRAINT_EXACT = 1 << 2,
    /* The tokens of every sequence are those into which the vocabulary encodes its text: those that
     * the model was trained on. */
    CG_CONSTRAINT_CANONICAL = 1 << 3,
};

/**
 * Automaton tables, owned by the constraint. Compiling molecules only appends to them: the arrays
 * never move, and entries below the counts of a compiled program never change. So a program may run
 * while others are compiled.
 */
typedef struct cg_automaton {
    uint32_t struct_size;
    int32_t capacity_states;      /* capacity of `row`, less 1 */
    int32_t capacity_transitions; /* capacity of token, next and head_row */
    int32_t capacity_head_rows;   /* capacity of head_token */
    const int32_t *row;           /* [states + 1] first transition of a state */
    const int32_t *token;         /* [transitions] token id */
    const int32_t *next;          /* [transitions] state or CG_EXIT */
    /* Head rows number the tokens that can be sampled: the LM head computes only their logits. */
    const int32_t *head_row;   /* [transitions] head row of token[i]; -1 in forced states */
    const int32_t *head_token; /* [head rows] token of a head row */
} cg_automaton;

/** The program of one molecule. Program and arrays are one allocation. */
typedef struct cg_program {
    uint32_t struct_size;
    int32_t n_fields;      /* free parts of the text */
    int32_t n_states;      /* entries of the automaton that this program uses */
    int32_t n_transitions; /* of these states */
    int32_t n_head_rows;   /* of these transitions */
    /* at least the tokens of the longest accepted sequence, forced tokens included, at most the
     * bytes of its text: the host refuses a molecule for which that many have no room. If
     * fields_per_atom is 0, the count at which a sequence is cut */
    int32_t max_tokens;
    /* n_fields / n_atoms of the literals wherever every atom has as many fields, in the order of
     * the literals: 3 where fields are coordinates, 1 where a field is all of an atom or its code.
     * A sequence can then be rolled back to the first choice of an atom's first field, which has
     * one. 0: fields do not belong to atoms. A field that is all of an atom may end with the first
     * token of the text behind it. */
    int32_t fields_per_atom;
    const int32_t *entry;        /* [n_fields] state a field starts in */
    const int32_t *forced_start; /* [n_fields + 2] offsets into forced_token */
    const int32_t *forced_token; /* [forced_start[n_fields + 1]] */
} cg_program;

/** Byte range of a text. */
typedef struct cg_range {
    uint32_t begin; /* first byte */
    uint32_t end;   /* behind the last byte */
} cg_range;

/** Vocabulary and tokenizer, provided by the host. Thread: any, for all calls. */
typedef struct cg_vocabulary {
    uint32_t struct_size;
    int32_t n_tokens; /* ids are 0 .. n_tokens-1; an id may be unused */
    const void *ctx;  /* first argument of the functions below */
    /** Bytes of a token; NULL for an unused id. *ret_special: an added token. Owned by ctx. */
    const char *(*token)(const void *ctx, int32_t id, uint32_t *ret_len, int32_t *ret_special);
    /**
     * Encodes a text canonically (added tokens recognised): writes at most `cap` ids to ret_ids
     * and, if ret_ranges is not NULL, the byte range of each; *ret_n is the number of ids.
     * CG_ERR_LIMIT if that is more than cap.
     */
    cg_status (*encode)(const void *ctx, const char *text, uint32_t len, int32_t *ret_ids,
                        cg_range *ret_ranges, int32_t cap, int32_t *ret_n, cg_error *err);
    /**
     * Writes the end offsets of the pre-tokens of a text without added tokens, ascending, the last
     * one = len. No token of the canonical encoding crosses such an offset. cap, *ret_n and
     * CG_ERR_LIMIT as for encode().
     */
    cg_status (*pretokenize)(const void *ctx, const char *text, uint32_t len, uint32_t *ret_ends,
                             int32_t cap, int32_t *ret_n, cg_error *err);
} cg_vocabulary;

/** Number format of a model and the texts around a conformer. */
typedef struct cg_text_format {
    uint32_t struct_size;
    int32_t decimals;           /* digits after the point, always written */
    int32_t max_integer_digits; /* before the point, without a leading zero */
    const char *begin;          /* e.g. "[CONFORMER]" */
    const char *end;            /* e.g. "[/CONFORMER]" */
    const char *stop;           /* e.g. "<|endoftext|>"; one token, or "" for none */
    int32_t max_new_tokens;     /* bound for constraints that accept texts of any length */
    int32_t reserved;           /* 0; since 1.2, padding before */
    /* Since 1.2, for plugins with CG_CONSTRAINT_FORMATS. Zeroed members are the format of 1.1:
     * three decimals with all digits, and commas between them. */
    int32_t fields_per_literal; /* numbers between two literals: 3, or 1 where they are codes */
    int32_t strip_zeros;        /* decimals: at most `decimals` digits after the point, the last one
                                   not 0; no point without digits after it */
    const char *separator;      /* between the numbers of an atom, e.g. ","; may be "" */
    /* All texts that a number can have, where numbers are no decimals; NULL: decimals. Borrowed as
     * the other texts. A text may be a prefix of another if the separator and literals behind it
     * differ from what continues it. */
    const char *const *numbers; /* [n_numbers] */
    int32_t n_numbers;
    int32_t n_stop_tokens;
    /* Further tokens that end a sequence, for constraints that do not force its text; borrowed */
    const int32_t *stop_tokens; /* [n_stop_tokens] */
} cg_text_format;

/**
 * The text of a molecule's conformer without its numbers: literal[0] x,y,z literal[1] x,y,z ...
 * literal[n_atoms], e.g. "[C]<", ">[O]<", ">". Excludes begin, end and stop of the format. With one
 * number between two literals, n_atoms counts the numbers.
 */
typedef struct cg_literals {
    uint32_t struct_size;
    int32_t n_atoms;         /* or numbers, see above */
    const char *text;        /* all literals, concatenated */
    const cg_range *literal; /* [n_atoms + 1] */
} cg_literals;

/** The operations of a constraint plugin. */
typedef struct cg_constraint_ops {
    uint32_t struct_size;
    uint32_t reserved; /* 0 */

    /**
     * Compiles what depends only on tokenizer and number format. The vocabulary, and the format
     * with its texts and arrays, are borrowed until destroy(). CG_ERR_UNSUPPORTED with the reason
     * if this tokenizer or number format is not supported. It fails, as compile() does, if a
     * function of the vocabulary fails where it should not.
     */
    cg_status (*create)(const cg_host *host, const cg_vocabulary *vocabulary,
                        const cg_text_format *format, void **ret_self, cg_error *err);
    void (*destroy)(void *self); /* accepts NULL; frees the automaton too */
    /** Returns the tables, owned by self. */
    const cg_automaton *(*automaton)(const void *self);
    /**
     * Compiles one molecule. The caller owns *ret_program and frees it with release(). Thread: any
     * number of threads at once.
     */
    cg_status (*compile)(void *self, const cg_literals *text, cg_program **ret_program,
                         cg_error *err);
    void (*release)(void *self, cg_program *program); /* accepts NULL program */
    /* Since 1.2 */
    uint32_t features;   /* CG_CONSTRAINT_* */
    uint32_t reserved_2; /* 0 */
} cg_constraint_ops;

/** Features of a constraint; none if it is older than 1.2. */
static inline uint32_t cg_constraint_features(const cg_constraint_ops *ops)
{
    return CG_HAS_SIZE(ops, features) ? ops->features : 0;
}

#ifdef __cplusplus
}
#endif

#endif
