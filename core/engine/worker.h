/* SPDX-License-Identifier: MIT */
/** @file worker.h  An executor and the device it runs on: the CPU, or one GPU. */
#ifndef CG_ENGINE_WORKER_H
#define CG_ENGINE_WORKER_H

#include <confgen/gpu.h>

#include "base/pool.h"
#include "decode/executor.h"
#include "plugin/host.h"

/** Replaces the creation of executors, for tests. */
typedef struct cg_executor_factory {
    /** As cg_executor_cpu_create(). NULL: the executor of the worker's device. */
    cg_status (*create)(void *ctx, const cg_executor_config *config, cg_team *team,
                        cg_executor **ret_executor, cg_error *err);
    void *ctx;
} cg_executor_factory;

/** Settings common to the executors of an engine. Constant while workers exist. */
typedef struct cg_executor_prototype {
    /* attention, cache, host, n_slots, n_prompt_slots and gpu are set by the worker */
    cg_executor_config config;
    cg_executor_factory factory;
} cg_executor_prototype;

typedef struct cg_worker {
    const cg_executor_prototype *prototype; /* borrowed */
    cg_device device;
    cg_gpu_info gpu_info; /* CUDA; free_bytes as it was before the executor was created */
    cg_team *team;        /* CPU: runs the loops of executor and plugins; CUDA: NULL */
    int owns_team;
    cg_plugin_host host;                /* over the team */
    const cg_plugin *attention, *cache; /* selected */
    int32_t batch_size;                 /* sequence slots of the executor */
    int32_t n_prompt_slots;
    cg_executor *executor;
    cg_executor_stats past; /* of executors that were replaced by smaller ones */
    int32_t halvings;       /* times that the batch was halved when out of memory */
} cg_worker;

/** Zeroes `worker` and gives it the loops and the log of `host`, whose team is borrowed. */
void cg_worker_init_cpu(cg_worker *worker, const cg_executor_prototype *prototype,
                        const cg_plugin_host *host);
/** As cg_worker_init_cpu(), with a team of its own of the same size. CG_ERR_NOMEM. */
cg_status cg_worker_init_cpu_team(cg_worker *worker, const cg_executor_prototype *prototype,
                                  const cg_plugin_host *host, cg_error *err);
/** A worker on GPU `index`. CG_ERR_UNSUPPORTED, CG_ERR_CUDA with the reason. */
cg_status cg_worker_init_gpu(cg_worker *worker, const cg_executor_prototype *prototype,
                             const cg_plugin_host *host, int32_t index, cg_error *err);
void cg_worker_finish(cg_worker *worker); /* accepts zeroed ones */

/** "cpu", "cuda:0"; written to ret_name, which is returned. */
const char *cg_worker_name(const cg_worker *worker, char *ret_name, size_t cap);

/**
 * Checks that attention and cache support the model here with this batch: both plugins are queried
 * with the problem that cg_worker_create_executor() would plan. Allocates nothing.
 */
cg_status cg_worker_match(const cg_worker *worker, const cg_plugin *attention,
                          const cg_plugin *cache, int32_t batch_size, cg_error *err);

/**
 * Creates an executor over attention and cache.
 *
 * @return CG_OK; the status of cg_worker_match(); CG_ERR_DEVICE_NOMEM if it does not fit
 */
cg_status cg_worker_create_executor(const cg_worker *worker, const cg_plugin *attention,
                                    const cg_plugin *cache, int32_t batch_size,
                                    cg_executor **ret_executor, cg_error *err);

/**
 * Opens the worker's executor with the selected plugins and batch. While the device lacks memory
 * for it, the batch is halved, down to 1, with a warning in the log.
 *
 * @param ret_reason  [CG_ERROR_TEXT] describes the last halving; "" without one
 */
cg_status cg_worker_open(cg_worker *worker, char *ret_reason, cg_error *err);

/**
 * Replaces the executor, which ran out of memory during a run, by one with half the batch. The old
 * one's sequences are lost. Fails with `why`, the reason, where the batch is 1 already.
 */
cg_status cg_worker_shrink(cg_worker *worker, const cg_error *why, cg_error *err);

/** Totals of this and the replaced executors. */
void cg_worker_stats(const cg_worker *worker, cg_executor_stats *ret_stats);

#endif
