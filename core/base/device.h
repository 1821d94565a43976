/* SPDX-License-Identifier: MIT */
/** @file device.h  Functions that are the same few lines on the host and in a kernel. */
#ifndef CG_BASE_DEVICE_H
#define CG_BASE_DEVICE_H

#ifdef __CUDACC__
#define CG_HOST_DEVICE __host__ __device__
#else
#define CG_HOST_DEVICE
#endif

#endif
