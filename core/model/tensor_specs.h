/* SPDX-License-Identifier: MIT */
/**
 * @file tensor_specs.h  The expected tensors of a checkpoint: names, shapes, members of the model.
 */
#ifndef CG_MODEL_TENSOR_SPECS_H
#define CG_MODEL_TENSOR_SPECS_H

#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

enum { CG_MAX_TENSOR_PARTS = 3 };

/** One expected tensor. */
typedef struct cg_tensor_spec {
    char name[64];
    int32_t n_dims; /* 1 or 2 */
    int32_t is_norm;
    int32_t stored;     /* CG_STORED_*: how the file has the elements */
    int64_t rows, cols; /* of the tensor in the file; a vector has one row */
    /* The tensor: as in the file, from cg_tensor_spec_reorder() on as the model uses it. No data
     * until it is found. */
    cg_tensor_ref whole;
    /* Members of the model to fill: consecutive rows of the matrix or elements of the vector. */
    int32_t n_parts;
    cg_tensor_ref *parts[CG_MAX_TENSOR_PARTS];
    int64_t part_sizes[CG_MAX_TENSOR_PARTS];
    const char *file; /* that contains the tensor; NULL until found */
    uint64_t hash;    /* XXH3 of its bytes */
} cg_tensor_spec;

/**
 * Allocates model->layers and lists every tensor that model->config requires, in the order of the
 * network: embedding, layers, final norm, head (unless tied).
 *
 * @param model      owns `layers`, also on failure
 * @param ret_specs  free(); points into *model
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_tensor_specs_create(cg_model *model, cg_tensor_spec **ret_specs, size_t *ret_n,
                                 cg_error *err);

/**
 * Returns the position of a name in specs sorted by name (strcmp), or n if it is in none.
 *
 * @param by_name  [n]
 */
size_t cg_tensor_spec_find(cg_tensor_spec *const *by_name, size_t n, const char *name);

/**
 * Brings the elements of `whole` from the order of the file to that of the model, in place.
 *
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_tensor_spec_reorder(cg_tensor_spec *spec, const cg_model_config *config,
                                 cg_error *err);

/** Completes a model whose specs are all found: sets its members and the fingerprint. */
void cg_model_complete(cg_model *model, const cg_tensor_spec *specs, size_t n);

#endif
