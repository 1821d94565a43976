/* SPDX-License-Identifier: MIT */
/** @file model_texts.h  Molecules of many kinds in the text format of a model, for constraints. */
#ifndef CG_TOOLS_MODEL_TEXTS_H
#define CG_TOOLS_MODEL_TEXTS_H

#include <confgen/constraint.h>

/** Must not move. Zero first; model_texts_close() releases. */
struct model_texts {
    const cg_vocabulary *vocabulary;
    cg_text_format format;
    cg_literals *molecules; /* [n] */
    const char **smiles;    /* [n] */
    int32_t n;              /* molecules that the format can write */
    char name[512];         /* folder and format, for messages */
    struct model_texts_parts *parts;
};

/**
 * Reads tokenizer and text format of a model folder; not its weights.
 *
 * @param model  NULL: the default model; if there is none, or a bad one, *texts has no molecules
 * @return CG_OK; as cg_format_config_read() and cg_tokenizer_load(). On failure *texts is zero.
 */
cg_status model_texts_open(const char *model, struct model_texts *texts, cg_error *err);
void model_texts_close(struct model_texts *texts);

#endif
