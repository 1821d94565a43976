/* SPDX-License-Identifier: MIT */
/** @file host_device.h  CG_HOST_DEVICE marks functions that run on the host and in CUDA kernels. */
#ifndef CONFGEN_HOST_DEVICE_H
#define CONFGEN_HOST_DEVICE_H

#ifdef __CUDACC__
#define CG_HOST_DEVICE __host__ __device__
#else
#define CG_HOST_DEVICE
#endif

#endif
