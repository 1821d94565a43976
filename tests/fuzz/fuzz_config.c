/* SPDX-License-Identifier: MIT */
/* Parses the input as config.json, as generation_config.json and as confgen.json. */
#include "model/rope.h"

#include "fuzz.h"

static void check_status(cg_status st, const cg_error *err)
{
    if (st != CG_OK)
        require_refusal(st, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_model_config c = { .vocab = 2304 };
    cg_generation_config g;
    cg_format_config f;
    cg_error err = CG_ERROR_INIT;
    cg_status st = cg_model_config_parse("fuzz", data, size, &c, &err);

    check_status(st, &err);
    if (st == CG_OK) {
        float freq[CG_MAX_HEAD_DIM / 2];

        require(c.n_heads % c.n_kv_heads == 0 && c.head_dim % 2 == 0);
        require(c.head_dim <= CG_MAX_HEAD_DIM);
        require(c.rotary_dim >= 0 && c.rotary_dim <= c.head_dim && c.rotary_dim % 2 == 0);
        require(c.activation >= 0 && c.activation < CG_N_ACTS && c.window >= 0);
        for (int32_t i = 0; i < c.n_layers; i++)
            require(c.window || !(c.layer_flags[i] & CG_LAYER_WINDOW));
        cg_rope_inv_freq(&c, freq);
        for (int32_t i = 0; i < c.head_dim / 2; i++)
            require(freq[i] >= 0 && freq[i] <= 1);
    }
    st = cg_generation_config_parse("fuzz", data, size, c.vocab, &g, &err);
    check_status(st, &err);
    if (st == CG_OK)
        for (int32_t i = 0; i < g.n_eos; i++)
            require(g.eos[i] >= 0 && g.eos[i] < c.vocab);
    st = cg_format_config_parse("fuzz", data, size, &f, &err);
    check_status(st, &err);
    if (st == CG_OK)
        require(f.conformer.number.n_edges <= CG_NUMBER_MAX_EDGES && f.prompt_open[0]);
    return 0;
}
