/* SPDX-License-Identifier: MIT */
/** @file engine.h  What an open engine holds; for the files of this room. */
#ifndef CG_ENGINE_ENGINE_H
#define CG_ENGINE_ENGINE_H

#include <confgen/confgen.h>

#include "base/pool.h"
#include "decode/executor.h"
#include "model/model.h"
#include "plugin/host.h"
#include "plugin/registry.h"
#include "template/template.h"

struct cg_engine {
    cg_engine_info info;
    char *model_dir;
    char reasons[4][256]; /* attention, KV cache, batch, constraint */
    cg_team *team;
    cg_plugin_host host;
    cg_registry *registry;
    const cg_plugin *attention, *cache, *constraint;
    cg_model *model;
    cg_tokenizer *tokenizer;
    cg_token_cache *token_cache;
    cg_vocabulary_adapter vocabulary;
    cg_text_format format;
    void *constraint_self;
    cg_template_builder builder;
    cg_executor *executor;
    int32_t n_prefixes;
};

#endif
