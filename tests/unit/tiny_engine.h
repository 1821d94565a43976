/* SPDX-License-Identifier: MIT */
/** @file tiny_engine.h  An engine over a tiny model of random weights. Test code only. */
#ifndef CG_TEST_TINY_ENGINE_H
#define CG_TEST_TINY_ENGINE_H

#include <confgen/confgen.h>

#include "scratch.h"

/* Formats a command line and runs it in the shell; it must succeed. */
static inline void shell(const char *fmt, ...)
{
    char line[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    ck_assert_msg(system(line) == 0, "%s", line);
}

/* Writes the tiny model to the folder "model" of the scratch directory, by the program WRITE_MODEL.
 */
static inline void write_tiny_model(void)
{
    const char *source = getenv("CONFGEN_SOURCE_ROOT"), *program = getenv("WRITE_MODEL");

    ck_assert_msg(source && program, "CONFGEN_SOURCE_ROOT and WRITE_MODEL must be set");
    shell("mkdir '%s/model' && '%s' '%s/model' && cp '%s/data/confgen-default/tokenizer.json' "
          "'%s/data/confgen-default/tokenizer_config.json' "
          "'%s/data/confgen-default/confgen.json' '%s/model'",
          scratch_dir, program, scratch_dir, source, source, source, scratch_dir);
}

static inline cg_engine *open_tiny_engine(int32_t batch_size, int32_t max_new_tokens,
                                          const char *constraint)
{
    cg_engine_options options = { CG_SIZED(cg_engine_options),
                                  .batch_size = batch_size,
                                  .threads = 2,
                                  .template_workers = 2,
                                  .max_new_tokens = max_new_tokens,
                                  .constraint = constraint,
                                  .token_cache = 1,
                                  .geometry = "off", /* random weights give no valid geometry */
                                  .seed = 3 };
    cg_error err = CG_ERROR_INIT;
    cg_engine *engine = NULL;
    const char *model = scratch_path("model");

    options.model = model;
    ck_assert_msg(cg_engine_open(&options, &engine, &err) == CG_OK, "%s", err.msg);
    return engine;
}

#endif
