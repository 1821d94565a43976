/* SPDX-License-Identifier: MIT */
#include "device_tables.h"

#include <stdlib.h>
#include <string.h>

enum { RING = 8 << 20 }; /* bytes of pinned memory */

/* A program on the device and its users. */
struct entry {
    const cg_program *key;
    int32_t users;
    int32_t *memory; /* entry, forced_start, forced_token */
    cg_program program;
    void *geometry_memory; /* NULL without */
    cg_geometry geometry;
    struct entry *next;
};

struct cg_device_tables {
    const cg_automaton *host;
    cg_automaton device;
    cudaStream_t stream;
    char *ring;
    size_t ring_used;
    int32_t n_states, n_transitions, n_head_rows; /* on the device */
    struct entry *entries;
};

static cg_status make_array(int64_t n, const int32_t **ret, cg_error *err)
{
    void *p = NULL;
    cg_status status = CG_CUDA(cudaMalloc(&p, (size_t)n * sizeof(int32_t)), err);

    if (status == CG_OK)
        *ret = p;
    return status;
}

cg_status cg_device_tables_create(const cg_automaton *automaton, cudaStream_t stream,
                                  cg_device_tables **ret_tables, cg_error *err)
{
    cg_device_tables *t = calloc(1, sizeof *t);
    cg_automaton *d;
    cg_status status;

    if (!t)
        return cg_fail(err, CG_ERR_NOMEM, "automaton: out of memory");
    t->host = automaton;
    t->stream = stream;
    t->device = *automaton;
    d = &t->device;
    d->row = d->token = d->next = d->head_row = d->head_token = NULL;
    status = CG_CUDA(cudaHostAlloc((void **)&t->ring, RING, cudaHostAllocPortable), err);
    if (status == CG_OK)
        status = make_array((int64_t)d->capacity_states + 1, &d->row, err);
    if (status == CG_OK)
        status = make_array(d->capacity_transitions, &d->token, err);
    if (status == CG_OK)
        status = make_array(d->capacity_transitions, &d->next, err);
    if (status == CG_OK)
        status = make_array(d->capacity_transitions, &d->head_row, err);
    if (status == CG_OK)
        status = make_array(d->capacity_head_rows, &d->head_token, err);
    if (status != CG_OK) {
        cg_device_tables_destroy(t);
        return status;
    }
    *ret_tables = t;
    return CG_OK;
}

void cg_device_tables_destroy(cg_device_tables *t)
{
    if (!t)
        return;
    cudaStreamSynchronize(t->stream);
    while (t->entries) {
        struct entry *next = t->entries->next;

        cudaFree(t->entries->memory);
        cudaFree(t->entries->geometry_memory);
        free(t->entries);
        t->entries = next;
    }
    cudaFree((void *)t->device.row);
    cudaFree((void *)t->device.token);
    cudaFree((void *)t->device.next);
    cudaFree((void *)t->device.head_row);
    cudaFree((void *)t->device.head_token);
    if (t->ring)
        cudaFreeHost(t->ring);
    free(t);
}

const cg_automaton *cg_device_tables_automaton(const cg_device_tables *t)
{
    return &t->device;
}

cg_status cg_device_tables_stage(cg_device_tables *t, size_t bytes, void **ret_ptr, cg_error *err)
{
    cg_status status = CG_OK;

    bytes = (bytes + 255) / 256 * 256;
    if (bytes > RING)
        return cg_fail(err, CG_ERR_LIMIT, "%zu bytes to stage at a time, at most %d", bytes, RING);
    if (t->ring_used + bytes > RING) {
        status = CG_CUDA(cudaStreamSynchronize(t->stream), err);
        t->ring_used = 0;
    }
    if (status == CG_OK) {
        *ret_ptr = t->ring + t->ring_used;
        t->ring_used += bytes;
    }
    return status;
}

/* Queue entries [from, to) of an array. */
static cg_status copy_range(cg_device_tables *t, const int32_t *dst, const int32_t *src,
                            int64_t from, int64_t to, cg_error *err)
{
    enum { PIECE = RING / 8 }; /* entries */
    cg_status status = CG_OK;

    for (int64_t i = from; i < to && status == CG_OK; i += PIECE) {
        size_t bytes = (size_t)(to - i < PIECE ? to - i : PIECE) * sizeof *src;
        void *staged;

        status = cg_device_tables_stage(t, bytes, &staged, err);
        if (status != CG_OK)
            return status;
        memcpy(staged, src + i, bytes);
        status = CG_CUDA(
            cudaMemcpyAsync((int32_t *)dst + i, staged, bytes, cudaMemcpyHostToDevice, t->stream),
            err);
    }
    return status;
}

/* Complete the automaton's copy as far as `p` needs it. */
static cg_status complete(cg_device_tables *t, const cg_program *p, cg_error *err)
{
    const cg_automaton *h = t->host, *d = &t->device;
    cg_status status = CG_OK;

    if (p->n_states > t->n_states) {
        status = copy_range(t, d->row, h->row, t->n_states, (int64_t)p->n_states + 1, err);
        if (status != CG_OK)
            return status;
        t->n_states = p->n_states;
    }
    if (p->n_transitions > t->n_transitions) {
        status = copy_range(t, d->token, h->token, t->n_transitions, p->n_transitions, err);
        if (status == CG_OK)
            status = copy_range(t, d->next, h->next, t->n_transitions, p->n_transitions, err);
        if (status == CG_OK)
            status =
                copy_range(t, d->head_row, h->head_row, t->n_transitions, p->n_transitions, err);
        if (status != CG_OK)
            return status;
        t->n_transitions = p->n_transitions;
    }
    if (p->n_head_rows > t->n_head_rows) {
        status = copy_range(t, d->head_token, h->head_token, t->n_head_rows, p->n_head_rows, err);
        if (status == CG_OK)
            t->n_head_rows = p->n_head_rows;
    }
    return status;
}

static cg_status upload(cg_device_tables *t, struct entry *e, cg_error *err)
{
    const cg_program *p = e->key;
    int64_t n_entry = p->n_fields, n_start = (int64_t)p->n_fields + 2;
    int64_t n_token = p->forced_start[p->n_fields + 1];
    cg_status status = CG_CUDA(
        cudaMallocAsync((void **)&e->memory,
                        (size_t)(n_entry + n_start + n_token + 1) * sizeof(int32_t), t->stream),
        err);

    if (status == CG_OK)
        status = copy_range(t, e->memory, p->entry, 0, n_entry, err);
    if (status == CG_OK)
        status = copy_range(t, e->memory + n_entry, p->forced_start, 0, n_start, err);
    if (status == CG_OK)
        status = copy_range(t, e->memory + n_entry + n_start, p->forced_token, 0, n_token, err);
    if (status != CG_OK)
        return status;
    e->program = *p;
    e->program.entry = e->memory;
    e->program.forced_start = e->memory + n_entry;
    e->program.forced_token = e->memory + n_entry + n_start;
    return CG_OK;
}

static cg_status upload_geometry(cg_device_tables *t, struct entry *e, const cg_geometry *g,
                                 cg_error *err)
{
    size_t bytes = cg_geometry_size(g->n_atoms, g->n_tests);
    cg_status status = CG_CUDA(cudaMallocAsync(&e->geometry_memory, bytes, t->stream), err);

    if (status != CG_OK)
        return status;
    e->geometry = *g;
    cg_geometry_bind(&e->geometry, e->geometry_memory);
    /* the block begins with the tests */
    return copy_range(t, e->geometry_memory, (const int32_t *)(const void *)g->tests, 0,
                      (int64_t)(bytes / sizeof(int32_t)), err);
}

static void free_entry(cg_device_tables *t, struct entry *e)
{
    if (e->memory)
        cudaFreeAsync(e->memory, t->stream);
    if (e->geometry_memory)
        cudaFreeAsync(e->geometry_memory, t->stream);
    free(e);
}

cg_status cg_device_tables_use(cg_device_tables *t, const cg_program *program,
                               const cg_geometry *geometry, cg_program *ret_program,
                               cg_geometry *ret_geometry, cg_error *err)
{
    struct entry *e;
    cg_status status = complete(t, program, err);

    if (status != CG_OK)
        return status;
    for (e = t->entries; e && e->key != program; e = e->next)
        ;
    if (!e) {
        e = calloc(1, sizeof *e);
        if (!e)
            return cg_fail(err, CG_ERR_NOMEM, "program: out of memory");
        e->key = program;
        status = upload(t, e, err);
        if (status == CG_OK && geometry)
            status = upload_geometry(t, e, geometry, err);
        if (status != CG_OK) {
            free_entry(t, e);
            return status;
        }
        e->next = t->entries;
        t->entries = e;
    }
    e->users++;
    *ret_program = e->program;
    *ret_geometry = e->geometry;
    return CG_OK;
}

void cg_device_tables_drop(cg_device_tables *t, const cg_program *program)
{
    for (struct entry **at = &t->entries; *at; at = &(*at)->next)
        if ((*at)->key == program) {
            struct entry *e = *at;

            if (--e->users)
                return;
            *at = e->next;
            free_entry(t, e);
            return;
        }
}
