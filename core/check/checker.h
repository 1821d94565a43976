/* SPDX-License-Identifier: MIT */
/**
 * @file checker.h  Validity checks of a single conformer: PoseBusters' geometry tests and stereo.
 *
 * The geometry tests are those of PoseBusters' configuration "mol" (Buttenschoen, Morris, Deane,
 * Chem. Sci. 15 (2024) 3130) with its thresholds, on the atoms of the SMILES; NOTES.md lists the
 * differences. Coordinates in ångström.
 */
#ifndef CG_CHECK_CHECKER_H
#define CG_CHECK_CHECKER_H

#include "chem/molecule.h"

/** The tests, in the order of their bits. */
typedef enum cg_check_id {
    CG_CHECK_SANITIZE = 0,  /* RDKit reads its molblock as the expected molecule */
    CG_CHECK_CONNECTED,     /* one fragment, or fragments that touch */
    CG_CHECK_BOND_LENGTHS,  /* within the distance-geometry bounds, with a margin */
    CG_CHECK_BOND_ANGLES,   /* 1-3 distances within the bounds, with a margin; angles in range */
    CG_CHECK_CLASH,         /* all other pairs above their lower bound, with a margin */
    CG_CHECK_AROMATIC_FLAT, /* aromatic rings of 5 and 6 atoms are planar */
    CG_CHECK_DOUBLE_FLAT,   /* double bonds are planar with their neighbours */
    CG_CHECK_RING_FLAT,     /* six-membered rings that are not aromatic are puckered */
    CG_CHECK_STEREO,        /* the 3D configuration is that of the SMILES */
    CG_CHECK_COUNT
} cg_check_id;

/** "bond_lengths", ..., as used in records, JSON and reports. Static storage. */
const char *cg_check_name(cg_check_id id);
/** One sentence with the threshold and its source. Static storage. */
const char *cg_check_description(cg_check_id id);

/**
 * Writes the names of the tests `tests` (bits), separated by commas; nothing for 0. Truncated to
 * cap bytes, terminated; CG_CHECK_NAMES_MAX bytes hold all names.
 */
void cg_check_join_names(uint32_t tests, char *ret_text, size_t cap);
enum { CG_CHECK_NAMES_MAX = 160 };
/**
 * Writes the outcome of a conformer as records state it: the names of the failed tests; else
 * "unchecked" if a test that applies could not be done; else "pass". `cap` as above.
 */
void cg_check_outcome(uint32_t failed, uint32_t unchecked, char *ret_text, size_t cap);

/** The tests of one molecule: bounds, rings, double bonds, stereo. Immutable. */
typedef struct cg_checker cg_checker;

/**
 * Prepares the tests of a molecule.
 *
 * @param mol  borrowed until cg_checker_destroy()
 * @return CG_OK, also if some tests cannot be done: cg_checker_unchecked(); CG_ERR_NOMEM
 */
cg_status cg_checker_create(const cg_molecule *mol, cg_checker **ret_checker, cg_error *err);
/**
 * Tests (bits) that apply to the molecule but cannot be done for any conformer: those that need
 * distance bounds where RDKit gives none, and stereo if the SMILES states a configuration that
 * RDKit does not hold. With a system librdkitcffi that is so for every molecule.
 *
 * @param ret_reason  of the first of them, "" without; owned by the checker; may be NULL
 */
uint32_t cg_checker_unchecked(const cg_checker *checker, const char **ret_reason);
void cg_checker_destroy(cg_checker *checker); /* accepts NULL */

/** A verdict. Bits are 1 << cg_check_id. */
typedef struct cg_verdict {
    uint32_t done;      /* tests that apply to the molecule and were done */
    uint32_t failed;    /* subset of done */
    uint32_t unchecked; /* tests that apply but could not be done in full, or whose result decides
                           nothing (a flat ring that may be flat); disjoint from done */
    char detail[160];   /* the first failure with its values, e.g. "bond 3-4 1.92 Å, at most 1.68";
                           atoms are counted from 1 in the order of xyz; "" without a failure */
} cg_verdict;

/**
 * Checks one conformer. Takes a few microseconds; for a conformer with inverted stereocentres also
 * the time of RDKit's canonical SMILES of the molecule, to recognise a meso compound's mirror
 * image.
 *
 * @param xyz  [atoms of mol][3] Å in canonical order, finite; a hydrogen whose position is unknown
 *             has NaN, and the tests that need it are unchecked
 * @return CG_OK whatever the verdict; CG_ERR_NOMEM
 * Thread: any number of threads may use one checker at once.
 */
cg_status cg_checker_run(const cg_checker *checker, const float (*xyz)[3], cg_verdict *ret_verdict,
                         cg_error *err);

#endif
