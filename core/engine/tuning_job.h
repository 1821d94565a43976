/* SPDX-License-Identifier: MIT */
/** @file tuning_job.h  The job that tuning measures: conformers of several molecules, to the end.
 */
#ifndef CG_ENGINE_TUNING_JOB_H
#define CG_ENGINE_TUNING_JOB_H

#include "engine/tuning.h"

enum { CG_TUNING_JOB_BATCHES = 2 }; /* sequences of a job: slots are refilled, then run empty */

typedef struct cg_tuning_job_result {
    int32_t n_conformers; /* 0: the job was stopped at its limit */
    int64_t tokens;       /* of completed sequences; of a stopped job: evaluated */
    double seconds;
} cg_tuning_job_result;

/**
 * Runs an executor as a run does: a batch for at most a short time as a warm-up, then the job that
 * is measured.
 *
 * @param ex     of batch_size slots
 * @param limit  seconds after which the job is stopped
 * @return CG_OK; the status of the executor; CG_ERR_INTERNAL without a token
 */
cg_status cg_tuning_job(const cg_tuner *tuner, cg_executor *ex, int32_t batch_size, double limit,
                        cg_tuning_job_result *ret_result, cg_error *err);

#endif
