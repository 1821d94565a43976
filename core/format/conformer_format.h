/* SPDX-License-Identifier: MIT */
/**
 * @file conformer_format.h  How a conformer is written as text: what a model was trained on.
 *
 * Grammar, reader, geometry tests and the writer of training texts follow from one description. The
 * built-in ones:
 *
 *   molgen-v1          C<-1.2340,0.5000,2.0000>        atoms as in the SMILES
 *   molgen-v2          [NH2]<-1.234,0.5,2>             hydrogen counts, trailing zeros stripped
 *   molgen-v3          [N]<-1.2340,0.5000,2.0000>      (enriched-smiles-v2 is another name for it)
 *   molgen-binned-21   [N]<0471,0512,0548>             1000 bins of 0.042 Å from -21 Å
 *   molgen-binned-13   [N]<113,130,144>                250 bins of 0.104 Å from -13 Å, centred
 *   molgen-binned-258  [N]113130144;                   256 bins between -10.57 and 10.51 Å, centred
 *   molgen-fsq         [N]<3001>(<17>                  a code of 4096 behind every SMILES token
 */
#ifndef CG_FORMAT_CONFORMER_FORMAT_H
#define CG_FORMAT_CONFORMER_FORMAT_H

#include "base/json.h"
#include "format/number_format.h"

typedef enum cg_layout {
    CG_LAYOUT_ATOMS = 0,  /* three numbers behind every atom */
    CG_LAYOUT_SMILES = 1, /* the SMILES, then three numbers for every atom */
    CG_LAYOUT_TOKENS = 2, /* a code behind every token of the SMILES */
} cg_layout;

typedef enum cg_atom_text {
    CG_ATOM_BRACKETED = 0, /* [C], [C@H], [NH3+]: brackets are added to bare atoms */
    CG_ATOM_BARE = 1,      /* C, [C@H], [NH3+]: as in the SMILES */
    CG_ATOM_HYDROGENS = 2, /* [C], [NH2], [C@H]: as BRACKETED; atoms other than carbon and aromatic
                              ones state their hydrogens */
} cg_atom_text;

/**
 * Coordinate frame of the training data. first-atoms: atom 0 at the origin, atom 1 on +x, the first
 * later atom off that axis in the xy plane with y > 0. centred: the mean of the atoms at the
 * origin. none: no fixed frame.
 */
typedef enum cg_frame {
    CG_FRAME_NONE = 0,
    CG_FRAME_FIRST_ATOMS = 1,
    CG_FRAME_CENTRED = 2,
} cg_frame;

/** Size of the texts around numbers, terminating NUL included. */
enum { CG_MAX_MARK = 16 };

/** Plain data, without pointers. */
typedef struct cg_conformer_format {
    char name[32]; /* of the built-in one; changed ones have it too, with `is_changed` */
    int32_t is_changed;
    int32_t layout;              /* cg_layout */
    int32_t atom_text;           /* cg_atom_text */
    int32_t frame;               /* cg_frame */
    char open[CG_MAX_MARK];      /* before the numbers of an atom: "<" */
    char separator[CG_MAX_MARK]; /* between them: ","; "" only with numbers of fixed width */
    char close[CG_MAX_MARK];     /* behind them: ">" */
    char between[CG_MAX_MARK]; /* LAYOUT_SMILES: between the SMILES and the first atom's numbers */
    int32_t prompt_is_plain;   /* 1: the SMILES of the prompt has no stereo marks */
    int32_t prompt_as_given;   /* 1: the prompt has the SMILES of the input, unchanged */
    cg_number_format number;
} cg_conformer_format;

/** Numbers between two literals: 3, or 1 code. */
static inline int32_t cg_format_fields_per_literal(const cg_conformer_format *f)
{
    return f->layout == CG_LAYOUT_TOKENS ? 1 : 3;
}

/**
 * Returns a built-in format.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED naming the known ones
 */
cg_status cg_conformer_format_named(const char *name, cg_conformer_format *ret, cg_error *err);

/** Name of built-in format i, NULL beyond the last one. Static storage. */
const char *cg_conformer_format_name(int i);

/**
 * Reads the members of confgen.json that describe the format (README of the module): "format", a
 * name or an object, and the members "decimals", "max_integer_digits" and "frame".
 *
 * @return CG_OK; CG_ERR_FORMAT, CG_ERR_UNSUPPORTED; on failure *ret is unchanged
 */
cg_status cg_conformer_format_read(const cg_json *o, cg_conformer_format *ret, cg_error *err);

/** Writes all values of a format on one line, for fingerprints and messages. */
void cg_conformer_format_text(const cg_conformer_format *f, char *ret_text, size_t cap);

#endif
