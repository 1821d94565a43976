/* SPDX-License-Identifier: MIT */
/** @file subject.h  A constraint plugin over a tokenizer, put together as the engine does. */
#ifndef CG_TESTS_SUBJECT_H
#define CG_TESTS_SUBJECT_H

#include <confgen/constraint.h>
#include <confgen/tokenizer.h>

#include "plugin/host.h"
#include "plugin/registry.h"
#include "model/config.h"
#include "template/template.h"

/** Must not move once it is open. */
typedef struct subject {
    const char *name; /* of the tokenizer: default, qwen3, llama3 */
    cg_plugin_host host;
    cg_registry *registry;
    cg_tokenizer *tokenizer;
    cg_vocabulary_adapter vocabulary;
    cg_format_config config;
    cg_text_format format;
    const cg_constraint_ops *ops;
    void *self;
    const cg_automaton *automaton;
    cg_template_builder builder;
} subject;

/**
 * Tokenizer `name` under the source tree (CONFGEN_SOURCE_ROOT), or for qwen3 in the folder that
 * CONFGEN_SHARED names; with the number format of its model: 3 decimals for default, 4 for the
 * others. The constraint comes from the plugin file. Ends the program with status 3 and a sentence
 * if anything is missing.
 */
void subject_open(subject *s, const char *name, const char *plugin, const char *constraint);
void subject_close(subject *s);

/** Another instance of the same constraint; the caller destroys it. */
void *subject_another(const subject *s);

/** Compile split `split` in instance `self`; NULL and the text in err if it is refused. */
cg_program *subject_compile(const subject *s, void *self, const cg_enriched_split *split,
                            cg_error *err);

/** Path of `name` in the source tree, free(). */
char *source_path(const char *name);

/** malloc that ends the program instead of failing. */
void *must_alloc(size_t n, size_t size);

#endif
