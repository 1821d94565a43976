/* SPDX-License-Identifier: MIT */
/** @file device_request.h  Parses --device; resolves a request to GPU indices. */
#ifndef CG_ENGINE_DEVICE_REQUEST_H
#define CG_ENGINE_DEVICE_REQUEST_H

#include <confgen/confgen.h>

#include "model/kv_dtype.h"

typedef struct cg_device_request {
    enum { CG_REQUEST_AUTO = 0, CG_REQUEST_CPU, CG_REQUEST_CUDA } kind;
    int32_t all; /* CUDA: nonzero: every GPU of the machine; else `gpus` */
    int32_t n;
    int32_t gpus[CG_MAX_GPUS]; /* [n] distinct indices */
    cg_dtype dtype, kv_dtype;  /* or CG_DTYPE_AUTO */
} cg_device_request;

/**
 * Parses "cpu", "cuda:0,1", ...; NULL is "auto". Both types of the request become CG_DTYPE_AUTO.
 * CG_ERR_USAGE naming the text and the forms.
 */
cg_status cg_device_parse(const char *text, cg_device_request *ret_request, cg_error *err);

/**
 * Resolves a request for CUDA or auto (the first GPU) on a machine with n_gpus.
 *
 * @param text      of the request, for error texts
 * @param ret_gpus  [CG_MAX_GPUS]
 * @return CG_OK with *ret_n >= 1; CG_ERR_UNSUPPORTED if a requested GPU does not exist;
 * CG_ERR_LIMIT for more than CG_MAX_GPUS
 */
cg_status cg_device_resolve(const cg_device_request *request, const char *text, int32_t n_gpus,
                            int32_t *ret_gpus, int32_t *ret_n, cg_error *err);

#endif
