/* SPDX-License-Identifier: MIT */
/* confgen bench decode|attention|tokenizer|templates; and what they share. */
#include <stdlib.h>
#include <time.h>

#include "bench.h"

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void samples_add(struct samples *s, double value)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->values = realloc(s->values, s->cap * sizeof *s->values);
        if (!s->values)
            out_of_memory();
    }
    s->values[s->n++] = value;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double samples_median(const struct samples *s)
{
    double *sorted, median;

    if (!s->n)
        return 0;
    sorted = malloc(s->n * sizeof *sorted);
    if (!sorted)
        out_of_memory();
    for (size_t i = 0; i < s->n; i++)
        sorted[i] = s->values[i];
    qsort(sorted, s->n, sizeof *sorted, ascending);
    median = s->n % 2 ? sorted[s->n / 2] : 0.5 * (sorted[s->n / 2 - 1] + sorted[s->n / 2]);
    free(sorted);
    return median;
}

void samples_finish(struct samples *s)
{
    free(s->values);
    *s = (struct samples) { 0 };
}

static const char help[] =
    "confgen bench decode      tokens/s and conformers/s, constrained and not\n"
    "confgen bench attention   attention plugins against each other and the memory\n"
    "confgen bench tokenizer   tokens/s, with and without the cache\n"
    "confgen bench templates   molecules/s before the model is asked\n"
    "\n"
    "Each takes --help. All cells of a table are measured in turn in one process, several times\n"
    "over; what is printed are medians, so that a noisy neighbour meets all cells alike.\n";

int cmd_bench(int argc, char **argv)
{
    static const struct command commands[] = {
        { "decode", bench_decode },
        { "attention", bench_attention },
        { "tokenizer", bench_tokenizer },
        { "templates", bench_templates },
    };

    command_name = "bench";
    return run_command(argc, argv, commands, sizeof commands / sizeof commands[0], help);
}
