/* SPDX-License-Identifier: MIT */
/**
 * @file tables.h  Automaton and programs in device memory.
 *
 * The automaton only grows, so its copy is completed as far as a program needs it. Programs are
 * copied once however many sequences run them. Copies go through pinned memory and are queued on
 * the stream: nothing waits.
 */
#ifndef CG_CUDA_TABLES_H
#define CG_CUDA_TABLES_H

#include <confgen/constraint.h>

#include "cuda.h"
#include "decode/geometry.h"

typedef struct cg_tables cg_tables;

cg_status cg_tables_create(const cg_automaton *automaton, cudaStream_t stream,
                           cg_tables **ret_tables, cg_error *err);
void cg_tables_destroy(cg_tables *t); /* accepts NULL */

/** The automaton with its arrays in device memory. */
const cg_automaton *cg_tables_automaton(const cg_tables *t);

/**
 * Bring a program, and what it needs of the automaton, to the device.
 *
 * @param program       may be in use already; borrowed until its last cg_tables_drop()
 * @param geometry      of the same molecule, or NULL; the same whenever the program is
 * @param ret_program   the same with arrays in device memory
 * @param ret_geometry  likewise; zero where there is none
 */
cg_status cg_tables_use(cg_tables *t, const cg_program *program, const cg_geometry *geometry,
                        cg_program *ret_program, cg_geometry *ret_geometry, cg_error *err);
/** One user less. */
void cg_tables_drop(cg_tables *t, const cg_program *program);

/** Pinned memory that is left alone until the stream has passed what is queued next. */
cg_status cg_tables_stage(cg_tables *t, size_t bytes, void **ret_ptr, cg_error *err);

#endif
