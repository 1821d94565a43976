/* SPDX-License-Identifier: MIT */
/**
 * @file sdf.h  Reads a record of an SDF: its coordinates, and a key of everything else.
 *
 * A set of conformers repeats a molecule's atoms and bonds in every record. Coordinates are
 * therefore read here, without RDKit, and atoms and bonds are only hashed to a key: RDKit processes
 * the first record of each key, and its result applies to all others. Stereo marks (parities,
 * wedges) are not part of the key, since coordinates determine stereo.
 */
#ifndef CG_EVAL_SDF_H
#define CG_EVAL_SDF_H

#include <confgen/status.h>

#include <stddef.h>
#include <stdint.h>

enum {
    CG_SDF_MAX_ATOMS = 2048,       /* of a block, hydrogens included; limits the input of RDKit */
    CG_SDF_MAX_HEAVY = 512,        /* heavy atoms of a block */
    CG_SDF_MAX_BLOCK = 256 << 10,  /* bytes of a block */
    CG_SDF_MAX_COORDINATE = 10000, /* Å, absolute value */
    CG_SDF_MIN_ATOM_BYTES = 18,    /* least bytes of text per atom: "M  V30 1 C 0 0 0 0" */
};

/** A record. Texts point into the text that was read and are not terminated. */
typedef struct cg_sdf_record {
    const char *name; /* trimmed title line; if empty, the data item `name` */
    size_t name_len;
    const char *smiles; /* data item `SMILES`; NULL without */
    size_t smiles_len;
    const char *block; /* from the title line to the end of the line "M  END" */
    size_t block_len;
    size_t n_atoms;  /* of the block, hydrogens included */
    uint64_t key[2]; /* hash of atoms, bonds and properties of the block without stereo marks */
} cg_sdf_record;

/**
 * Reads a record, V2000 or V3000: text[len] without its "$$$$" line.
 *
 * @param ret_xyz     [cap][3] Å relative to the centroid of all atoms (where float is most
 * precise), file order; cap >= len / CG_SDF_MIN_ATOM_BYTES always suffices
 * @param ret_record  name and SMILES are set on failure too, as far as the record has them
 * @return CG_OK; CG_ERR_INPUT with what was found and what was wanted, and with the line where one
 *         is at fault: a damaged record, a coordinate that is not finite, two atoms at one point
 *         (nearer than 0.01 Å), a 2D drawing; CG_ERR_LIMIT for too many atoms or bytes;
 *         CG_ERR_NOMEM
 */
cg_status cg_sdf_read(const char *text, size_t len, float (*ret_xyz)[3], size_t cap,
                      cg_sdf_record *ret_record, cg_error *err);

/**
 * Finds the data item `key` of a record: text[len] without its "$$$$" line.
 *
 * @param ret_value  [*ret_len] first line of the value, trimmed; points into the text
 * @return 1; 0 if the record has none, the outputs are then unchanged
 */
int cg_sdf_item(const char *text, size_t len, const char *key, const char **ret_value,
                size_t *ret_len);

#endif
