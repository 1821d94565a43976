/* SPDX-License-Identifier: MIT */
/*
 * Prints the distribution that a token is sampled from, for tools/compare_sampling.py.
 *
 *   sampler_weights presets
 *   sampler_weights cpu|block GREEDY T K P M COLUMNS < logits > probabilities
 *
 * presets: a line per preset: name, greedy, temperature, top-k, top-p, min-p.
 * Input: rows of COLUMNS float32; output: as many float64, 0 for an excluded candidate. `block` is
 * the code of the GPU, one block of it run on the host.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/sampler.h"
#include "sampler_block.h"

static void print_presets(void)
{
    cg_sampling s = { CG_SIZED(cg_sampling) };
    const char *name;

    for (int32_t i = 0; (name = cg_sampling_preset_name(i)) != NULL; i++) {
        cg_sampling_preset_get(name, &s, NULL);
        printf("%s %d %.17g %d %.17g %.17g\n", name, s.greedy, s.temperature, s.top_k, s.top_p,
               s.min_p);
    }
}

static void distribution(int by_block, const cg_sampling *s, const float *logits, int32_t n,
                         double *ret_p)
{
    static cg_sampler_scratch scratch;
    double total = 0;
    int32_t index;

    if (s->greedy) {
        index = 0;
        if (by_block)
            index = sample_by_block(s, logits, n, 0, 0);
        else if (cg_sample(s, logits, n, 0, &scratch, &index) != CG_OK)
            exit(3);
        memset(ret_p, 0, (size_t)n * sizeof *ret_p);
        ret_p[index] = 1;
        return;
    }
    if (by_block) {
        weights_by_block(s, logits, n, ret_p);
        for (int32_t i = 0; i < n; i++)
            total += ret_p[i];
    } else {
        if (cg_sampling_weights(s, logits, n, &scratch, &total) != CG_OK)
            exit(3);
        for (int32_t i = 0; i < n; i++)
            ret_p[i] = (double)scratch.p[i];
    }
    for (int32_t i = 0; i < n; i++)
        ret_p[i] /= total;
}

int main(int argc, char **argv)
{
    cg_sampling s = { sizeof s, 0, 0, 0, 0, 0 };
    int32_t n;
    float *logits;
    double *p;

    if (argc == 2 && !strcmp(argv[1], "presets")) {
        print_presets();
        return 0;
    }
    if (argc != 8) {
        fputs("usage: sampler_weights presets | cpu|block GREEDY T K P M COLUMNS\n", stderr);
        return 2;
    }
    s.greedy = atoi(argv[2]);
    s.temperature = strtod(argv[3], NULL);
    s.top_k = atoi(argv[4]);
    s.top_p = strtod(argv[5], NULL);
    s.min_p = strtod(argv[6], NULL);
    n = atoi(argv[7]);
    logits = malloc((size_t)n * sizeof *logits);
    p = malloc((size_t)n * sizeof *p);
    while (fread(logits, sizeof *logits, (size_t)n, stdin) == (size_t)n) {
        distribution(!strcmp(argv[1], "block"), &s, logits, n, p);
        fwrite(p, sizeof *p, (size_t)n, stdout);
    }
    free(logits);
    free(p);
    return 0;
}
