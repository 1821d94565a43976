/* SPDX-License-Identifier: MIT */
/** @file worker.h  An executor of an engine and what it runs on: the CPU, or one GPU. */
#ifndef CG_ENGINE_WORKER_H
#define CG_ENGINE_WORKER_H

#include <confgen/confgen.h>
#include <confgen/gpu.h>

#include "base/pool.h"
#include "decode/executor.h"
#include "plugin/host.h"

typedef struct cg_worker {
    cg_engine *engine;
    cg_device device;
    cg_gpu_info gpu_info; /* CUDA; free_bytes is of the time before the executor */
    cg_team *team;        /* CPU: for the loops of executor and plugins; CUDA: NULL */
    cg_plugin_host host;  /* over the team */
    const cg_plugin *attention, *cache;
    int32_t batch_size; /* slots of the executor */
    int32_t n_prompt_slots;
    cg_executor *executor;
    cg_executor_stats past; /* of executors that were replaced by smaller ones */
    int32_t halvings;       /* of the batch because memory ran short */
} cg_worker;

/** A worker on the CPU. `index` 0 uses the engine's threads, others have as many of their own. */
cg_status cg_worker_init_cpu(cg_worker *worker, cg_engine *engine, int32_t index, cg_error *err);
/** A worker on GPU `index`. CG_ERR_UNSUPPORTED, CG_ERR_CUDA with the reason. */
cg_status cg_worker_init_gpu(cg_worker *worker, cg_engine *engine, int32_t index, cg_error *err);
void cg_worker_finish(cg_worker *worker); /* accepts zeroed ones */

/** Name for texts: "cpu", "cuda:0". Storage of the caller. */
const char *cg_worker_name(const cg_worker *worker, char *ret_name, size_t cap);

/** Do attention and cache serve the model here with this batch? Allocates nothing. */
cg_status cg_worker_match(const cg_worker *worker, const cg_plugin *attention,
                          const cg_plugin *cache, int32_t batch_size, cg_error *err);

/**
 * An executor over attention and cache.
 *
 * @return CG_OK; why they do not match; CG_ERR_DEVICE_NOMEM if it does not fit
 */
cg_status cg_worker_make(const cg_worker *worker, const cg_plugin *attention,
                         const cg_plugin *cache, int32_t batch_size, cg_executor **ret_executor,
                         cg_error *err);

/**
 * Open the worker's executor with its choices. Where the device has no memory for it the batch is
 * halved, down to 1, with a warning in the log; the text about the last halving goes to
 * ret_reason [CG_ERROR_TEXT], "" without one.
 */
cg_status cg_worker_open(cg_worker *worker, char *ret_reason, cg_error *err);

/**
 * Memory ran short in the middle of a run, says `why`: replace the executor by one with half the
 * batch. Nothing of the old one's sequences is left. Fails with `why` where the batch is 1.
 */
cg_status cg_worker_shrink(cg_worker *worker, const cg_error *why, cg_error *err);

/** Totals of this and earlier executors. */
void cg_worker_stats(const cg_worker *worker, cg_executor_stats *ret_stats);

#endif
