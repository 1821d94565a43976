/* SPDX-License-Identifier: MIT */
/** @file tensor_specs.h  The tensors an architecture consists of: names, shapes and where they go.
 */
#ifndef CG_MODEL_TENSOR_SPECS_H
#define CG_MODEL_TENSOR_SPECS_H

#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

/** One tensor that the model must have. */
typedef struct cg_tensor_spec {
    char name[64];
    int32_t n_dims; /* 1 or 2 */
    int32_t is_norm;
    int64_t rows, cols;
    cg_tensor_ref *ref; /* in the model */
    const char *file;   /* where it was found, NULL before */
    uint64_t hash;      /* XXH3 of its bytes */
} cg_tensor_spec;

/**
 * Allocate model->layers and list every tensor that model->config asks for, in the order of the
 * network: embedding, layers, final norm, head (unless tied).
 *
 * @param ret_slots  free(); points into *model
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_tensor_specs_create(cg_model *model, cg_tensor_spec **ret_slots, size_t *ret_n,
                                 cg_error *err);

/** The head of a tied model is its embedding; set the fingerprint. All slots are filled. */
void cg_tensor_specs_seal(cg_model *model, const cg_tensor_spec *slots, size_t n);

/** Memory behind a model's references. */
struct cg_model_store {
    struct cg_safetensors **files; /* [n_files], entries may be NULL while opening */
    size_t n_files;
    void *heap;
};

#endif
