/* SPDX-License-Identifier: MIT */
/**
 * @file checker.h  Is a lone conformer sane? Tests after PoseBusters, and the stereo read back from
 * 3D.
 *
 * The tests are those of PoseBusters' configuration "mol" that speak of a molecule's geometry
 * (Buttenschoen, Morris, Deane, Chem. Sci. 15 (2024) 3130), with its thresholds, on heavy atoms;
 * README.md tells where they differ. Coordinates in ångström.
 */
#ifndef CG_CHECK_CHECKER_H
#define CG_CHECK_CHECKER_H

#include "chem/molecule.h"

/** The tests, in the order of their bits. */
typedef enum cg_check_id {
    CG_CHECK_SANITIZE = 0,  /* RDKit reads it as the molecule that it should be */
    CG_CHECK_CONNECTED,     /* one piece where the molecule is one */
    CG_CHECK_BOND_LENGTHS,  /* within the bounds of distance geometry, with a margin */
    CG_CHECK_BOND_ANGLES,   /* 1-3 distances within them */
    CG_CHECK_CLASH,         /* no pair further apart in the graph is too near */
    CG_CHECK_AROMATIC_FLAT, /* aromatic rings of 5 and 6 are flat */
    CG_CHECK_DOUBLE_FLAT,   /* so are double bonds with their neighbours */
    CG_CHECK_STEREO,        /* stereo perceived from 3D is the stereo asked for */
    CG_CHECK_COUNT
} cg_check_id;

/** "bond_lengths", ...; static storage. As in records, JSON and reports. */
const char *cg_check_name(cg_check_id id);
/** One sentence with the threshold and its source; static storage. */
const char *cg_check_description(cg_check_id id);

/**
 * Write the names of `failed` (bits) behind one another with commas, or "pass" for 0; cut to cap,
 * terminated. CG_CHECK_NAMES_MAX bytes hold any.
 */
void cg_check_join_names(uint32_t failed, char *ret_text, size_t cap);
enum { CG_CHECK_NAMES_MAX = 128 };

/** A molecule prepared for checks: bounds, rings, double bonds, stereo. */
typedef struct cg_checker cg_checker;

/**
 * @param mol  borrowed until cg_checker_destroy()
 * @return CG_OK; CG_ERR_UNSUPPORTED where RDKit gives no distance bounds, with its reason (always
 *         so where confgen was built on a system's librdkitcffi); CG_ERR_NOMEM.
 */
cg_status cg_checker_create(const cg_molecule *mol, cg_checker **ret_checker, cg_error *err);
void cg_checker_destroy(cg_checker *checker); /* accepts NULL */

/** A verdict. Bits are 1 << cg_check_id. */
typedef struct cg_verdict {
    uint32_t done;    /* tests that apply to the molecule and were made */
    uint32_t failed;  /* of them */
    char detail[160]; /* the first failure with its figures, e.g. "bond 3-4 1.92 Å, at most 1.68";
                         atoms counted from 1 in the order of xyz; "" without a failure */
} cg_verdict;

/**
 * Check one conformer. A few microseconds; a conformer with a stereocentre of the wrong sense costs
 * RDKit's canonical SMILES of the molecule on top, to tell a mirror image of itself from another
 * stereoisomer. Thread: a checker may be used by any number of threads at once.
 *
 * @param xyz  [heavy atoms of mol][3] Å in canonical order, finite
 * @return CG_OK whatever the verdict; CG_ERR_NOMEM
 */
cg_status cg_checker_run(const cg_checker *checker, const float (*xyz)[3], cg_verdict *ret_verdict,
                         cg_error *err);

#endif
