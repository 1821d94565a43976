/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <confgen/build_info.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/append_file.h"
#include "base/error.h"
#include "base/whole_file.h"

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

cg_request *copy_requests(const cg_requests *list, int64_t n, int32_t gens)
{
    cg_request *copy = malloc((size_t)n * sizeof *copy);

    if (!copy)
        out_of_memory();
    for (int64_t i = 0; i < n; i++) {
        copy[i] = (cg_request) { CG_SIZED(cg_request) };
        cg_requests_get(list, i, &copy[i]);
        copy[i].n_conformers = gens;
    }
    return copy;
}

cg_status read_bench_molecules(const char *file, int64_t limit,
                               void (*add)(void *ctx, const cg_input_record *record), void *ctx,
                               cg_error *err)
{
    char sample[PATH_MAX];
    cg_input *input = NULL;
    cg_input_record r;
    int64_t n = 0;
    int more = 1;
    cg_status st;

    if (!file) {
        CG_TRY(cg_data_path("geom_drugs_sample.smi", sample, sizeof sample, err));
        file = sample;
    }
    CG_TRY(cg_input_open(file, NULL, &input, err));
    while (!limit || n < limit) {
        CG_TRY_GOTO(st, cg_input_next(input, &r, &more, err), out);
        if (!more)
            break;
        if (r.status != CG_OK)
            continue;
        add(ctx, &r);
        n++;
    }
    if (!n)
        usage_error("--molecules '%s': contains no molecule", file);
    st = CG_OK;
out:
    cg_input_close(input);
    return st;
}

int32_t parse_gpu(const char *text)
{
    if (!strcmp(text, "cpu"))
        return -1;
    if (!strcmp(text, "cuda"))
        return 0;
    if (!strncmp(text, "cuda:", 5))
        return parse_int("--device cuda:", text + 5, 0, 1023);
    usage_error("--device '%s': wanted cpu, cuda or cuda:I", text);
}

void check_bench_json(const char *path)
{
    struct stat sb;

    if (path && !lstat(path, &sb) && !cg_is_stream(path))
        usage_error("--json '%s': exists, wanted a new file", path);
}

cg_status write_bench_json(const char *path, json_t *root, cg_error *err)
{
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    cg_status st;

    if (text)
        st = cg_file_write_whole(path, text, strlen(text), 1, err);
    else
        st = cg_fail(err, CG_ERR_IO, "--json '%s': a name is not UTF-8, or out of memory", path);
    free(text);
    json_decref(root);
    return st;
}
