/* SPDX-License-Identifier: MIT */
/*
 * Decodes conformers with an FSQ decoder:  fsq_coordinates FOLDER [cpu|cuda|cuda-tf32|cuda-bf16] <
 * LINES
 *
 * A line is a SMILES text with its atoms in brackets, followed by a code for each of its tokens,
 * all separated by blanks. For each line the coordinates of its tokens are printed, a token a line.
 * All lines are one batch. Standard error says how long the second run of the batch took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/size.h"
#include "cuda_loader/cuda_module.h"
#include "fsq/fsq_tokens.h"

static struct {
    int32_t *start, *token, *code;
    int32_t n, rows;
    size_t cap_start, cap_token, cap_code;
} all;

static int die(const cg_error *err)
{
    fprintf(stderr, "fsq_coordinates: %s\n", err->msg);
    return 1;
}

static cg_status read_line(const cg_fsq_model *model, char *line, cg_error *err)
{
    char *smiles = strtok(line, " \n"), *word;
    int32_t *ids = NULL, n = 0;

    CG_TRY(cg_fsq_tokenize(model, smiles, strlen(smiles), &ids, &n, err));
    if (cg_grow((void **)&all.start, &all.cap_start, (size_t)all.n + 2, sizeof *all.start) ||
        cg_grow((void **)&all.token, &all.cap_token, (size_t)(all.rows + n), sizeof *all.token) ||
        cg_grow((void **)&all.code, &all.cap_code, (size_t)(all.rows + n), sizeof *all.code))
        abort();
    for (int32_t i = 0; i < n; i++) {
        word = strtok(NULL, " \n");
        all.token[all.rows + i] = ids[i];
        all.code[all.rows + i] = word ? atoi(word) : -1;
    }
    free(ids);
    all.start[all.n] = all.rows;
    all.rows += n;
    all.start[++all.n] = all.rows;
    return CG_OK;
}

int main(int argc, char **argv)
{
    const char *device = argc > 2 ? argv[2] : "cpu";
    cg_fsq_decoder_config config = { .max_rows = 4096, .dtype = CG_F32 };
    cg_error err = CG_ERROR_INIT;
    cg_fsq_model *model = NULL;
    cg_fsq_decoder *decoder = NULL;
    cg_team *team = NULL;
    float(*xyz)[3];
    char *line = NULL;
    size_t cap = 0;
    double start;
    cg_status st;

    if (argc < 2)
        return 2;
    if (cg_fsq_model_open(argv[1], &model, &err) != CG_OK)
        return die(&err);
    while (getline(&line, &cap, stdin) > 0)
        if (read_line(model, line, &err) != CG_OK)
            return die(&err);
    config.model = model;
    if (!strcmp(device, "cuda-bf16"))
        config.dtype = CG_BF16;
    config.tf32 = !strcmp(device, "cuda-tf32");
    if (strcmp(device, "cpu"))
        st = cg_cuda_loader_create_fsq_decoder(&config, &decoder, &err);
    else if ((st = cg_team_create(cg_cpu_count(), &team, &err)) == CG_OK)
        st = cg_fsq_decoder_cpu_create(&config, team, &decoder, &err);
    xyz = calloc((size_t)all.rows + 1, sizeof *xyz);
    if (st != CG_OK ||
        cg_fsq_decoder_run(decoder, &(cg_fsq_batch) { all.n, all.start, all.token, all.code }, xyz,
                           &err) != CG_OK)
        return die(&err);
    start = cg_now();
    if (cg_fsq_decoder_run(decoder, &(cg_fsq_batch) { all.n, all.start, all.token, all.code }, xyz,
                           &err) != CG_OK)
        return die(&err);
    fprintf(stderr, "%s: %d conformers, %d tokens, %.4f s\n", device, all.n, all.rows,
            cg_now() - start);
    for (int32_t t = 0; t < all.rows; t++)
        printf("%.9g %.9g %.9g\n", (double)xyz[t][0], (double)xyz[t][1], (double)xyz[t][2]);
    free(xyz);
    free(line);
    free(all.start);
    free(all.token);
    free(all.code);
    cg_fsq_decoder_destroy(decoder);
    cg_team_destroy(team);
    cg_fsq_model_close(model);
    return 0;
}
