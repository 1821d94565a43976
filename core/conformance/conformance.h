/* SPDX-License-Identifier: MIT */
/**
 * @file conformance.h  Checks that a plugin implements its public header.
 *
 * Uses only the public headers. Called by the tests, by `confgen plugins check`, and by the
 * installed programs confgen-conformance-KIND.
 *
 * Attention and caches are checked on a device: the CPU, or a GPU through confgen/gpu.h.
 *
 * A check is a group of cases under one name; it is reported once, as passed or with the first
 * failed case. All random numbers come from the seed.
 */
#ifndef CG_CONFORMANCE_H
#define CG_CONFORMANCE_H

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/constraint.h>
#include <confgen/gpu.h>
#include <confgen/plugin.h>

/** A completed check. */
typedef struct cg_conformance_verdict {
    int32_t passed;
    const char *check;  /* its name */
    const char *device; /* "cpu", "cuda:0"; NULL: none, for checks of the file and constraints */
    const char *detail; /* number of cases, or the failure */
    double seconds;
} cg_conformance_verdict;

/** Receives a completed check. Borrowed for the call. */
typedef void (*cg_conformance_report_fn)(void *ctx, const cg_conformance_verdict *verdict);

/** A device on which a plugin is checked, or not. */
typedef struct cg_conformance_device {
    const char *name; /* "cpu", "cuda", "cuda:0" */
    int32_t is_checked;
    const char *text; /* what it is, may be ""; if it is not checked, the reason */
} cg_conformance_device;

/** Texts of real molecules in the format of a model, for constraints. Borrowed. */
typedef struct cg_conformance_texts {
    const char *name; /* of the model, for messages */
    const cg_vocabulary *vocabulary;
    const cg_text_format *format;
    const cg_literals *molecules; /* [n_molecules] */
    const char *const *names;     /* [n_molecules] for messages */
    int32_t n_molecules;
} cg_conformance_texts;

typedef struct cg_conformance_options {
    uint64_t seed;
    int32_t rounds; /* random cases per check; 0: the default, a few seconds in all */
    cg_conformance_report_fn report;
    void *ctx;
    cg_gpu *gpu;        /* GPU to check on, borrowed; NULL: the CPU */
    const char *device; /* its name, for verdicts. Borrowed. */
    /* At most max_checks checks of a device, from the one of index first_check on; 0: all. */
    int32_t first_check, max_checks;
    /* Only checks whose names contain one of these texts. n_only 0: all. Borrowed. */
    const char *const *only;
    int32_t n_only;
    const cg_conformance_texts *texts; /* constraints are checked over these, too; NULL: none */
    int32_t max_seconds; /* of a check in a child process; 0: the default of the device */
    /** The process with its host's workers before the plugin was loaded, and before its first call.
     * May be NULL. Borrowed. */
    const struct process_state *before_loading, *before_calls;
    /** Receives the index of a check on its device and its name before it runs. May be NULL. */
    void (*begin)(void *ctx, int32_t index, const char *check);
    /** Receives the name of a check that `only` leaves out. May be NULL. */
    void (*leave_out)(void *ctx, const char *check);
    /** Receives the plugin's descriptor, whose `ops` is NULL. May be NULL. Borrowed. */
    void (*plugin)(void *ctx, const cg_plugin *plugin);
    /** Receives a device before its checks. May be NULL. Borrowed. */
    void (*visit)(void *ctx, const cg_conformance_device *device);
    /** Receives a line about what is checked. May be NULL. Borrowed. */
    void (*message)(void *ctx, const char *line);
} cg_conformance_options;

/**
 * Runs all checks of the plugin's kind on one device. A check also fails if a function of the
 * plugin allocates where it may not, makes a thread, or leaves the floating-point environment, the
 * locale or the process (process_state.h) changed.
 *
 * @param host  services for the plugin; wrapped to count allocations and inject failures
 * @return number of failed checks
 */
int32_t cg_conformance_run(const cg_plugin *plugin, const cg_host *host,
                           const cg_conformance_options *options);

/**
 * Time limit of a check in a child process on the CPU; a check on a GPU has ten times that. A check
 * that has used the processors for less than half of it, since other programs do, has four times
 * as long.
 */
enum { CG_CONFORMANCE_SECONDS = 30 };

/** Result over all devices. */
typedef struct cg_conformance_result {
    int32_t checked;  /* devices that checks ran on */
    int32_t failures; /* failed checks, those of the file included */
} cg_conformance_result;

/**
 * Checks a plugin on every requested device that it claims to support. A plugin that refuses
 * every one of a few typical problems on a device, with a reason, does not claim it. `visit`
 * receives every device. A constraint has no device and is checked once. The checks of
 * the file and its descriptor (plugin_suite.h) come first, whatever the device.
 *
 * @param device  "cpu", "cuda", "cuda:I", "all" (the CPU and every GPU); NULL: the CPU, and the
 *                first GPU if there is one
 * @return CG_OK, whatever the checks found; CG_ERR_USAGE for another device
 */
cg_status cg_conformance_run_devices(const cg_plugin *plugin, const cg_host *host,
                                     const char *device, const cg_conformance_options *options,
                                     cg_conformance_result *ret_result, cg_error *err);

/**
 * Loads the plugin to check, and a host with threads. Called in a process of its own for each
 * check. @param ret_plugin, ret_host  live until the process ends
 */
typedef cg_status (*cg_conformance_open_fn)(void *ctx, const cg_plugin **ret_plugin,
                                            const cg_host **ret_host, cg_error *err);

/**
 * As cg_conformance_run_devices(), for a plugin that may crash, hang or end the process: every
 * check on the CPU, and all checks on one GPU, run in a child process that loads the plugin itself.
 * The calling process never runs the plugin's code and never uses CUDA. A check has passed only if
 * the child says so through a pipe after the check's end. A child that dies or exceeds the time
 * limit fails the check that it was running. The remaining checks of a device do not run after a
 * time limit, nor after a child that died on a GPU.
 *
 * @param open     called in the children
 * @param options  first_check, max_checks, begin, gpu, device, before_loading
 *                 and before_calls are not used
 * @return as cg_conformance_run_devices(); the status of `open` if it refuses the plugin;
 *         CG_ERR_IO if no process can be started
 * Thread: the process has a single thread, since it forks.
 */
cg_status cg_conformance_run_children(cg_conformance_open_fn open, void *open_ctx,
                                      const char *device, const cg_conformance_options *options,
                                      cg_conformance_result *ret_result, cg_error *err);

/** As cg_conformance_run_children(), in the calling process, for a debugger: a crash ends it. */
cg_status cg_conformance_run_here(cg_conformance_open_fn open, void *open_ctx, const char *device,
                                  const cg_conformance_options *options,
                                  cg_conformance_result *ret_result, cg_error *err);

/** Runs the checks of one kind on an operation table. Return as cg_conformance_run(). */
int32_t cg_conformance_attention(const cg_attention_ops *ops, const cg_host *host,
                                 const cg_conformance_options *options);
int32_t cg_conformance_cache(const cg_cache_ops *ops, const cg_host *host,
                             const cg_conformance_options *options);
int32_t cg_conformance_constraint(const cg_constraint_ops *ops, const cg_host *host,
                                  const cg_conformance_options *options);

/** Writes "KIND plugin NAME VERSION: DESCRIPTION". */
void cg_conformance_plugin_line(const cg_plugin *plugin, char *ret_line, size_t capacity);
/** Writes "NAME (TEXT):" or "NAME: not checked: TEXT". */
void cg_conformance_device_line(const cg_conformance_device *device, char *ret_line,
                                size_t capacity);

#endif
