/* SPDX-License-Identifier: MIT */
/* core/cuda/step.cu includes this file to compile it for the device. */
#include "sequence/automaton.h"

static CG_HOST_DEVICE void append(cg_sequence *seq, int32_t token, int32_t *tokens)
{
    if (seq->n_tokens == seq->limit) {
        seq->done = CG_SEQUENCE_UNFINISHED;
        return;
    }
    tokens[seq->n_tokens++] = token;
}

/*
 * Appends the forced tokens from `state` (a state or CG_EXIT) of the current field up to the next
 * state with several transitions or the end. `at_start`: no token of the field was sampled yet.
 */
static CG_HOST_DEVICE void append_forced(cg_sequence *seq, const cg_program *prog,
                                         const cg_automaton *aut, int32_t state, int at_start,
                                         int32_t *tokens, cg_atom_mark *marks)
{
    while (!seq->done) {
        if (state == CG_EXIT) {
            seq->field++;
            for (int32_t i = prog->forced_start[seq->field]; i < prog->forced_start[seq->field + 1];
                 i++)
                append(seq, prog->forced_token[i], tokens);
            if (seq->field == prog->n_fields) {
                if (!seq->done)
                    seq->done = CG_SEQUENCE_COMPLETE;
                return;
            }
            state = prog->entry[seq->field];
            at_start = 1;
            continue;
        }
        if (aut->row[state + 1] - aut->row[state] > 1) {
            if (seq->n_tokens == seq->limit) {
                seq->done = CG_SEQUENCE_UNFINISHED;
                return;
            }
            if (at_start && marks && prog->fields_per_atom &&
                seq->field % prog->fields_per_atom == 0)
                marks[seq->field / prog->fields_per_atom] =
                    (cg_atom_mark) { seq->n_tokens, seq->n_sampled };
            seq->state = state;
            return;
        }
        append(seq, aut->token[aut->row[state]], tokens);
        state = aut->next[aut->row[state]];
    }
}

CG_HOST_DEVICE void cg_sequence_begin(cg_sequence *seq, const cg_program *prog,
                                      const cg_automaton *aut, int32_t *tokens, cg_atom_mark *marks)
{
    seq->field = -1; /* as if before field 0 another field had just ended */
    append_forced(seq, prog, aut, CG_EXIT, 1, tokens, marks);
}

CG_HOST_DEVICE void cg_sequence_advance(cg_sequence *seq, const cg_program *prog,
                                        const cg_automaton *aut, int32_t t, int32_t *tokens,
                                        cg_atom_mark *marks)
{
    append(seq, aut->token[t], tokens);
    if (!seq->done)
        seq->n_sampled++;
    append_forced(seq, prog, aut, aut->next[t], 0, tokens, marks);
}

CG_HOST_DEVICE int32_t cg_sequence_field_start(const cg_program *prog, const cg_automaton *aut,
                                               int32_t field, int32_t first_sampled)
{
    int32_t state = prog->entry[field];

    for (; state != CG_EXIT && aut->row[state + 1] - aut->row[state] == 1; first_sampled--)
        state = aut->next[aut->row[state]];
    return first_sampled;
}

CG_HOST_DEVICE void cg_sequence_roll_back(cg_sequence *seq, const cg_program *prog,
                                          const cg_automaton *aut, int32_t atom,
                                          const cg_atom_mark *marks)
{
    int32_t state;

    seq->field = atom * prog->fields_per_atom;
    seq->n_tokens = marks[atom].n_tokens;
    seq->n_sampled = marks[atom].n_sampled;
    if (seq->n_kv > seq->n_tokens - 1)
        seq->n_kv = seq->n_tokens - 1;
    state = prog->entry[seq->field];
    while (aut->row[state + 1] - aut->row[state] == 1)
        state = aut->next[aut->row[state]];
    seq->state = state;
    seq->done = CG_SEQUENCE_RUNNING;
    seq->attempt++;
    if (atom == 0)
        seq->is_mirrored = 0;
}
