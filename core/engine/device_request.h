/* SPDX-License-Identifier: MIT */
/** @file device_request.h  Which device a run is asked to use: the text of --device and --dtype. */
#ifndef CG_ENGINE_DEVICE_REQUEST_H
#define CG_ENGINE_DEVICE_REQUEST_H

#include <confgen/confgen.h>

/** What --device asks for. */
typedef struct cg_device_request {
    enum { CG_REQUEST_AUTO = 0, CG_REQUEST_CPU, CG_REQUEST_CUDA } kind;
    int32_t all; /* CUDA: every GPU there is */
    int32_t n;   /* CUDA: else these, each once */
    int32_t gpus[CG_MAX_GPUS];
} cg_device_request;

/** NULL is auto. CG_ERR_USAGE naming the text and the forms there are. */
cg_status cg_device_parse(const char *text, cg_device_request *ret_request, cg_error *err);

/**
 * The GPUs that a request for CUDA or auto (the first GPU) means on a machine with n_gpus. `text`
 * is what was asked for, for the error.
 *
 * @param ret_gpus  [CG_MAX_GPUS]
 * @return CG_OK with *ret_n >= 1; CG_ERR_UNSUPPORTED if one is not there; CG_ERR_LIMIT for more
 *         than CG_MAX_GPUS
 */
cg_status cg_device_resolve(const cg_device_request *request, const char *text, int32_t n_gpus,
                            int32_t *ret_gpus, int32_t *ret_n, cg_error *err);

/** "f32", "bf16"; -1: "auto" or NULL. CG_ERR_USAGE naming the text. */
cg_status cg_dtype_parse(const char *text, cg_dtype *ret_dtype, cg_error *err);

#endif
