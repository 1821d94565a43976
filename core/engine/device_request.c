/* SPDX-License-Identifier: MIT */
#include "engine/device_request.h"

#include <string.h>

#include "base/error.h"

static cg_status unknown_device(const char *text, const char *why, cg_error *err)
{
    return cg_fail(err, CG_ERR_USAGE,
                   "device '%.200s'%s: wanted auto, cpu, cuda, cuda:I, cuda:I,J,... or cuda:all",
                   text, why);
}

/* Parses a list such as 0,2,3. */
static cg_status parse_list(const char *text, const char *list, cg_device_request *r, cg_error *err)
{
    for (const char *c = list;; c++) {
        int32_t gpu = 0;
        const char *digits = c;

        for (; *c >= '0' && *c <= '9' && c - digits < 4; c++)
            gpu = 10 * gpu + (*c - '0');
        if (c == digits || (*c && *c != ','))
            return unknown_device(text, "", err);
        for (int32_t i = 0; i < r->n; i++)
            if (r->gpus[i] == gpu)
                return unknown_device(text, " names a GPU twice", err);
        if (r->n == CG_MAX_GPUS)
            return cg_fail(err, CG_ERR_LIMIT, "device '%.200s': more than %d GPUs", text,
                           CG_MAX_GPUS);
        r->gpus[r->n++] = gpu;
        if (!*c)
            return CG_OK;
    }
}

cg_status cg_device_parse(const char *text, cg_device_request *ret_request, cg_error *err)
{
    cg_device_request r = { .kind = CG_REQUEST_CUDA,
                            .dtype = CG_DTYPE_AUTO,
                            .kv_dtype = CG_DTYPE_AUTO };

    if (!text || !strcmp(text, "auto")) {
        r.kind = CG_REQUEST_AUTO;
        r.n = 1;
    } else if (!strcmp(text, "cpu")) {
        r.kind = CG_REQUEST_CPU;
    } else if (!strcmp(text, "cuda")) {
        r.n = 1;
    } else if (!strcmp(text, "cuda:all")) {
        r.all = 1;
    } else if (!strncmp(text, "cuda:", 5)) {
        CG_TRY(parse_list(text, text + 5, &r, err));
    } else {
        return unknown_device(text, "", err);
    }
    *ret_request = r;
    return CG_OK;
}

cg_status cg_device_resolve(const cg_device_request *r, const char *text, int32_t n_gpus,
                            int32_t *ret_gpus, int32_t *ret_n, cg_error *err)
{
    if (n_gpus < 1)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "device '%.200s': the driver finds no GPU on this machine", text);
    if (r->all) {
        if (n_gpus > CG_MAX_GPUS)
            return cg_fail(err, CG_ERR_LIMIT,
                           "device '%.200s': this machine has %d GPUs, one run uses at most %d; "
                           "name them",
                           text, n_gpus, CG_MAX_GPUS);
        for (int32_t i = 0; i < n_gpus; i++)
            ret_gpus[i] = i;
        *ret_n = n_gpus;
        return CG_OK;
    }
    for (int32_t i = 0; i < r->n; i++) {
        if (r->gpus[i] >= n_gpus)
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "device '%.200s': found no GPU %d; this machine has %d, counted "
                           "from 0",
                           text, r->gpus[i], n_gpus);
        ret_gpus[i] = r->gpus[i];
    }
    *ret_n = r->n;
    return CG_OK;
}
