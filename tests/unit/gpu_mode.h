/* SPDX-License-Identifier: MIT */
/**
 * @file gpu_mode.h  Test programs that run over the CPU, or over a GPU instead when
 * CONFGEN_TEST_GPU is 1 in their environment.
 */
#ifndef CG_TESTS_GPU_MODE_H
#define CG_TESTS_GPU_MODE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <confgen/gpu.h>

enum { GPU_NOT_ASKED, GPU_ASKED, GPU_MISSING, EXIT_SKIPPED = 77 };

/** What is asked for, in a line; GPU_MISSING: and there is none, end with EXIT_SKIPPED. */
static inline int gpu_mode(void)
{
    const char *asked = getenv("CONFGEN_TEST_GPU");
    cg_error err = CG_ERROR_INIT;
    int32_t n = 0;

    if (!asked || strcmp(asked, "1") != 0) {
        printf("CUDA: not tested here, CONFGEN_TEST_GPU=1 asks for it\n");
        return GPU_NOT_ASKED;
    }
    if (cg_gpu_count(&n, &err) == CG_OK && n > 0)
        return GPU_ASKED;
    printf("skipped: %s\n", err.code ? err.msg : "this machine has no GPU");
    return GPU_MISSING;
}

#endif
