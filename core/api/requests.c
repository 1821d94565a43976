/* SPDX-License-Identifier: MIT */
/* Molecules of a file in memory: cg_requests_read(). */
#include <confgen/confgen.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "io/input.h"

struct cg_requests {
    cg_request *items; /* their strings are owned */
    size_t n, cap;
    int64_t skipped;
};

static cg_status add(cg_requests *list, const cg_input_record *r, int32_t n_conformers,
                     cg_error *err)
{
    cg_request *item;

    if (cg_grow((void **)&list->items, &list->cap, list->n + 1, sizeof *list->items))
        return cg_fail(err, CG_ERR_NOMEM, "molecules: out of memory");
    item = &list->items[list->n++];
    *item = (cg_request) {
        CG_SIZED(cg_request),        .n_conformers = n_conformers, .index = (uint64_t)r->index,
        .smiles = strdup(r->smiles), .name = strdup(r->name),
    };
    return item->smiles && item->name ? CG_OK
                                      : cg_fail(err, CG_ERR_NOMEM, "molecules: out of memory");
}

cg_status cg_requests_read(const char *path, int64_t limit, int32_t n_conformers,
                           cg_requests **ret_requests, cg_error *err)
{
    cg_requests *list = calloc(1, sizeof *list);
    cg_input *input = NULL;
    cg_input_record r;
    int more = 1;
    cg_status status;

    if (!list)
        return cg_fail(err, CG_ERR_NOMEM, "molecules: out of memory");
    status = cg_input_open(path, NULL, &input, err);
    while (status == CG_OK && (!limit || (int64_t)list->n < limit)) {
        status = cg_input_next(input, &r, &more, err);
        if (status != CG_OK || !more)
            break;
        if (r.status != CG_OK)
            list->skipped++;
        else
            status = add(list, &r, n_conformers, err);
    }
    cg_input_close(input);
    if (status != CG_OK) {
        cg_requests_free(list);
        return status;
    }
    *ret_requests = list;
    return CG_OK;
}

void cg_requests_free(cg_requests *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->n; i++) {
        free((char *)list->items[i].smiles);
        free((char *)list->items[i].name);
    }
    free(list->items);
    free(list);
}

int64_t cg_requests_get(const cg_requests *list, const cg_request **ret_items, int64_t *ret_skipped)
{
    *ret_items = list->items;
    if (ret_skipped)
        *ret_skipped = list->skipped;
    return (int64_t)list->n;
}
