/* SPDX-License-Identifier: MIT */
/* Molecules as requests: a file in memory (cg_requests_read()), arrays of an application. */
#include "api/requests.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/sized_struct.h"
#include "io/input.h"

/* Owner of the strings of the request with the same index. */
struct texts {
    char *smiles, *name;
};

struct cg_requests {
    cg_request *items;   /* [n] */
    struct texts *texts; /* [n] */
    size_t n, items_cap, texts_cap;
    int64_t skipped;
};

static cg_status add(cg_requests *list, const cg_input_record *r, int32_t n_conformers,
                     cg_error *err)
{
    struct texts *t;

    if (cg_grow((void **)&list->items, &list->items_cap, list->n + 1, sizeof *list->items) ||
        cg_grow((void **)&list->texts, &list->texts_cap, list->n + 1, sizeof *list->texts))
        return cg_fail_nomem(err, "molecules");
    t = &list->texts[list->n];
    *t = (struct texts) { strdup(r->smiles), strdup(r->name) };
    list->items[list->n++] = (cg_request) {
        CG_SIZED(cg_request),
        .n_conformers = n_conformers,
        .index = (uint64_t)r->index,
        .smiles = t->smiles,
        .name = t->name,
    };
    return t->smiles && t->name ? CG_OK : cg_fail_nomem(err, "molecules");
}

static cg_status read_all(cg_requests *list, cg_input *input, int64_t limit, int32_t n_conformers,
                          cg_error *err)
{
    cg_input_record r;
    int more = 1;

    while (!limit || (int64_t)list->n < limit) {
        CG_TRY(cg_input_next(input, &r, &more, err));
        if (!more)
            break;
        if (r.status != CG_OK)
            list->skipped++;
        else
            CG_TRY(add(list, &r, n_conformers, err));
    }
    return CG_OK;
}

cg_status cg_requests_read(const char *path, int64_t limit, int32_t n_conformers,
                           cg_requests **ret_requests, cg_error *err)
{
    cg_requests *list = calloc(1, sizeof *list);
    cg_input *input = NULL;
    cg_status st;

    if (!list)
        return cg_fail_nomem(err, "molecules");
    CG_TRY_GOTO(st, cg_input_open(path, NULL, &input, err), out);
    CG_TRY_GOTO(st, read_all(list, input, limit, n_conformers, err), out);
    *ret_requests = list;
    list = NULL;
out:
    cg_input_close(input);
    cg_requests_free(list);
    return st;
}

void cg_requests_free(cg_requests *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->n; i++) {
        free(list->texts[i].smiles);
        free(list->texts[i].name);
    }
    free(list->texts);
    free(list->items);
    free(list);
}

int64_t cg_requests_count(const cg_requests *list)
{
    return (int64_t)list->n;
}

int64_t cg_requests_skipped(const cg_requests *list)
{
    return list->skipped;
}

int32_t cg_requests_get(const cg_requests *list, int64_t i, cg_request *ret_request)
{
    if (i < 0 || i >= (int64_t)list->n)
        return 0;
    cg_fill_struct(ret_request, &list->items[i]);
    return 1;
}

const cg_request *cg_request_at(const cg_request *requests, int64_t i)
{
    return (const cg_request *)((const char *)requests + i * (int64_t)requests->struct_size);
}

cg_status cg_request_read(const cg_request *requests, int64_t i, cg_request *ret_request,
                          cg_error *err)
{
    const cg_request *given = cg_request_at(requests, i);
    cg_request r = { 0 };
    cg_status st = CG_SIZED_READ(cg_request, &r, given, err);

    if (st != CG_OK)
        return cg_fail_prefix(err, st, "request %" PRId64, i);
    if (given->struct_size != requests->struct_size)
        return cg_fail(err, CG_ERR_USAGE,
                       "request %" PRId64 ": struct_size is %u, wanted %u as in the first one", i,
                       given->struct_size, requests->struct_size);
    if (!r.smiles)
        return cg_fail(err, CG_ERR_USAGE, "request %" PRId64 ": found no SMILES, wanted one", i);
    *ret_request = r;
    return CG_OK;
}
