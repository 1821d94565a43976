/* SPDX-License-Identifier: MIT */
/** @file fsq_decoder_cuda.h  The FSQ decoder on a GPU. */
#ifndef CG_CUDA_FSQ_DECODER_CUDA_H
#define CG_CUDA_FSQ_DECODER_CUDA_H

#include "fsq/fsq_decoder.h"

/** cg_cuda_module.fsq_decoder_create: see cuda_loader/cuda_module.h. */
cg_status cg_cuda_fsq_decoder_create(const cg_fsq_decoder_config *config,
                                     cg_fsq_decoder **ret_decoder, cg_error *err);

#endif
