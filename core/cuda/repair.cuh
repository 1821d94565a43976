/* SPDX-License-Identifier: MIT */
/*
 * Geometry tests and repair: a warp tests the atoms of a slot, a block repairs them.
 * Counterpart of decode/repair_cpu.c on the device, over the same functions of sequence/.
 */
#ifndef CG_CUDA_REPAIR_CUH
#define CG_CUDA_REPAIR_CUH

#include "step.h"

#include "sequence/coordinate.h"
#include "sequence/number_path.h"
#include "sequence/relaxation.h"

typedef float position[3];

/* Work of a block. Unit: what a warp does for one atom in one iteration of the relaxation. */
enum {
    WORK_PER_REWRITE = 8,  /* rewriting the text of one atom */
    WORK_PER_FIT = 4,      /* fitting one atom to a cell */
    MIN_WORK_PER_STEP = 8, /* for a slot while all slots are busy */
    MAX_WORK_PER_STEP = 8 * 16,
};

/* Shared memory of the block. */
struct repair_shared {
    cg_sequence seq;
    cg_repair_progress progress;
    cg_number_path path;
    int32_t transition, path_state, unsatisfied;
};

/* A slot and the arrays of its sequence; the same in all threads. */
struct repair_slot {
    const cg_step_state *s;
    const cg_automaton *aut;
    cg_slot_state *state;
    int32_t *tokens;
    cg_atom_mark *marks;
    /* arrays of max_len / 3 positions, Å */
    position *xyz;          /* read back from the text */
    position *relaxed;      /* moved by the relaxation */
    position *displacement; /* of one iteration */
};

static __device__ struct repair_slot repair_slot_of(const cg_step_state *s, const cg_automaton *aut,
                                                    int32_t slot)
{
    int64_t first = (int64_t)slot * s->max_len;

    return (struct repair_slot) {
        s,
        aut,
        &s->slots[slot],
        s->tokens + first,
        s->marks + first,
        (position *)(s->xyz + 3 * first),
        (position *)(s->xyz + 3 * first + s->max_len),
        (position *)(s->xyz + 3 * first + 2 * s->max_len),
    };
}

static __device__ cg_sequence_text text_of_slot(const struct repair_slot *slot, cg_sequence *seq)
{
    return (cg_sequence_text) { slot->aut,
                                slot->s->token_numbers,
                                slot->s->number_format,
                                &slot->state->program,
                                seq,
                                slot->tokens,
                                slot->marks };
}

/* Tests an atom at positions `xyz`; one warp. Returns the fault in all lanes.
 *
 * @param fault  CG_FAULT_NONE, or a fault that this lane found before */
static __device__ int32_t test_position(const struct repair_slot *slot, const position *xyz,
                                        int32_t atom, int32_t fault)
{
    int32_t other =
        cg_geometry_test_atom(&slot->state->geometry, xyz, atom, (int32_t)threadIdx.x % 32, 32);

    fault = other < fault ? other : fault;
    for (int step = 16; step > 0; step /= 2) {
        other = __shfl_xor_sync(0xffffffffu, fault, step);
        fault = other < fault ? other : fault;
    }
    return fault;
}

/* Reads an atom back from its tokens and tests it; one warp. Returns the fault in all lanes. */
static __device__ int32_t test_atom(const struct repair_slot *slot, cg_sequence *seq, int32_t atom)
{
    int32_t fault = CG_FAULT_NONE;

    if (threadIdx.x % 32 == 0) {
        cg_sequence_text text = text_of_slot(slot, seq);

        if (!cg_geometry_read_atom(&text, atom, slot->xyz[atom]))
            fault = CG_FAULT(CG_CAUSE_BOND, 0);
    }
    __syncwarp();
    return test_position(slot, (const position *)slot->xyz, atom, fault);
}

/* Sum of the corrections of atom i, by one warp; its lanes are added in a fixed order. */
static __device__ cg_correction correction_of(const struct repair_slot *slot, int32_t first,
                                              int32_t last, int32_t i)
{
    cg_correction correction = { { 0, 0, 0 }, 0, 0 };

    cg_relaxation_correct(&slot->state->geometry, (const position *)slot->relaxed, first, last, i,
                          (int32_t)threadIdx.x % 32, 32, &correction);
    for (int step = 16; step > 0; step /= 2) {
        for (int k = 0; k < 3; k++)
            correction.sum[k] += __shfl_xor_sync(0xffffffffu, correction.sum[k], step);
        correction.n += __shfl_xor_sync(0xffffffffu, correction.n, step);
        correction.unsatisfied |= __shfl_xor_sync(0xffffffffu, correction.unsatisfied, step);
    }
    return correction;
}

/*
 * One iteration of the relaxation over atoms first to last: one warp per atom. Returns nonzero, and
 * moves nothing, if they all lie well within the ranges of their tests.
 */
static __device__ int iterate(const struct repair_slot *slot, struct repair_shared *shared,
                              int32_t first, int32_t last)
{
    int32_t warp = (int32_t)threadIdx.x / 32, n_warps = (int32_t)blockDim.x / 32, unsatisfied;

    if (threadIdx.x == 0)
        shared->unsatisfied = 0;
    __syncthreads();
    for (int32_t i = first + warp; i <= last; i += n_warps) {
        cg_correction correction = correction_of(slot, first, last, i);

        if (threadIdx.x % 32 == 0) {
            cg_correction_displacement(&correction, slot->displacement[i]);
            if (correction.unsatisfied)
                atomicOr(&shared->unsatisfied, 1);
        }
    }
    __syncthreads();
    unsatisfied = shared->unsatisfied;
    if (unsatisfied)
        for (int32_t i = first + (int32_t)threadIdx.x; i <= last; i += blockDim.x)
            for (int k = 0; k < 3; k++)
                slot->relaxed[i][k] += slot->displacement[i][k];
    __syncthreads();
    return !unsatisfied;
}

/* Appends the tokens of one field of an atom at the start of the field. Returns 0 if no path
 * encodes its numbers. */
static __device__ int append_field(const struct repair_slot *slot, struct repair_shared *shared,
                                   const float xyz[3])
{
    cg_number_path *path = &shared->path;
    const cg_token_number *token_numbers = slot->s->token_numbers;

    __syncthreads(); /* all threads have read the state of the path before */
    if (threadIdx.x == 0) {
        cg_sequence_text text = text_of_slot(slot, &shared->seq);

        shared->path_state = !shared->seq.done && cg_number_path_begin(path, &text, xyz)
                                 ? CG_NUMBER_PATH_RUNNING
                                 : CG_NUMBER_PATH_NONE;
        shared->transition = INT32_MAX;
    }
    __syncthreads();
    while (shared->path_state == CG_NUMBER_PATH_RUNNING) {
        int32_t found = cg_number_path_find(path, slot->aut, token_numbers, (int32_t)threadIdx.x,
                                            (int32_t)blockDim.x);

        if (found != INT32_MAX)
            atomicMin(&shared->transition, found);
        __syncthreads();
        if (threadIdx.x == 0) {
            shared->path_state =
                cg_number_path_step(path, slot->aut, token_numbers, shared->transition);
            shared->transition = INT32_MAX;
            if (shared->path_state == CG_NUMBER_PATH_FOUND) {
                cg_sequence_text text = text_of_slot(slot, &shared->seq);

                cg_number_path_append(path, &text);
            } else if (shared->path_state == CG_NUMBER_PATH_NONE) {
                cg_sequence_text text = text_of_slot(slot, &shared->seq);

                cg_number_path_record_missing(&text, xyz, &slot->state->repair);
            }
        }
        __syncthreads();
    }
    return shared->path_state == CG_NUMBER_PATH_FOUND;
}

/* Accepts the positions of the relaxation: rolls back to the first atom whose text changes and
 * starts the rewrite, or tests the next atoms if the text stays as it is; one thread. */
static __device__ void accept_positions(const struct repair_slot *slot,
                                        struct repair_shared *shared)
{
    cg_repair_progress *progress = &shared->progress;
    int32_t per_atom = slot->state->program.fields_per_atom;

    progress->next =
        cg_relaxation_accept(&progress->start, slot->s->number_format, progress->atom, slot->xyz,
                             (const position *)slot->relaxed, &shared->seq, &slot->state->repair);
    if (progress->next > progress->atom) {
        progress->from_field = progress->next * per_atom;
        progress->stage =
            shared->seq.field / per_atom > progress->next ? CG_REPAIR_TEST : CG_REPAIR_IDLE;
        return;
    }
    progress->stage = CG_REPAIR_REWRITE;
    progress->n_tokens = shared->seq.n_tokens;
    progress->attempt = shared->seq.attempt;
    slot->state->repair.wasted += progress->n_tokens - slot->marks[progress->next].n_tokens;
    cg_sequence_roll_back(&shared->seq, &slot->state->program, slot->aut, progress->next,
                          slot->marks);
}

/* Places atoms 0 to `last` at the start of a relaxation. Returns nonzero if that is a mirror image
 * that passes its tests. */
static __device__ int place(const struct repair_slot *slot, struct repair_shared *shared,
                            int32_t last)
{
    cg_relaxation_start start = shared->progress.start;

    for (int32_t i = threadIdx.x; i <= last; i += blockDim.x)
        cg_relaxation_start_position(&slot->state->geometry, &start, (const position *)slot->xyz,
                                     last, i, slot->relaxed[i]);
    if (!cg_relaxation_is_image(&start))
        return 0;
    __syncthreads();
    return test_position(slot, (const position *)slot->relaxed, last, CG_FAULT_NONE) ==
           CG_FAULT_NONE;
}

/* After a relaxation: fits the atoms to cells if numbers are coarse, else rewrites; one thread. */
static __device__ void end_relaxation(const struct repair_slot *slot, struct repair_shared *shared)
{
    cg_repair_progress *progress = &shared->progress;

    if (!cg_number_is_coarse(slot->s->number_format)) {
        accept_positions(slot, shared);
        return;
    }
    progress->stage = CG_REPAIR_FIT;
    progress->next = cg_relaxation_first_moved(
        (const position *)slot->xyz, (const position *)slot->relaxed,
        cg_relaxation_first_placed(&progress->start, progress->atom), progress->atom);
}

/* Runs one iteration of the relaxation. Returns its work. */
static __device__ int32_t continue_relaxation(const struct repair_slot *slot,
                                              struct repair_shared *shared)
{
    cg_repair_progress *progress = &shared->progress;
    int32_t first = cg_relaxation_first_atom(progress->atom, progress->start.level),
            last = progress->atom, converged = 0;

    if (progress->iteration == 0)
        converged = place(slot, shared, last);
    if (!converged)
        converged = iterate(slot, shared, first, last);
    if (threadIdx.x == 0) {
        int at_limit = ++progress->iteration ==
                       cg_relaxation_iterations(progress->atom, progress->start.level);

        /* positions of the last level may pass the tests without having converged */
        if (converged || (at_limit && !cg_relaxation_next_start(&progress->start, last)))
            end_relaxation(slot, shared);
        else if (at_limit)
            progress->iteration = 0;
    }
    __syncthreads();
    return (last - first) / ((int32_t)blockDim.x / 32) + 1;
}

/*
 * Moves one relaxed atom to the centre of a cell that passes the tests, the same as
 * decode/repair_cpu.c does; relaxes from the next start if there is none, and restarts the sequence
 * after the last one. Returns its work.
 */
static __device__ int32_t continue_fit(const struct repair_slot *slot, struct repair_shared *shared)
{
    cg_repair_progress *progress = &shared->progress;
    int32_t atom = progress->next, n = 0;
    const float relaxed[3] = { slot->relaxed[atom][0], slot->relaxed[atom][1],
                               slot->relaxed[atom][2] };

    for (; n < CG_NEIGHBOUR_CELLS; n++) {
        float centre[3];

        if (!cg_cell_centre(slot->s->number_format, relaxed, n, centre))
            continue;
        __syncthreads(); /* all threads have read the position before */
        if (threadIdx.x == 0)
            for (int k = 0; k < 3; k++)
                slot->relaxed[atom][k] = centre[k];
        __syncthreads();
        if (test_position(slot, (const position *)slot->relaxed, atom, CG_FAULT_NONE) ==
            CG_FAULT_NONE)
            break;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        if (n == CG_NEIGHBOUR_CELLS) {
            progress->stage = CG_REPAIR_RELAX;
            progress->iteration = 0;
            if (!cg_relaxation_next_start(&progress->start, progress->atom)) {
                progress->stage = CG_REPAIR_IDLE;
                cg_sequence_restart(&slot->state->repair, slot->s->restart_limit, &shared->seq,
                                    &slot->state->program, slot->aut, slot->marks);
            }
        } else if (progress->next++ == progress->atom) {
            accept_positions(slot, shared);
        }
    }
    __syncthreads();
    return WORK_PER_FIT * (n < CG_NEIGHBOUR_CELLS ? n + 1 : n);
}

/*
 * Rewrites the text of one atom at its relaxed position; restarts the sequence if that fails.
 * Later tokens keep their RNG counters unless the text became shorter, as in
 * decode/repair_cpu.c. Returns its work.
 */
static __device__ int32_t continue_rewrite(const struct repair_slot *slot,
                                           struct repair_shared *shared)
{
    cg_repair_progress *progress = &shared->progress;
    int32_t atom = progress->next;
    int valid = 1;

    for (int32_t k = 0; k < slot->state->program.fields_per_atom && valid; k++)
        valid = append_field(slot, shared, slot->relaxed[atom]);
    if (valid && threadIdx.x < 32)
        valid = test_atom(slot, &shared->seq, atom) == CG_FAULT_NONE;
    if (threadIdx.x == 0) {
        progress->next++;
        if (!valid || atom == progress->atom)
            progress->stage = CG_REPAIR_IDLE;
        if (!valid)
            cg_sequence_restart(&slot->state->repair, slot->s->restart_limit, &shared->seq,
                                &slot->state->program, slot->aut, slot->marks);
        else if (atom == progress->atom && shared->seq.n_tokens >= progress->n_tokens)
            shared->seq.attempt = progress->attempt;
    }
    __syncthreads();
    return WORK_PER_REWRITE;
}

/* Tests the atoms completed since field `from_field`, up to the first that is to be repaired; one
 * warp. */
static __device__ void test_completed_atoms(const struct repair_slot *slot)
{
    cg_slot_state *state = slot->state;
    cg_repair_progress *progress = &state->progress;
    int32_t per = state->program.fields_per_atom, end = state->seq.field / per;
    int32_t atom = progress->from_field / per, is_first = threadIdx.x % 32 == 0;

    for (; atom < end; atom++) {
        int32_t fault = test_atom(slot, &state->seq, atom);

        if (is_first)
            state->repair.count[CG_FAULT_CAUSE(fault)]++;
        if (fault == CG_FAULT_NONE)
            continue;
        if (is_first) {
            state->repair.last_cause = CG_FAULT_CAUSE(fault);
            state->repair.last_atom = atom;
        }
        if (slot->s->geometry == CG_GEOMETRY_REPAIR)
            break;
    }
    if (!is_first)
        return;
    progress->stage = CG_REPAIR_IDLE;
    if (atom < end) {
        progress->stage = CG_REPAIR_RELAX;
        progress->atom = atom;
        progress->start =
            cg_relaxation_find_start(&state->geometry, (const position *)slot->xyz, atom);
        progress->iteration = 0;
    }
}

/* Work that a step may do for a slot while n_busy slots generate and wait: less for more of them.
 */
static __device__ int32_t work_of_step(int32_t n_slots, int32_t n_busy)
{
    int32_t work = MIN_WORK_PER_STEP * (n_slots / (n_busy + 1));

    return work < MIN_WORK_PER_STEP   ? MIN_WORK_PER_STEP
           : work < MAX_WORK_PER_STEP ? work
                                      : MAX_WORK_PER_STEP;
}

/* Continues the repair of a slot until about `work` is done: other slots wait for the step. */
static __device__ void continue_repair(const struct repair_slot *slot, struct repair_shared *shared,
                                       int32_t work)
{
    int32_t stage;

    if (threadIdx.x == 0) {
        shared->seq = slot->state->seq;
        shared->progress = slot->state->progress;
    }
    __syncthreads();
    stage = shared->progress.stage;
    while (work > 0 && stage >= CG_REPAIR_RELAX) {
        if (stage == CG_REPAIR_RELAX)
            work -= continue_relaxation(slot, shared);
        else if (stage == CG_REPAIR_FIT)
            work -= continue_fit(slot, shared);
        else
            work -= continue_rewrite(slot, shared);
        stage = shared->progress.stage;
    }
    __syncthreads(); /* all threads have read the stage */
    if (threadIdx.x == 0) {
        slot->state->seq = shared->seq;
        slot->state->progress = shared->progress;
    }
}

/* Tests the atoms that a listed slot has completed; one warp. */
static __device__ void test_listed(const cg_step_state *s, const cg_automaton *aut, int32_t slot)
{
    struct repair_slot tested = repair_slot_of(s, aut, slot);

    test_completed_atoms(&tested);
    __syncwarp();
}

/* Continues the repair of a listed slot; all threads. */
static __device__ void repair_listed(const cg_step_state *s, const cg_automaton *aut,
                                     struct repair_shared *shared, int32_t slot)
{
    struct repair_slot repaired = repair_slot_of(s, aut, slot);

    continue_repair(&repaired, shared, work_of_step(s->n_slots, *s->n_out));
    __syncthreads();
}

#endif
