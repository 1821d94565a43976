/* SPDX-License-Identifier: MIT */
/*
 * Geometry of a slot, by all threads of a block: look at its atoms, and mend them. What
 * decode/cpu_atoms.c does on the host, with the same functions.
 */
#ifndef CG_CUDA_ATOMS_CUH
#define CG_CUDA_ATOMS_CUH

#include "step.h"

#include "sequence/relaxation.h"
#include "sequence/number_path.h"

typedef float point[3];

/* Work of a block: what a warp does for an atom in a round of placing is 1. */
enum {
    WORK_OF_TEXT = 8,     /* of an atom */
    WORK_OF_STEP = 8,     /* for a slot, while all slots are busy; */
    WORK_AT_MOST = 8 * 16 /* the fewer others would have to wait, the more */
};

/* Shared by the block. */
struct look {
    cg_sequence seq;
    cg_repair_progress progress;
    cg_number_path writer;
    int32_t fault, found, became, off;
};

/* A slot and what it is written by; the same in all threads. */
struct slot {
    const cg_step_state *s;
    const cg_automaton *aut;
    cg_slot_state *p;
    int32_t *tokens;
    cg_atom_mark *marks;
    point *xyz, *moved, *by; /* [atoms] as written; as they are moved; where they are pulled */
};

static __device__ struct slot slot_of(const cg_step_state *s, const cg_automaton *aut,
                                      int32_t place)
{
    int64_t first = (int64_t)place * s->max_len;

    return (struct slot) {
        s,
        aut,
        &s->slots[place],
        s->tokens + first,
        s->marks + first,
        (point *)(s->xyz + 3 * first),
        (point *)(s->xyz + 3 * first + s->max_len),
        (point *)(s->xyz + 3 * first + 2 * s->max_len),
    };
}

/* Read an atom back and test it. */
static __device__ int32_t test_atom(const struct slot *slot, struct look *look, int32_t atom)
{
    int32_t begin = slot->marks[atom].n_tokens, fault;

    if (threadIdx.x == 0)
        look->fault = cg_geometry_read_xyz(slot->tokens + begin, look->seq.n_tokens - begin,
                                           slot->s->token_numbers, slot->xyz[atom])
                          ? CG_FAULT_NONE
                          : CG_FAULT(CG_CAUSE_BOND, 0);
    __syncthreads();
    fault = cg_geometry_test_atom(&slot->p->geometry, (const point *)slot->xyz, atom,
                                  (int32_t)threadIdx.x, (int32_t)blockDim.x);
    if (fault != CG_FAULT_NONE)
        atomicMin(&look->fault, fault);
    __syncthreads();
    fault = look->fault;
    __syncthreads();
    return fault;
}

/* What is asked of atom i; a warp, its lanes add up in a fixed order. */
static __device__ cg_correction pull_of(const struct slot *slot, int32_t first, int32_t last,
                                        int32_t i)
{
    cg_correction pull = { { 0, 0, 0 }, 0, 0 };

    cg_relaxation_correct(&slot->p->geometry, (const point *)slot->moved, first, last, i,
                          (int32_t)threadIdx.x % 32, 32, &pull);
    for (int step = 16; step > 0; step /= 2) {
        for (int k = 0; k < 3; k++)
            pull.sum[k] += __shfl_xor_sync(0xffffffffu, pull.sum[k], step);
        pull.n += __shfl_xor_sync(0xffffffffu, pull.n, step);
        pull.unsatisfied |= __shfl_xor_sync(0xffffffffu, pull.unsatisfied, step);
    }
    return pull;
}

/* Place atoms first to last, into slot->moved, once. @return nonzero where they are well placed */
static __device__ int place_once(const struct slot *slot, struct look *look, int32_t first,
                                 int32_t last)
{
    int32_t warp = (int32_t)threadIdx.x / 32, n_warps = (int32_t)blockDim.x / 32, off;

    if (threadIdx.x == 0)
        look->off = 0;
    __syncthreads();
    for (int32_t i = first + warp; i <= last; i += n_warps) {
        cg_correction pull = pull_of(slot, first, last, i);

        if (threadIdx.x % 32 == 0) {
            cg_correction_displacement(&pull, slot->by[i]);
            if (pull.unsatisfied)
                atomicOr(&look->off, 1);
        }
    }
    __syncthreads();
    off = look->off;
    if (off)
        for (int32_t i = first + (int32_t)threadIdx.x; i <= last; i += blockDim.x)
            for (int k = 0; k < 3; k++)
                slot->moved[i][k] += slot->by[i][k];
    __syncthreads();
    return !off;
}

/* Append a coordinate, where the sequence is to choose one. */
static __device__ int write_number(const struct slot *slot, struct look *look, float x)
{
    cg_number_path *w = &look->writer;
    cg_sequence *seq = &look->seq;
    const cg_token_number *token_numbers = slot->s->token_numbers;
    cg_decimal number;

    if (seq->done || !cg_decimal_from_float(x, slot->s->decimals, &number))
        return 0;
    if (threadIdx.x == 0) {
        cg_number_path_begin(w, &number, slot->aut, seq->state,
                             token_numbers[slot->tokens[seq->n_tokens - 1]]);
        look->found = INT32_MAX;
    }
    __syncthreads();
    do {
        int32_t mine = cg_number_path_find(w, slot->aut, token_numbers, (int32_t)threadIdx.x,
                                           (int32_t)blockDim.x);

        if (mine != INT32_MAX)
            atomicMin(&look->found, mine);
        __syncthreads();
        if (threadIdx.x == 0) {
            look->became = cg_number_path_step(w, slot->aut, token_numbers, look->found);
            look->found = INT32_MAX;
            if (look->became == CG_NUMBER_PATH_FOUND)
                cg_number_path_append(w, seq, &slot->p->program, slot->aut, slot->tokens,
                                      slot->marks);
        }
        __syncthreads();
    } while (look->became == CG_NUMBER_PATH_RUNNING);
    return look->became == CG_NUMBER_PATH_FOUND;
}

/* Begin to write the atoms that were moved, of those from `first` on; one thread. */
static __device__ void begin_writing(const struct slot *slot, struct look *look, int32_t first)
{
    cg_repair_progress *progress = &look->progress;

    progress->stage = CG_REPAIR_REWRITE;
    progress->next = cg_relaxation_first_moved((const point *)slot->xyz, (const point *)slot->moved,
                                               first, progress->atom);
    progress->n_tokens = look->seq.n_tokens;
    progress->attempt = look->seq.attempt;
    slot->p->repair.moved += progress->atom - progress->next + 1;
    slot->p->repair.wasted += progress->n_tokens - slot->marks[progress->next].n_tokens;
    cg_sequence_roll_back(&look->seq, &slot->p->program, slot->aut, progress->next, slot->marks);
}

/* A round of placing. @return its work */
static __device__ int32_t go_on_placing(const struct slot *slot, struct look *look)
{
    cg_repair_progress *progress = &look->progress;
    int32_t first = cg_relaxation_first_atom(progress->atom, progress->level),
            last = progress->atom, well;

    if (progress->iteration == 0)
        for (int32_t i = threadIdx.x; i <= last; i += blockDim.x)
            for (int k = 0; k < 3; k++)
                slot->moved[i][k] = slot->xyz[i][k];
    well = place_once(slot, look, first, last);
    if (threadIdx.x == 0) {
        progress->iteration++;
        /* the last level's place may do, though it is not well within */
        if (well || (progress->iteration == CG_RELAXATION_ITERATIONS && first == 0)) {
            begin_writing(slot, look, first);
        } else if (progress->iteration == CG_RELAXATION_ITERATIONS) {
            progress->iteration = 0;
            progress->level++;
        }
    }
    __syncthreads();
    return (last - first) / ((int32_t)blockDim.x / 32) + 1;
}

/* Write an atom where it was moved to; random numbers as on the host. @return its work */
static __device__ int32_t go_on_writing(const struct slot *slot, struct look *look)
{
    cg_repair_progress *progress = &look->progress;
    int32_t atom = progress->next;
    int good = 1;

    for (int k = 0; k < 3 && good; k++)
        good = write_number(slot, look, slot->moved[atom][k]);
    good = good && test_atom(slot, look, atom) == CG_FAULT_NONE;
    __syncthreads();
    if (threadIdx.x == 0) {
        progress->next++;
        if (!good || atom == progress->atom)
            progress->stage = CG_REPAIR_IDLE;
        if (!good)
            cg_sequence_restart(&slot->p->repair, slot->s->restarts, &look->seq, &slot->p->program,
                                slot->aut, slot->marks);
        else if (atom == progress->atom && look->seq.n_tokens >= progress->n_tokens)
            look->seq.attempt = progress->attempt;
    }
    __syncthreads();
    return WORK_OF_TEXT;
}

/* Look at the atoms that were completed since the sequence was in field `before`. */
static __device__ void look_at_atoms(const struct slot *slot, struct look *look)
{
    int32_t per = slot->p->program.fields_per_atom, end = look->seq.field / per, fault;

    if (threadIdx.x == 0)
        look->progress.stage = CG_REPAIR_IDLE;
    for (int32_t atom = look->progress.before / per; atom < end; atom++) {
        fault = test_atom(slot, look, atom);
        if (threadIdx.x == 0)
            slot->p->repair.count[CG_FAULT_CAUSE(fault)]++;
        if (fault != CG_FAULT_NONE && slot->s->geometry == CG_GEOMETRY_REPAIR) {
            if (threadIdx.x == 0) {
                look->progress.stage = CG_REPAIR_RELAX;
                look->progress.atom = atom;
                look->progress.level = look->progress.iteration = 0;
            }
            break;
        }
    }
}

/* How much a step does for a slot, where `n_busy` of the others took part in it. */
static __device__ int32_t work_of_step(int32_t n_slots, int32_t n_busy)
{
    int32_t work = WORK_OF_STEP * (n_slots / (n_busy + 1));

    return work < WORK_OF_STEP ? WORK_OF_STEP : work < WORK_AT_MOST ? work : WORK_AT_MOST;
}

/*
 * Look at a slot's new atoms, or go on with its progress, a part of it, so that others need not
 * wait. A barrier must follow, before all know what became of it.
 */
static __device__ void look_at_slot(const struct slot *slot, struct look *look, int32_t work)
{
    int32_t stage = look->progress.stage;

    __syncthreads(); /* read by all before it changes */
    if (stage == CG_REPAIR_TEST)
        look_at_atoms(slot, look);
    while (work > 0 && (stage == CG_REPAIR_RELAX || stage == CG_REPAIR_REWRITE)) {
        if (stage == CG_REPAIR_RELAX)
            work -= go_on_placing(slot, look);
        else
            work -= go_on_writing(slot, look);
        stage = look->progress.stage;
    }
}

#endif
