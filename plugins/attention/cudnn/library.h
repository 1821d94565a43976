/* SPDX-License-Identifier: MIT */
/**
 * @file library.h  cuDNN, loaded at first use.
 *
 * The plugin does not link against cuDNN, so it loads on machines without it. With several cuDNN
 * installations the search order of the dynamic loader (LD_LIBRARY_PATH) selects one.
 */
#ifndef CUDNN_LIBRARY_H
#define CUDNN_LIBRARY_H

#include <confgen/plugin.h>
#include <cudnn_graph.h>

enum { CUDNN_OLDEST = 91300 }; /* major * 10000 + minor * 100 + patch */

typedef struct cudnn_library {
    int version; /* encoded as CUDNN_OLDEST */
    __typeof__(cudnnGetVersion) *get_version;
    __typeof__(cudnnGetErrorString) *error_string;
    __typeof__(cudnnGetLastErrorString) *last_error;
    __typeof__(cudnnCreate) *create_handle;
    __typeof__(cudnnDestroy) *destroy_handle;
    __typeof__(cudnnSetStream) *set_stream;
    __typeof__(cudnnBackendCreateDescriptor) *create_descriptor;
    __typeof__(cudnnBackendDestroyDescriptor) *destroy_descriptor;
    __typeof__(cudnnBackendSetAttribute) *set_attribute;
    __typeof__(cudnnBackendGetAttribute) *get_attribute;
    __typeof__(cudnnBackendFinalize) *finalize;
    __typeof__(cudnnBackendExecute) *execute;
} cudnn_library;

/**
 * Loads libcudnn.so.9 once per process; it stays loaded until exit.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED with the loader's text, or with the version found if it is
 *         older than CUDNN_OLDEST. Thread: any.
 */
cg_status cudnn_library_load(const cg_host *host, const cudnn_library **ret_library, cg_error *err);

/** Maps a cuDNN status to a cg_status. */
cg_status cudnn_status(cudnnStatus_t code);

#endif
