/* SPDX-License-Identifier: MIT */
/**
 * @file record.h  A conformer as text: SDF, extended XYZ, enriched SMILES, JSON lines.
 *
 * sdf       The molblock under the name as its title line, then the data items name, SMILES,
 *           generation, seed and the extra tags, then "$$$$".
 * xyz       Number of atoms; `Properties=species:S:1:pos:R:3 name="..." smiles="..."
 *           generation=G seed=S` and the extra tags as KEY="..."; a line an atom.
 * smiles3d  Enriched SMILES, name, generation, seed, extra tags as KEY=VALUE; tab-separated.
 * json      {"name":, "smiles":, "generation":, "seed":, "elements": [..], "xyz": [[x,y,z], ..]},
 *           then the extra tags as strings; one line.
 *
 * A name may hold any bytes: what would break a format is replaced (control characters by blanks,
 * in JSON by escapes, bytes that are no UTF-8 by U+FFFD). Coordinates are in ångström.
 */
#ifndef CG_IO_RECORD_H
#define CG_IO_RECORD_H

#include "base/buf.h"

typedef enum cg_record_format {
    CG_RECORD_SDF = 0,
    CG_RECORD_XYZ,
    CG_RECORD_SMILES3D,
    CG_RECORD_JSON,
} cg_record_format;

/** An extra data item. The key is a word of letters, digits and '_'. */
typedef struct cg_tag {
    const char *key;
    const char *value;
} cg_tag;

/** What a record says; everything borrowed. Each format needs only the parts it writes. */
typedef struct cg_record_conformer {
    const char *name;
    const char *smiles;
    int64_t generation; /* 0-based */
    uint64_t seed;
    size_t n_atoms;
    const char *const *elements; /* [n_atoms] element symbols: xyz, json */
    const double (*xyz)[3];      /* [n_atoms] ångström, finite: xyz, json */
    int decimals;                /* of the coordinates in xyz and json, 0 to 17 */
    const char *text;            /* enriched SMILES as the model wrote it: smiles3d */
    const char *molblock;        /* title line to "M  END", V2000 or V3000: sdf */
    const cg_tag *tags;          /* [n_tags] */
    size_t n_tags;
} cg_record_conformer;

/** "sdf", "xyz", "smiles3d", "json" to a format. CG_ERR_USAGE lists what there is. */
cg_status cg_record_format_parse(const char *name, cg_record_format *ret_format, cg_error *err);
/** The name, which is also the file extension without its dot. Static storage. */
const char *cg_record_format_name(cg_record_format format);

/**
 * Append the record of one conformer to `out`. CG_ERR_INTERNAL where the conformer lacks what the
 * format needs or holds a coordinate that is not finite; then `out` is as before. CG_ERR_NOMEM.
 */
cg_status cg_record_write(cg_record_format format, const cg_record_conformer *conformer,
                          cg_buf *out, cg_error *err);

/** Header line of a file of failures, with its line end. Static storage. */
const char *cg_failure_header(void);
/**
 * Append a line to the text of a file of failures: line number, name, SMILES, generation (-1: all,
 * written '-'), reason, raw text; tab-separated, with `\t`, `\n`, `\r`, `\\` and `\xNN` escapes.
 * `raw` may be NULL. Out of memory latches in `out`.
 */
void cg_failure_write(int64_t line, const char *name, const char *smiles, int64_t generation,
                      const char *reason, const char *raw, cg_buf *out);

/* ---- reading back, for listings ---------------------------------------------------------- */

/**
 * The format that bytes written by cg_record_write (or an SDF from elsewhere) are in, judged by
 * their beginning; CG_RECORD_SDF where nothing speaks for another one.
 */
cg_record_format cg_record_detect(const char *text, size_t len);
/** Append the name that the first record of `text` carries; nothing where it carries none. */
void cg_record_name(cg_record_format format, const char *text, size_t len, cg_buf *out);
/** Number of records in `text`; an unfinished last one counts. */
int64_t cg_record_count(cg_record_format format, const char *text, size_t len);

#endif
