/* SPDX-License-Identifier: MIT */
#include "device_tables.h"

#include <stdlib.h>
#include <string.h>

enum { RING = 8 << 20 }; /* bytes of pinned memory */

/* A program on the device, with the geometry of its molecule. */
struct entry {
    const cg_program *key;
    int32_t users;
    int32_t *memory; /* entry, forced_start, forced_token */
    cg_program program;
    void *geometry_memory; /* NULL without geometry */
    cg_geometry geometry;
    struct entry *next;
};

struct cg_device_tables {
    const cg_automaton *host;
    cg_automaton device; /* points into the arrays below */
    int32_t *row, *token, *next, *head_row, *head_token;
    int32_t n_states, n_transitions, n_head_rows; /* copied so far */
    cudaStream_t stream;
    char *ring;
    size_t ring_used;
    struct entry *entries;
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
    while (t->entries) {
        struct entry *next = t->entries->next;

        cudaFree(t->entries->memory);
        cudaFree(t->entries->geometry_memory);
        free(t->entries);
        t->entries = next;
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

static cg_status upload_program(cg_device_tables *t, struct entry *e, cg_error *err)
{
    const cg_program *p = e->key;
    int64_t n_entry = p->n_fields, n_start = (int64_t)p->n_fields + 2;
    int64_t n_token = p->forced_start[p->n_fields + 1];
    size_t bytes = (size_t)(n_entry + n_start + n_token + 1) * sizeof *e->memory;

    CG_TRY(CG_CUDA(cudaMallocAsync((void **)&e->memory, bytes, t->stream), err));
    CG_TRY(copy_range(t, e->memory, p->entry, 0, n_entry, err));
    CG_TRY(copy_range(t, e->memory + n_entry, p->forced_start, 0, n_start, err));
    CG_TRY(copy_range(t, e->memory + n_entry + n_start, p->forced_token, 0, n_token, err));
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

    CG_TRY(CG_CUDA(cudaMallocAsync(&e->geometry_memory, bytes, t->stream), err));
    e->geometry = *g;
    cg_geometry_bind(&e->geometry, e->geometry_memory);
    /* the tests are the first array of the block */
    return copy_range(t, e->geometry_memory, (const int32_t *)(const void *)g->tests, 0,
                      (int64_t)(bytes / sizeof(int32_t)), err);
}

static void destroy_entry(cg_device_tables *t, struct entry *e)
{
    if (e->memory)
        cudaFreeAsync(e->memory, t->stream);
    if (e->geometry_memory)
        cudaFreeAsync(e->geometry_memory, t->stream);
    free(e);
}

static cg_status create_entry(cg_device_tables *t, const cg_program *program,
                              const cg_geometry *geometry, struct entry **ret_entry, cg_error *err)
{
    struct entry *e = calloc(1, sizeof *e);
    cg_status st;

    if (!e)
        return cg_fail_nomem(err, "program");
    e->key = program;
    st = upload_program(t, e, err);
    if (st == CG_OK && geometry)
        st = upload_geometry(t, e, geometry, err);
    if (st != CG_OK) {
        destroy_entry(t, e);
        return st;
    }
    *ret_entry = e;
    return CG_OK;
}

cg_status cg_device_tables_use(cg_device_tables *t, const cg_program *program,
                               const cg_geometry *geometry, cg_program *ret_program,
                               cg_geometry *ret_geometry, cg_error *err)
{
    struct entry *e;

    CG_TRY(extend_automaton(t, program, err));
    for (e = t->entries; e && e->key != program; e = e->next)
        ;
    if (!e) {
        CG_TRY(create_entry(t, program, geometry, &e, err));
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
            destroy_entry(t, e);
            return;
        }
}
