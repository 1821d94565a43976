/* SPDX-License-Identifier: MIT */
/** @file cases.h  Kernels with one fault each, and without, to test the emulator. */
#ifndef CG_TESTS_EMULATED_CASES_H
#define CG_TESTS_EMULATED_CASES_H

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct emulated_case {
    const char *name;
    const char *message; /* part of the text that ends the process; NULL: no fault */
    void (*launch)(void);
} emulated_case;

extern const emulated_case emulated_cases[];
extern const int n_emulated_cases;

/** Launches a sum of n numbers by blocks of 96 threads, without a barrier if told so. */
void launch_sum(const float *x, int n, float *ret_sum, int without_barrier, cudaStream_t stream);

/** Launches a kernel that stores what the operations of a warp return; see cases.cu. ret
 * [9][n_threads] */
void launch_warp_operations(int *ret, int n_threads);

/** Launches a kernel that reverses n ints in dynamic shared memory. */
void launch_reverse(int *x, int n);

#ifdef __cplusplus
}
#endif

#endif
