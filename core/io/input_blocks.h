/* SPDX-License-Identifier: MIT */
/**
 * @file input_blocks.h  Records of several lines: .sdf, .mol and .mol2.
 *
 * A record of an SDF is a molblock, from its title line to the line "M  END", and data items, which
 * are passed over; "$$$$" ends it. A .mol is one record without that line. A record of a .mol2
 * begins with a line "@<TRIPOS>MOLECULE"; lines in front of the first are comments.
 */
#ifndef CG_IO_INPUT_BLOCKS_H
#define CG_IO_INPUT_BLOCKS_H

#include "io/input_fields.h"

/** Zero first; cg_input_blocks_finish() releases. */
typedef struct cg_input_blocks {
    cg_input_format format; /* CG_INPUT_SDF or CG_INPUT_MOL2 */
    cg_block_smiles_fn smiles_of;
    int64_t n_records;
    int64_t begin; /* number of the first line of the next .mol2 record; 0: not read yet */
    cg_buf block;
} cg_input_blocks;

void cg_input_blocks_finish(cg_input_blocks *blocks);

/** The format of a text by its first bytes; CG_INPUT_AUTO if it is neither of the two. */
cg_input_format cg_input_blocks_detect(const char *text, size_t len);

/**
 * Reads the next record: resets the fields and sets them, or *ret_more = 0 at the end. A record
 * that is too large, not text, or no molecule is an error of the fields.
 */
cg_status cg_input_blocks_read(cg_input_blocks *blocks, cg_lines *lines, cg_input_fields *fields,
                               int *ret_more, cg_error *err);

#endif
