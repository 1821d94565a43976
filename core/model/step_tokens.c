/* SPDX-License-Identifier: MIT */
#include "model/step_tokens.h"

static int32_t round_up(int32_t n, int32_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Per slot a sampled token and one forced token after it; and part of a prompt. */
static int32_t cpu_step_tokens(int32_t n_slots)
{
    int32_t rows = 2 * n_slots + 64;

    return rows < 128 ? 128 : round_up(rows, 64);
}

/*
 * A sequence appends a sampled token and the forced tokens after it: 1.3 to 1.5 tokens per step on
 * average, by tokenizer. Rows cost time whether they are used or not, so the budget is 1.25 rows
 * per slot before rounding, and a longer run of forced tokens waits for the next step.
 * cg_step_tokens() rounds it up to a multiple of 16, above 128 rows (or if deterministic) of 128.
 */
static int32_t cuda_step_tokens(int32_t n_slots)
{
    return n_slots * 5 / 4;
}

int32_t cg_step_tokens(cg_device device, int32_t n_slots, int32_t requested, int32_t deterministic)
{
    int32_t rows;

    if (device == CG_DEVICE_CPU)
        return requested ? requested : cpu_step_tokens(n_slots);
    rows = requested ? requested : cuda_step_tokens(n_slots);
    return round_up(rows, rows > 128 || deterministic ? 128 : 16);
}

/*
 * Half of the prompt slots are computed together (decode/prompt_steps.h), all of them at the start
 * of a run: 32 rows per slot leave few rows unused for prompts of about 40 to 60 tokens. Attention
 * kernels for prompts are selected from 16 query tokens per sequence of the plan on.
 */
enum { ROWS_PER_PROMPT_SLOT = 32, PROMPT_ROW_UNIT = 128 };

int32_t cg_prompt_step_tokens(cg_device device, int32_t n_prompt_slots, int32_t requested)
{
    if (requested == CG_PROMPT_STEPS_OFF)
        return 0;
    if (device == CG_DEVICE_CPU)
        return requested;
    return round_up(requested ? requested : ROWS_PER_PROMPT_SLOT * n_prompt_slots, PROMPT_ROW_UNIT);
}
