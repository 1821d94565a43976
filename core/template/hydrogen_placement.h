/* SPDX-License-Identifier: MIT */
/**
 * @file hydrogen_placement.h  Places the hydrogens of finished conformers.
 *
 * Hydrogens start at their ideal positions (chem/hydrogens.h). If one fails a geometry test against
 * any other atom (geometry_tables.h, compiled for all atoms), the hydrogens are relaxed while the
 * atoms of the text are fixed; if that does not suffice, all atoms are.
 */
#ifndef CG_TEMPLATE_HYDROGEN_PLACEMENT_H
#define CG_TEMPLATE_HYDROGEN_PLACEMENT_H

#include "template/kept_core.h"

/** Tests and ideal positions of one molecule. Immutable. */
typedef struct cg_hydrogen_placement cg_hydrogen_placement;

typedef enum cg_hydrogen_outcome {
    CG_HYDROGENS_IDEAL = 0, /* no test failed, or the molecule has no tests */
    CG_HYDROGENS_MOVED,     /* only hydrogens */
    CG_HYDROGENS_MOVED_ALL, /* other atoms too */
    CG_HYDROGENS_FAILED,    /* a hydrogen still fails a test */
} cg_hydrogen_outcome;

/**
 * @param mol  not retained
 * @param ret  owned by the caller, cg_hydrogen_placement_destroy(); unchanged on failure
 * @return CG_OK, also if RDKit gives no bounds for tests; CG_ERR_UNSUPPORTED with RDKit's reason if
 *         hydrogens cannot be added; CG_ERR_NOMEM
 */
cg_status cg_hydrogen_placement_create(const cg_molecule *mol, cg_hydrogen_placement **ret,
                                       cg_error *err);
void cg_hydrogen_placement_destroy(cg_hydrogen_placement *placement); /* accepts NULL */

/**
 * From now on, relaxations leave the core where it is. Before the placement is used.
 *
 * @param kept  of the molecule; @return as cg_geometry_keep_core()
 */
cg_status cg_hydrogen_placement_keep_core(cg_hydrogen_placement *placement,
                                          const cg_kept_core *kept, cg_error *err);

/** The molecule with all hydrogens as atoms, after those of the text. */
const cg_molecule *cg_hydrogen_placement_molecule(const cg_hydrogen_placement *placement);

/**
 * Places the hydrogens of a conformer.
 *
 * @param xyz       [all atoms][3] Å; those of the text are read, and changed only by MOVED_ALL
 * @param move_all  0: atoms of the text keep their positions
 * @return CG_OK; CG_ERR_UNSUPPORTED with RDKit's reason; CG_ERR_NOMEM
 * Thread: any number of threads may use one placement at once.
 */
cg_status cg_hydrogen_placement_run(const cg_hydrogen_placement *placement, int move_all,
                                    double (*xyz)[3], cg_hydrogen_outcome *ret_outcome,
                                    cg_error *err);

#endif
