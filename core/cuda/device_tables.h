/* SPDX-License-Identifier: MIT */
/**
 * @file device_tables.h  Automaton and programs in device memory.
 *
 * The automaton only grows: its copy is extended as far as a program needs it. A program is copied
 * once, however many sequences run it. Copies go through pinned memory and are queued on the
 * stream; a call waits only when the pinned ring buffer is full.
 */
#ifndef CG_CUDA_DEVICE_TABLES_H
#define CG_CUDA_DEVICE_TABLES_H

#include <confgen/constraint.h>

#include "gpu_device.h"
#include "sequence/atom_tests.h"

typedef struct cg_device_tables cg_device_tables;

/**
 * @param automaton  host memory, borrowed; may grow
 * @return CG_OK; CG_ERR_NOMEM, CG_ERR_DEVICE_NOMEM, CG_ERR_CUDA
 */
cg_status cg_device_tables_create(const cg_automaton *automaton, cudaStream_t stream,
                                  cg_device_tables **ret_tables, cg_error *err);
void cg_device_tables_destroy(cg_device_tables *t); /* accepts NULL */

/** Returns the automaton with its arrays in device memory. */
const cg_automaton *cg_device_tables_automaton(const cg_device_tables *t);

/**
 * Copies a program, and the part of the automaton it needs, to the device, and counts one user.
 *
 * @param program       identified by its address; borrowed until its last cg_device_tables_drop()
 * @param geometry      of the same molecule, or NULL; the same in every call for `program`
 * @param ret_program   the program with its arrays in device memory
 * @param ret_geometry  the geometry with its arrays in device memory; zero without one
 * @return CG_OK; CG_ERR_NOMEM, CG_ERR_DEVICE_NOMEM, CG_ERR_CUDA
 */
cg_status cg_device_tables_use(cg_device_tables *t, const cg_program *program,
                               const cg_geometry *geometry, cg_program *ret_program,
                               cg_geometry *ret_geometry, cg_error *err);
/** Removes one user of a program; the last one frees its device memory. */
void cg_device_tables_drop(cg_device_tables *t, const cg_program *program);

/**
 * Returns pinned memory that stays unchanged until the work queued next on the stream has run.
 *
 * @return CG_OK; CG_ERR_LIMIT for more bytes than the ring buffer has; CG_ERR_CUDA
 */
cg_status cg_device_tables_stage(cg_device_tables *t, size_t bytes, void **ret_ptr, cg_error *err);

#endif
