/* SPDX-License-Identifier: MIT */
/** @file subject.h  A constraint plugin with a tokenizer, set up as in the engine. */
#ifndef CG_TESTS_SUBJECT_H
#define CG_TESTS_SUBJECT_H

#include <confgen/constraint.h>
#include <confgen/tokenizer.h>

#include "format/number_list.h"
#include "plugin/host.h"
#include "plugin/registry.h"
#include "model/config.h"
#include "template/template.h"

/** Must not move after subject_open(). */
typedef struct subject {
    const char *name; /* of the tokenizer: default, qwen3, llama3 */
    cg_plugin_host host;
    cg_registry *registry;
    cg_tokenizer *tokenizer;
    cg_vocabulary_adapter vocabulary;
    cg_format_config config;
    cg_text_format format;
    cg_number_list numbers; /* of the format */
    const cg_constraint_ops *ops;
    void *self;
    cg_checked_constraint *checked; /* of self */
    const cg_automaton *automaton;
    int32_t more_stop; /* of format.stop_tokens: the completion's first tag */
    cg_template_builder builder;
} subject;

/**
 * Opens tokenizer `name` and the constraint of the plugin file. Tokenizers: default and llama3 of
 * the source tree (CONFGEN_SOURCE_ROOT), qwen3 of the folder CONFGEN_SHARED, or the path of a
 * folder; with "+numbers" behind it, all listed numbers of the format are added tokens. Exits with
 * status 3 and a message on failure.
 *
 * @param format  a built-in format (format/conformer_format.h); NULL: that of the tokenizer's
 * model, decimals with 3 digits for default, 4 for others
 */
void subject_open(subject *s, const char *name, const char *format, const char *plugin,
                  const char *constraint);
void subject_close(subject *s);

/** Replaces the instance of the constraint by a new one. No program is left. */
void subject_renew(subject *s);

/** Reads a built-in format or an object that describes one. Exits as subject_open(). */
void subject_read_format(const char *text, cg_conformer_format *ret);

/** Creates another instance of the constraint; the caller destroys it. */
void *subject_create_instance(const subject *s);

/** Compiles `split` in instance `self`; NULL and a message in err if it is refused. */
cg_program *subject_compile(const subject *s, void *self, const cg_enriched_split *split,
                            cg_error *err);

/** Returns the path of `name` in the source tree; free(). */
char *source_path(const char *name);

/** Allocates n zeroed elements; exits with status 3 if out of memory. */
void *must_alloc(size_t n, size_t size);

#endif
