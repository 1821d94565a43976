/* SPDX-License-Identifier: MIT */
/** @file minimizer_cuda.h  The minimiser on a GPU. */
#ifndef CG_CUDA_MINIMIZER_CUDA_H
#define CG_CUDA_MINIMIZER_CUDA_H

#include "forcefield/device_minimizer.h"

/** cg_cuda_module.minimizer_create: see cuda_loader/cuda_module.h. */
cg_status cg_cuda_minimizer_create(const cg_device_minimizer_config *config,
                                   cg_device_minimizer **ret_minimizer, cg_error *err);

#endif
