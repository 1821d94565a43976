/* SPDX-License-Identifier: MIT */
/** @file record_parts.h  Parts that records of several formats have in common. */
#ifndef CG_IO_RECORD_PARTS_H
#define CG_IO_RECORD_PARTS_H

#include "io/record.h"

/** Appends text with control characters replaced by blanks. */
void cg_record_put_line(cg_buf *out, const char *text);

/** Appends a coordinate of at least `width` characters, never a negative zero. */
void cg_record_put_coordinate(cg_buf *out, int width, int decimals, double x);

/** Calls put() for the items that a record has in every format, all but its name. */
void cg_record_put_items(const cg_record_conformer *conformer,
                         void (*put)(cg_buf *out, const char *key, const char *value), cg_buf *out);

/** CG_ERR_INTERNAL without elements or coordinates, or with one that is not finite. */
cg_status cg_record_check_coordinates(const cg_record_conformer *conformer, cg_error *err);

/** Appends the record of a .mol2. */
cg_status cg_record_put_mol2(const cg_record_conformer *conformer, cg_buf *out, cg_error *err);

#endif
