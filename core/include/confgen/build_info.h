/* SPDX-License-Identifier: MIT */
/** @file build_info.h  What is installed here: data, libraries, and RDKit alone to compare with. */
#ifndef CONFGEN_BUILD_INFO_H
#define CONFGEN_BUILD_INFO_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Path of a file or directory that comes with confgen, such as "confgen-default" (the default
 * model) or "geom_drugs_sample.smi": in $CONFGEN_DATA, in the source tree above a build folder, or
 * installed. CG_ERR_IO where it is in none of these places.
 */
CG_EXPORT cg_status cg_data_path(const char *name, char *ret_path, size_t cap, cg_error *err);

/** A library that confgen uses, as it was loaded. */
typedef struct cg_library {
    uint32_t struct_size;
    char name[20];
    char version[40];
} cg_library;

/** Write at most `cap` libraries, RDKit first; returns how many there are. */
CG_EXPORT int32_t cg_libraries(cg_library *ret_libraries, int32_t cap);

/**
 * The CUDA libraries that GPUs are used through, cuBLASLt and cuDNN, as far as they can be loaded;
 * the version of one that cannot is "". Loads them. As cg_libraries().
 */
CG_EXPORT int32_t cg_cuda_libraries(cg_library *ret_libraries, int32_t cap);

/**
 * What RDKit alone makes of a molecule, to compare with: embed `n` conformers with hydrogens
 * (ETKDGv3 with small-ring terms, random seeds seed, seed + 1, ...; no force field).
 *
 * @param ret_embedded  how many of the n succeeded
 * @return CG_OK; CG_ERR_INPUT for a molecule that RDKit refuses
 * Thread: any number at once.
 */
CG_EXPORT cg_status cg_etkdg_embed(const char *smiles, int32_t n, int32_t seed,
                                   int32_t *ret_embedded, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
