/* SPDX-License-Identifier: MIT */
/** @file fake_plugins.h  Plugins for the GPU of fake_gpu.h, right or wrong in one way. */
#ifndef CG_TESTS_FAKE_PLUGINS_H
#define CG_TESTS_FAKE_PLUGINS_H

#include <confgen/attention.h>
#include <confgen/cache.h>

/** What is wrong: 0 nothing, else as the sources say. */
extern int fake_mutant;

extern const cg_attention_ops fake_attention;

/** The cache of the CPU behind fake_cache(). */
extern const cg_cache_ops *fake_cache_base;
cg_cache_ops fake_cache(void);

#endif
