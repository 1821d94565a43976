/* SPDX-License-Identifier: MIT */
/**
 * @file configuration.h  Whether conformers show the stereo configuration of their reference.
 *
 * The configuration of a reference is what its SMILES marks (chem/stereo.h); where the SMILES has
 * no mark, it is what RDKit perceives in the first conformer, if all others agree. Atoms that are
 * equivalent without stereo may be exchanged between files, so a conformer has the configuration if
 * one of the molecule's automorphisms (symmetry.h) gives it.
 */
#ifndef CG_EVAL_CONFIGURATION_H
#define CG_EVAL_CONFIGURATION_H

#include "eval/conformers.h"

typedef struct cg_configuration cg_configuration;

/** What a conformer shows. */
typedef enum cg_configuration_verdict {
    CG_CONFIGURATION_SAME = 0,
    CG_CONFIGURATION_OPEN,       /* another one, but only where the SMILES has no mark */
    CG_CONFIGURATION_ENANTIOMER, /* all marked stereocentres are inverted */
    CG_CONFIGURATION_OTHER,      /* another stereoisomer, or a marked stereocentre is flat */
    CG_CONFIGURATION_UNKNOWN,    /* not that of the SMILES, but not all automorphisms are known */
    CG_CONFIGURATION_COUNT
} cg_configuration_verdict;

/**
 * Finds the configuration of a reference molecule.
 *
 * @param ref                borrowed until cg_configuration_destroy()
 * @param ret_configuration  owned by the caller, cg_configuration_destroy(); unchanged on failure
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_configuration_create(const cg_conformers *ref, cg_configuration **ret_configuration,
                                  cg_error *err);
void cg_configuration_destroy(cg_configuration *configuration); /* accepts NULL */

/** Marks of the SMILES that heavy atoms cannot show; these are not judged. */
size_t cg_configuration_untested(const cg_configuration *configuration);

/**
 * Judges a conformer.
 *
 * @param xyz  [ref->n_atoms][3] in the atom order of the reference
 * @return CG_OK; CG_ERR_UNSUPPORTED as cg_symmetry_find(); CG_ERR_NOMEM
 * Thread: one at a time, as the automorphisms are found when first needed.
 */
cg_status cg_configuration_judge(cg_configuration *configuration, const float (*xyz)[3],
                                 cg_configuration_verdict *ret_verdict, cg_error *err);

#endif
