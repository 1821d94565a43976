/* SPDX-License-Identifier: MIT */
/** @file run_records.h  A molecule's conformers as a compressed frame of records; pipeline jobs. */
#ifndef CG_API_RUN_RECORDS_H
#define CG_API_RUN_RECORDS_H

#include "api/run_output.h"
#include "base/buf.h"
#include "chem/molblock.h"
#include "chem/sybyl.h"
#include "engine/pipeline.h"

enum { CG_VERDICTS = CG_CONFORMER_INVALID_GEOMETRY + 1 };

/** The records of one molecule; cg_pipeline_molecule.user. */
typedef struct cg_run_records {
    cg_molblock *block;          /* sdf, pdb */
    const char **elements;       /* xyz, json, mol2: [n_atoms] */
    size_t n_atoms;              /* of a record, hydrogens included where it has them */
    cg_sybyl sybyl;              /* mol2 */
    size_t n_lost_stereo;        /* of the molecule: cg_molecule_n_lost_stereo() */
    int32_t next;                /* position of the generation to write next */
    cg_buf frame;                /* compressed, of cg_run_records_write() */
    uint64_t plain;              /* bytes of its records before compression */
    uint64_t n_before;           /* bytes of the frames that the caller wrote before it */
    cg_buf failed;               /* lines of the file of failures, of all frames */
    int64_t counts[CG_VERDICTS]; /* generations by verdict, without the dropped ones */
    int64_t n_dropped;           /* conformers that are not delivered */
    char first_reason[256];      /* of a conformer that failed */
} cg_run_records;

/** How records are written; the same for all molecules of a run. */
typedef struct cg_run_writer {
    const cg_engine *engine;
    cg_run_formats formats;
    int minimize;       /* as in cg_run_options */
    size_t frame_bytes; /* a frame ends with the record that gives it so many bytes */
} cg_run_writer;

/** For cg_pipeline_io.prepare(): allocates m->user. Sets m->failure on failure. Thread: any. */
void cg_run_records_prepare(const cg_run_writer *writer, cg_pipeline_molecule *m);

/**
 * For cg_pipeline_io.finish(): writes the records of a frame, from r->next on, and frees what they
 * were written from. Called again for each further frame while r->next is a generation. Sets
 * m->failure on failure. Thread: any.
 */
void cg_run_records_write(const cg_run_writer *writer, cg_pipeline_molecule *m);

void cg_run_records_free(cg_run_records *records); /* accepts NULL */

#endif
