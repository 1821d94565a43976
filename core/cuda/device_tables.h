/* SPDX-License-Identifier: MIT */
/**
 * @file device_tables.h  Automaton and programs in device memory.
 *
 * The automaton only grows, so its copy is completed as far as a program needs it. Programs are
 * copied once however many sequences run them. Copies go through pinned memory and are queued on
 * the stream: nothing waits.
 */
#ifndef CG_CUDA_DEVICE_TABLES_H
#define CG_CUDA_DEVICE_TABLES_H

#include <confgen/constraint.h>

#include "gpu_device.h"
#include "sequence/atom_tests.h"

typedef struct cg_device_tables cg_device_tables;

cg_status cg_device_tables_create(const cg_automaton *automaton, cudaStream_t stream,
                                  cg_device_tables **ret_tables, cg_error *err);
void cg_device_tables_destroy(cg_device_tables *t); /* accepts NULL */

/** The automaton with its arrays in device memory. */
const cg_automaton *cg_device_tables_automaton(const cg_device_tables *t);

/**
 * Bring a program, and what it needs of the automaton, to the device.
 *
 * @param program       may be in use already; borrowed until its last cg_device_tables_drop()
 * @param geometry      of the same molecule, or NULL; the same whenever the program is
 * @param ret_program   the same with arrays in device memory
 * @param ret_geometry  likewise; zero where there is none
 */
cg_status cg_device_tables_use(cg_device_tables *t, const cg_program *program,
                               const cg_geometry *geometry, cg_program *ret_program,
                               cg_geometry *ret_geometry, cg_error *err);
/** One user less. */
void cg_device_tables_drop(cg_device_tables *t, const cg_program *program);

/** Pinned memory that is left alone until the stream has passed what is queued next. */
cg_status cg_device_tables_stage(cg_device_tables *t, size_t bytes, void **ret_ptr, cg_error *err);

#endif
