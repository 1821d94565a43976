/* SPDX-License-Identifier: MIT */
/** @file status.h  Statuses and the error record that carries their text. */
#ifndef CONFGEN_STATUS_H
#define CONFGEN_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks a symbol that others may call. */
#define CG_EXPORT __attribute__((visibility("default")))

/** Marks a function with a printf() format in argument `fmt`, whose values begin with `args`. */
#if defined(__GNUC__)
#define CG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define CG_PRINTF(fmt, args)
#endif

/** Marks a function that runs on the host and in CUDA kernels. */
#ifdef __CUDACC__
#define CG_HOST_DEVICE __host__ __device__
#else
#define CG_HOST_DEVICE
#endif

/** Outcome of a call. Groups of a hundred: usage, input, environment, device, program. */
typedef int32_t cg_status;

/** cg_status */
enum {
    CG_OK = 0, /* success */

    CG_ERR_USAGE = 100,       /* a flag or argument is wrong */
    CG_ERR_UNSUPPORTED = 101, /* a valid request that is not supported; the text says why */

    CG_ERR_INPUT = 200,    /* a molecule, line or record from the user is bad */
    CG_ERR_FORMAT = 201,   /* a file is not what it claims to be */
    CG_ERR_LIMIT = 202,    /* a size exceeds a stated bound */
    CG_ERR_MISMATCH = 203, /* two things that must agree do not (resume, model and tokenizer) */

    CG_ERR_IO = 300,          /* open, read, write, disk full */
    CG_ERR_NOMEM = 301,       /* host memory */
    CG_ERR_PLUGIN = 302,      /* a plugin could not be loaded or violated its contract */
    CG_ERR_INTERRUPTED = 303, /* stopped by a signal; the output can be resumed */

    CG_ERR_CUDA = 400,         /* a CUDA call failed */
    CG_ERR_DEVICE_NOMEM = 401, /* device memory */

    CG_ERR_INTERNAL = 500, /* a bug in confgen */
};

/** Returns the status of `call` from the calling function if it failed. */
#define CG_TRY(call)                                                                               \
    do {                                                                                           \
        cg_status cg_try_status_ = (call);                                                         \
                                                                                                   \
        if (cg_try_status_ != CG_OK)                                                               \
            return cg_try_status_;                                                                 \
    } while (0)

/** Stores the status of `call` in `st`; if it failed, goes to the cleanup at `label`. */
#define CG_TRY_GOTO(st, call, label)                                                               \
    do {                                                                                           \
        (st) = (call);                                                                             \
        if ((st) != CG_OK)                                                                         \
            goto label;                                                                            \
    } while (0)

/** Bytes of an error text, with its NUL. */
#define CG_ERROR_TEXT 960

/**
 * Error text, owned by the caller. Every function that can fail takes one (NULL is allowed) and
 * writes it only on failure. The text is one sentence without a newline: where, what was found,
 * what was wanted. These three members have this size in all of ABI 1, so a writer need not read
 * struct_size for them.
 */
typedef struct cg_error {
    uint32_t struct_size;
    cg_status code;          /* of the failure */
    char msg[CG_ERROR_TEXT]; /* the sentence, ends in NUL */
} cg_error;

/** An error record without an error: `cg_error err = CG_ERROR_INIT;` */
#define CG_ERROR_INIT                                                                              \
    {                                                                                              \
        sizeof(cg_error), CG_OK,                                                                   \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/** Name of a status for reports, e.g. "bad input". Static storage. */
CG_EXPORT const char *cg_status_name(cg_status status);

#ifdef __cplusplus
}
#endif

#endif
