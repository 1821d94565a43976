/* SPDX-License-Identifier: MIT */
/** @file core_file.h  Reads the file of a core: --core FILE. */
#ifndef CG_ENGINE_CORE_FILE_H
#define CG_ENGINE_CORE_FILE_H

#include "chem/core_structure.h"

/**
 * Reads the only record of a .sdf or .mol.
 *
 * @param ret       owned by the caller, cg_core_destroy(); unchanged on failure
 * @param ret_hash  of the file's bytes
 * @return CG_OK; CG_ERR_USAGE for another ending; CG_ERR_IO; CG_ERR_FORMAT, naming the file, if it
 *         does not hold one molecule with 3D coordinates, as cg_core_create(); CG_ERR_LIMIT;
 *         CG_ERR_NOMEM
 */
cg_status cg_core_file_read(const char *path, cg_core **ret, uint64_t *ret_hash, cg_error *err);

#endif
