/* SPDX-License-Identifier: MIT */
/* A file of molecules in memory: cg_requests_read(). */
#include <confgen/confgen.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
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

int64_t cg_requests_get(const cg_requests *list, const cg_request **ret_items, int64_t *ret_skipped)
{
    *ret_items = list->items;
    if (ret_skipped)
        *ret_skipped = list->skipped;
    return (int64_t)list->n;
}
