/* SPDX-License-Identifier: MIT */
/** @file claimed_devices.h  The devices to check a plugin on, one after the other. */
#ifndef CG_CONFORMANCE_CLAIMED_DEVICES_H
#define CG_CONFORMANCE_CLAIMED_DEVICES_H

#include "conformance.h"

/** Where checks run, in this order. */
enum {
    DEVICE_NONE = 0, /* the checks of the file and its descriptor; not counted as a device */
    DEVICE_HOST = 1, /* the CPU, or what a constraint is checked on */
    DEVICE_GPUS = 2, /* from here on */
};

/** The devices of an option: the CPU, and GPUs [first_gpu, first_gpu + n_gpus) that exist. */
typedef struct device_choice {
    int32_t cpu;
    int32_t first_gpu, n_gpus;
} device_choice;

/** `device` as for cg_conformance_run_devices(). CG_ERR_USAGE for another. */
cg_status device_choice_parse(const cg_host *host, const char *device, device_choice *ret_choice,
                              cg_error *err);

/**
 * Runs the checks on device i, if it is chosen and the plugin claims it, and adds to `result`.
 * Returns 0 if there is no device i or later.
 */
int device_choice_run(const device_choice *choice, int32_t i, const cg_plugin *plugin,
                      const cg_host *host, const cg_conformance_options *options,
                      cg_conformance_result *result);

#endif
