/* SPDX-License-Identifier: MIT */
/** @file model_store.h  Owner of the memory that the references of a model point to. */
#ifndef CG_MODEL_MODEL_STORE_H
#define CG_MODEL_MODEL_STORE_H

#include <stddef.h>

struct cg_model_store {
    struct cg_safetensors **files; /* [n_files], entries may be NULL while opening */
    size_t n_files;
    void *heap; /* weights that are in no file; NULL if there are none */
};

#endif
