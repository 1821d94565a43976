/* SPDX-License-Identifier: MIT */
/**
 * @file adapter.h  A LoRA adapter beside the base weights, merged into them when a model is opened.
 *
 * transformers applies adapter_config.json and adapter_model.safetensors of a model directory. Here
 * each adapted weight W becomes W + s B A, computed in float32 and rounded to the dtype of W, as by
 * merge_and_unload() of peft; s is lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora. Tensors
 * of modules_to_save, and biases, replace those of the base. What would make another network (DoRA,
 * initialisations that change the base, other kinds of adapters, unknown settings) is refused by
 * name.
 */
#ifndef CG_MODEL_ADAPTER_H
#define CG_MODEL_ADAPTER_H

#include <stddef.h>
#include <stdint.h>

#include <confgen/status.h>

#include "base/pool.h"
#include "model/model_store.h"
#include "model/tensor_specs.h"

typedef struct cg_adapter cg_adapter;

/**
 * Opens the adapter of a directory.
 *
 * @param dir          borrowed for the life of the adapter
 * @param max_bytes    bound of the file of weights
 * @param ret_adapter  cg_adapter_close(); NULL if there is no adapter_config.json
 * @return CG_OK; CG_ERR_FORMAT, CG_ERR_UNSUPPORTED, CG_ERR_IO, CG_ERR_LIMIT, CG_ERR_NOMEM with a
 *         message naming the file. On failure *ret_adapter is unchanged.
 */
cg_status cg_adapter_open(const char *dir, size_t max_bytes, cg_adapter **ret_adapter,
                          cg_error *err);
void cg_adapter_close(cg_adapter *adapter); /* accepts NULL */

/** Returns whether the adapter contains a tensor of this name in place of the base's. NULL: no. */
int cg_adapter_replaces(const cg_adapter *adapter, const char *name);

/**
 * Assigns the tensors of the adapter to those of the model and checks their shapes.
 *
 * @param by_name  [n] the tensors of the model, sorted by name; borrowed for the life of the
 * adapter
 * @param tied     the head is the embedding; an adapter of one of the two is refused
 * @return CG_OK; CG_ERR_FORMAT; CG_ERR_UNSUPPORTED; CG_ERR_NOMEM
 */
cg_status cg_adapter_bind(cg_adapter *adapter, cg_tensor_spec *const *by_name, size_t n, int tied,
                          cg_error *err);

/**
 * Computes the adapted weights into new memory, and points the references of the model there.
 *
 * @param store  owns the memory as its `heap`, which must be NULL
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_adapter_merge(cg_adapter *adapter, struct cg_model_store *store, cg_team *team,
                           cg_error *err);

/** Number of tensors that an adapter changes, after cg_adapter_bind(). NULL: 0. */
int32_t cg_adapter_count(const cg_adapter *adapter);

#endif
