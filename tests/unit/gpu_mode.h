/* SPDX-License-Identifier: MIT */
/**
 * @file gpu_mode.h  Selects the device of test programs: the CPU, or a GPU if CONFGEN_TEST_GPU is 1
 * in the environment.
 */
#ifndef CG_TESTS_GPU_MODE_H
#define CG_TESTS_GPU_MODE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <confgen/gpu.h>

enum { GPU_NOT_REQUESTED, GPU_REQUESTED, GPU_MISSING, EXIT_SKIPPED = 77 };

/** Prints and returns the mode. GPU_MISSING: requested but not found; exit with EXIT_SKIPPED. */
static inline int gpu_mode(void)
{
    const char *requested = getenv("CONFGEN_TEST_GPU");
    cg_error err = CG_ERROR_INIT;
    int32_t n = 0;

    if (!requested || strcmp(requested, "1") != 0) {
        printf("CUDA: not tested; set CONFGEN_TEST_GPU=1 to test it\n");
        return GPU_NOT_REQUESTED;
    }
    if (cg_gpu_count(&n, &err) == CG_OK && n > 0)
        return GPU_REQUESTED;
    printf("skipped: %s\n", err.code ? err.msg : "this machine has no GPU");
    return GPU_MISSING;
}

#endif
