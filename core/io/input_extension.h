/* SPDX-License-Identifier: MIT */
/**
 * @file input_extension.h  The extension |...| that CXSMILES adds after a SMILES.
 *
 * An extension is a list of features separated by commas. A feature that leaves the molecule and
 * its configuration as they are (coordinates, atom values and properties, ...) is dropped and
 * noted. Enhanced stereo groups (o1:, &1:, r) are noted: the stereoisomer of the SMILES is used.
 * Any other feature is refused: without it the SMILES would be another molecule.
 *
 * Source: ChemAxon, "ChemAxon Extended SMILES and SMARTS"; RDKit, "CXSMILES extensions".
 */
#ifndef CG_IO_INPUT_EXTENSION_H
#define CG_IO_INPUT_EXTENSION_H

#include <stddef.h>
#include <stdint.h>

enum { CG_EXTENSION_REASON = 256 };

/**
 * Length of the extension at the start of text[len], bars included: up to a '|' before a blank, a
 * tab or the end. 0 if text does not start with '|'; len if no '|' ends it.
 */
size_t cg_extension_length(const char *text, size_t len);

/**
 * Reads the extension text[len], with its bars. Returns 0 and sets bits of *notes
 * (CG_INPUT_NOTE_*), or 1 and the reason of the refusal.
 */
int cg_extension_read(const char *text, size_t len, uint32_t *notes,
                      char ret_reason[CG_EXTENSION_REASON]);

#endif
