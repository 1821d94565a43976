/* SPDX-License-Identifier: MIT */
/**
 * @file library.h  cuDNN, loaded when it is first asked for.
 *
 * The plugin does not link against cuDNN: it loads on machines without it, and the loader's search
 * (LD_LIBRARY_PATH) decides which one is taken where there are several.
 */
#ifndef CUDNN_LIBRARY_H
#define CUDNN_LIBRARY_H

#include <confgen/plugin.h>
#include <cudnn_graph.h>

enum { CUDNN_OLDEST = 91300 }; /* major * 10000 + minor * 100 + patch */

typedef struct cudnn_library {
    int version; /* as CUDNN_OLDEST */
    __typeof__(cudnnGetVersion) *get_version;
    __typeof__(cudnnGetErrorString) *error_string;
    __typeof__(cudnnGetLastErrorString) *last_error;
    __typeof__(cudnnCreate) *create;
    __typeof__(cudnnDestroy) *destroy;
    __typeof__(cudnnSetStream) *set_stream;
    __typeof__(cudnnBackendCreateDescriptor) *make;
    __typeof__(cudnnBackendDestroyDescriptor) *drop;
    __typeof__(cudnnBackendSetAttribute) *set;
    __typeof__(cudnnBackendGetAttribute) *get;
    __typeof__(cudnnBackendFinalize) *finalize;
    __typeof__(cudnnBackendExecute) *execute;
} cudnn_library;

/**
 * Load libcudnn.so.9 once for the process; it stays until exit.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED with the loader's text, or with the version found if it is
 *         older than CUDNN_OLDEST. Thread: any.
 */
cg_status cudnn_library_load(const cg_host *host, const cudnn_library **ret_library, cg_error *err);

/** The cg_status that a cuDNN status amounts to. */
cg_status cudnn_status(cudnnStatus_t code);

#endif
