/* SPDX-License-Identifier: MIT */
/*
 * Prints the ids of the prompt and of the greedy text that an engine writes after it, for
 * tools/check_checkpoints.py.
 *
 *   greedy_ids DIR SMILES N [--own-sampling] [--max-length L]
 *
 * Constraint `none`, float32 on the CPU, at most N new tokens. With --own-sampling the settings are
 * those of the model. Prints one JSON object: "prompt" [ids], "forced" (number of ids at the
 * beginning that were not chosen), "ids" [ids]. Ends with status 3 and the reason on standard error
 * if the engine refuses the model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

static struct cg_executor_ops hooked; /* the executor's own operations, two of them replaced */
static const struct cg_executor_ops *original;

static void print_ids(const char *name, const int32_t *ids, int32_t n)
{
    printf("\"%s\": [", name);
    for (int32_t i = 0; i < n; i++)
        printf("%s%d", i ? ", " : "", ids[i]);
    printf("]");
}

static cg_status begin_prompt(cg_executor *ex, int32_t prompt_slot, const int32_t *tokens,
                              int32_t n, cg_error *err)
{
    printf("{");
    print_ids("prompt", tokens, n);
    return original->begin_prompt(ex, prompt_slot, tokens, n, err);
}

static int collect(cg_executor *ex, cg_sequence_result *ret_result)
{
    int found = original->collect(ex, ret_result);

    if (found) {
        printf(", \"forced\": %d, ", ret_result->n_tokens - ret_result->n_sampled);
        print_ids("ids", ret_result->tokens, ret_result->n_tokens);
        printf("}\n");
    }
    return found;
}

static cg_status create_hooked(void *ctx, const cg_executor_config *config, cg_team *team,
                               cg_executor **ret_executor, cg_error *err)
{
    (void)ctx;
    CG_TRY(cg_executor_cpu_create(config, team, ret_executor, err));
    original = (*ret_executor)->ops;
    hooked = *original;
    hooked.begin_prompt = begin_prompt;
    hooked.collect = collect;
    (*ret_executor)->ops = &hooked;
    return CG_OK;
}

static void ignore_conformer(void *ctx, const cg_conformer *conformer)
{
    (void)ctx;
    (void)conformer;
}

static void print_log(void *ctx, int32_t level, const char *text)
{
    (void)ctx;
    if (level <= CG_LOG_WARNING)
        fprintf(stderr, "%s\n", text);
}

static int usage(void)
{
    fprintf(stderr, "usage: greedy_ids DIR SMILES N [--own-sampling] [--max-length L]\n");
    return 2;
}

int main(int argc, char **argv)
{
    cg_sampling greedy = { CG_SIZED(cg_sampling), .greedy = 1, .temperature = 1, .top_p = 1 };
    cg_engine_options options = {
        CG_SIZED(cg_engine_options), .batch_size = 1,   .threads = 1,
        .template_workers = 1,       .device = "cpu",   .dtype = "f32",
        .constraint = "none",        .geometry = "off", .log = print_log
    };
    cg_engine_test_hooks hooks = { .factory = { .create = create_hooked } };
    cg_request request = { CG_SIZED(cg_request), .n_conformers = 1 };
    cg_error err = CG_ERROR_INIT;
    cg_engine *engine = NULL;
    cg_status st;

    if (argc < 4)
        return usage();
    options.model = argv[1];
    request.smiles = argv[2];
    options.max_new_tokens = atoi(argv[3]);
    options.sampling = &greedy;
    for (int i = 4; i < argc; i++) {
        if (!strcmp(argv[i], "--own-sampling"))
            options.sampling = NULL;
        else if (!strcmp(argv[i], "--max-length") && i + 1 < argc)
            options.max_length = atoi(argv[++i]);
        else
            return usage();
    }
    st = cg_engine_open_with(&options, &hooks, &engine, &err);
    if (st == CG_OK)
        st = cg_engine_generate(engine, &request, 1, ignore_conformer, NULL, NULL, &err);
    cg_engine_close(engine);
    if (st != CG_OK)
        fprintf(stderr, "%s\n", err.msg);
    return st == CG_OK ? 0 : 3;
}
