/* SPDX-License-Identifier: MIT */
/** @file limits.h  Bounds shared by the engine, its options, its files and the command line. */
#ifndef CONFGEN_LIMITS_H
#define CONFGEN_LIMITS_H

/** Bounds. */
enum {
    CG_MAX_BATCH = 65536,         /* sequences decoded at once by one executor */
    CG_MAX_STEP_TOKENS = 1 << 20, /* token budget of a step */
    CG_MAX_THREADS = 4096,        /* of the decoder, and of the template workers */
    CG_MAX_CONTEXT = 4096,        /* default bound of a sequence, prompt included, in tokens: a
                                     static cache reserves as much for every slot */
    CG_MAX_RETRIES = 1000000,     /* further samples of one failed conformer */
    CG_MAX_GPUS = 16,             /* used by one engine */
    CG_MAX_CHECKS = 16,           /* array size for geometry checks (cg_check_describe()) */
    CG_MAX_CAUSES = 16,           /* array size for fault causes (cg_fault_describe()) */
};

/** cg_engine_options.prompt_step_tokens: values other than a number of tokens. */
enum {
    CG_PROMPT_STEPS_AUTO = 0, /* derived on a GPU, where attention supports it; off on the CPU */
    CG_PROMPT_STEPS_OFF = -1, /* prompts are part of the steps of sequences */
};

#endif
