/* SPDX-License-Identifier: MIT */
/** @file build_info.h  The installation: data files and versions of libraries. */
#ifndef CONFGEN_BUILD_INFO_H
#define CONFGEN_BUILD_INFO_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/sized.h>
#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Finds a file or directory that is shipped with confgen, such as "confgen-default" (the default
 * model) or "geom_drugs_sample.smi".
 *
 * Searches $CONFGEN_DATA only, if it is set; otherwise the source tree above a build directory,
 * then the installed data directory.
 *
 * @param ret_path  [cap] the path
 * @return CG_OK; CG_ERR_IO if it is found nowhere, or its path does not fit
 */
CG_EXPORT cg_status cg_data_path(const char *name, char *ret_path, size_t cap, cg_error *err);

/** A library used by confgen, with the version of the loaded copy. */
typedef struct cg_library {
    uint32_t struct_size;
    char name[20];    /* e.g. "RDKit" */
    char version[40]; /* of the loaded copy */
} cg_library;

/**
 * Describes library `i`, counted from 0, RDKit first.
 *
 * @return 1; 0 after the last, with *ret_library unchanged
 */
CG_EXPORT int32_t cg_library_get(int32_t i, cg_library *ret_library);

/**
 * As cg_library_get(), for the CUDA libraries cuBLASLt and cuDNN. Loads the library; the version of
 * one that cannot be loaded is "".
 */
CG_EXPORT int32_t cg_cuda_library_get(int32_t i, cg_library *ret_library);

#ifdef __cplusplus
}
#endif

#endif
