/* SPDX-License-Identifier: MIT */
/** @file fake_plugins.h  Plugins for the GPU of fake_gpu.h, correct or with one defect. */
#ifndef CG_TESTS_FAKE_PLUGINS_H
#define CG_TESTS_FAKE_PLUGINS_H

#include <confgen/attention.h>
#include <confgen/cache.h>

/** Number of the defect, defined in the sources; 0: none. */
extern int fake_mutant;

enum { FAKE_MUTANT_DEVICE = 900 }; /* makes another device current; only here */

cg_attention_ops fake_attention(void);

/** The CPU cache that fake_cache() wraps. */
extern const cg_cache_ops *fake_cache_base;
cg_cache_ops fake_cache(void);

#endif
