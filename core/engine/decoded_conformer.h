/* SPDX-License-Identifier: MIT */
/** @file decoded_conformer.h  From the codes of parsed conformers to tested coordinates. */
#ifndef CG_ENGINE_DECODED_CONFORMER_H
#define CG_ENGINE_DECODED_CONFORMER_H

#include "engine/code_decoder.h"
#include "engine/conformer.h"

/** A molecule whose conformers have codes. Borrowed. */
typedef struct cg_coded_molecule {
    cg_code_decoder *decoder;
    const cg_molecule_template *template;
    const int32_t *tokens; /* [template->split.n_groups] cg_code_decoder_tokens() */
    cg_geometry_mode geometry;
} cg_coded_molecule;

/**
 * Decodes the conformers among c[n] that have codes, in one batch, and sets their coordinates.
 * Their atoms are tested and, with CG_GEOMETRY_REPAIR, moved; one that cannot be repaired gets the
 * verdict CG_CONFORMER_INVALID_GEOMETRY. Their codes are released.
 *
 * @param attempts  sampling rounds before this one
 * @return CG_OK for any verdicts; the status of the decoder; CG_ERR_NOMEM
 * Thread: any.
 */
cg_status cg_conformers_decode(const cg_coded_molecule *molecule, int32_t attempts,
                               cg_parsed_conformer *c, int32_t n, cg_error *err);

#endif
