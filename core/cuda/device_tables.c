/* SPDX-License-Identifier: MIT */
#include "device_tables.h"

#include <stdlib.h>
#include <string.h>

enum { RING = 8 << 20 }; /* bytes of pinned memory */

/* A program on the device, with the geometry of its molecule. */
struct device_program {
    const cg_program *key;
    int32_t users;
    int32_t *memory; /* entry, forced_start, forced_token */
    cg_program program;
    void *geometry_memory; /* NULL without geometry */
    cg_geometry geometry;
    struct device_program *next;
};

struct cg_device_tables {
    const cg_automaton *host;
    cg_automaton device; /* points into the arrays below */
    int32_t *row, *token, *next, *head_row, *head_token;
    int32_t n_states, n_transitions, n_head_rows; /* copied so far */
    cudaStream_t stream;
    char *ring;
    size_t ring_used;
    struct device_program *programs;
};

static cg_status alloc_array(int64_t n, int32_t **ret, cg_error *err)
{
    return CG_CUDA(cudaMalloc((void **)ret, (size_t)n * sizeof **ret), err);
}

cg_status cg_device_tables_create(const cg_automaton *automaton, cudaStream_t stream,
                                  cg_device_tables **ret_tables, cg_error *err)
{
    cg_device_tables *t = calloc(1, sizeof *t);
    int64_t n_transitions = automaton->capacity_transitions;
    cg_status st;

    if (!t)
        return cg_fail_nomem(err, "automaton");
    t->host = automaton;
    t->stream = stream;
    CG_TRY_GOTO(st, CG_CUDA(cudaHostAlloc((void **)&t->ring, RING, cudaHostAllocPortable), err),
                out);
    CG_TRY_GOTO(st, alloc_array((int64_t)automaton->capacity_states + 1, &t->row, err), out);
    CG_TRY_GOTO(st, alloc_array(n_transitions, &t->token, err), out);
    CG_TRY_GOTO(st, alloc_array(n_transitions, &t->next, err), out);
    CG_TRY_GOTO(st, alloc_array(n_transitions, &t->head_row, err), out);
    CG_TRY_GOTO(st, alloc_array(automaton->capacity_head_rows, &t->head_token, err), out);
    t->device = *automaton;
    t->device.row = t->row;
    t->device.token = t->token;
    t->device.next = t->next;
    t->device.head_row = t->head_row;
    t->device.head_token = t->head_token;
    *ret_tables = t;
    t = NULL;
out:
    cg_device_tables_destroy(t);
    return st;
}

void cg_device_tables_destroy(cg_device_tables *t)
{
    if (!t)
        return;
    cudaStreamSynchronize(t->stream);
    while (t->programs) {
        struct device_program *next = t->programs->next;

        cudaFree(t->programs->memory);
        cudaFree(t->programs->geometry_memory);
        free(t->programs);
        t->programs = next;
    }
    cudaFree(t->row);
    cudaFree(t->token);
    cudaFree(t->next);
    cudaFree(t->head_row);
    cudaFree(t->head_token);
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
    bytes = (bytes + 255) / 256 * 256;
    if (bytes > RING)
        return cg_fail(err, CG_ERR_LIMIT, "%zu bytes to stage at a time, wanted at most %d", bytes,
                       RING);
    if (t->ring_used + bytes > RING) {
        CG_TRY(CG_CUDA(cudaStreamSynchronize(t->stream), err));
        t->ring_used = 0;
    }
    *ret_ptr = t->ring + t->ring_used;
    t->ring_used += bytes;
    return CG_OK;
}

/* Queues the copy of elements [from, to) of an array. */
static cg_status copy_range(cg_device_tables *t, int32_t *dst, const int32_t *src, int64_t from,
                            int64_t to, cg_error *err)
{
    enum { CHUNK = RING / 8 }; /* elements; half of the ring */

    for (int64_t i = from; i < to; i += CHUNK) {
        size_t bytes = (size_t)(to - i < CHUNK ? to - i : CHUNK) * sizeof *src;
        void *staged;

        CG_TRY(cg_device_tables_stage(t, bytes, &staged, err));
        memcpy(staged, src + i, bytes);
        CG_TRY(CG_CUDA(cudaMemcpyAsync(dst + i, staged, bytes, cudaMemcpyHostToDevice, t->stream),
                       err));
    }
    return CG_OK;
}

/* Extends the automaton's copy as far as `p` needs it. */
static cg_status extend_automaton(cg_device_tables *t, const cg_program *p, cg_error *err)
{
    const cg_automaton *h = t->host;

    if (p->n_states > t->n_states) {
        CG_TRY(copy_range(t, t->row, h->row, t->n_states, (int64_t)p->n_states + 1, err));
        t->n_states = p->n_states;
    }
    if (p->n_transitions > t->n_transitions) {
        CG_TRY(copy_range(t, t->token, h->token, t->n_transitions, p->n_transitions, err));
        CG_TRY(copy_range(t, t->next, h->next, t->n_transitions, p->n_transitions, err));
        CG_TRY(copy_range(t, t->head_row, h->head_row, t->n_transitions, p->n_transitions, err));
        t->n_transitions = p->n_transitions;
    }
    if (p->n_head_rows > t->n_head_rows) {
        CG_TRY(copy_range(t, t->head_token, h->head_token, t->n_head_rows, p->n_head_rows, err));
        t->n_head_rows = p->n_head_rows;
    }
    return CG_OK;
}

static cg_status upload_program(cg_device_tables *t, struct device_program *d, cg_error *err)
{
    const cg_program *p = d->key;
    int64_t n_entry = p->n_fields, n_start = (int64_t)p->n_fields + 2;
    int64_t n_token = p->forced_start[p->n_fields + 1];
    size_t bytes = (size_t)(n_entry + n_start + n_token + 1) * sizeof *d->memory;

    CG_TRY(CG_CUDA(cudaMallocAsync((void **)&d->memory, bytes, t->stream), err));
    CG_TRY(copy_range(t, d->memory, p->entry, 0, n_entry, err));
    CG_TRY(copy_range(t, d->memory + n_entry, p->forced_start, 0, n_start, err));
    CG_TRY(copy_range(t, d->memory + n_entry + n_start, p->forced_token, 0, n_token, err));
    d->program = *p;
    d->program.entry = d->memory;
    d->program.forced_start = d->memory + n_entry;
    d->program.forced_token = d->memory + n_entry + n_start;
    return CG_OK;
}

static cg_status upload_geometry(cg_device_tables *t, struct device_program *d,
                                 const cg_geometry *g, cg_error *err)
{
    size_t bytes = cg_geometry_size(g->n_atoms, g->n_tests, g->n_core > 0);

    CG_TRY(CG_CUDA(cudaMallocAsync(&d->geometry_memory, bytes, t->stream), err));
    d->geometry = *g;
    cg_geometry_bind(&d->geometry, d->geometry_memory);
    /* the tests are the first array of the block */
    return copy_range(t, d->geometry_memory, (const int32_t *)(const void *)g->tests, 0,
                      (int64_t)(bytes / sizeof(int32_t)), err);
}

static void destroy_program(cg_device_tables *t, struct device_program *d)
{
    if (d->memory)
        cudaFreeAsync(d->memory, t->stream);
    if (d->geometry_memory)
        cudaFreeAsync(d->geometry_memory, t->stream);
    free(d);
}

static cg_status create_program(cg_device_tables *t, const cg_program *program,
                                const cg_geometry *geometry, struct device_program **ret_program,
                                cg_error *err)
{
    struct device_program *d = calloc(1, sizeof *d);
    cg_status st;

    if (!d)
        return cg_fail_nomem(err, "program");
    d->key = program;
    st = upload_program(t, d, err);
    if (st == CG_OK && geometry)
        st = upload_geometry(t, d, geometry, err);
    if (st != CG_OK) {
        destroy_program(t, d);
        return st;
    }
    *ret_program = d;
    return CG_OK;
}

cg_status cg_device_tables_use(cg_device_tables *t, const cg_program *program,
                               const cg_geometry *geometry, cg_program *ret_program,
                               cg_geometry *ret_geometry, cg_error *err)
{
    struct device_program *d;

    CG_TRY(extend_automaton(t, program, err));
    for (d = t->programs; d && d->key != program; d = d->next)
        ;
    if (!d) {
        CG_TRY(create_program(t, program, geometry, &d, err));
        d->next = t->programs;
        t->programs = d;
    }
    d->users++;
    *ret_program = d->program;
    *ret_geometry = d->geometry;
    return CG_OK;
}

void cg_device_tables_drop(cg_device_tables *t, const cg_program *program)
{
    for (struct device_program **at = &t->programs; *at; at = &(*at)->next)
        if ((*at)->key == program) {
            struct device_program *d = *at;

            if (--d->users)
                return;
            *at = d->next;
            destroy_program(t, d);
            return;
        }
}
