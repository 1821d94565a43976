/* SPDX-License-Identifier: MIT */
/*
 * Settings of an FSQ decoder. Accepted ones are within their ranges; every token is found under its
 * own id, and a text of all tokens is split into them.
 */
#include "base/size.h"
#include "fsq/fsq_config_file.h"
#include "fsq/fsq_tokens.h"

#include "fuzz.h"

static void check_ranges(const cg_fsq_config *c)
{
    int64_t codes = 1;

    require(c->hidden > 0 && c->hidden % CG_FSQ_HEAD_DIM == 0 && c->hidden <= CG_FSQ_MAX_HIDDEN);
    require(c->n_layers > 0 && c->n_layers <= CG_FSQ_MAX_LAYERS);
    require(c->intermediate > 0 && c->intermediate <= CG_FSQ_MAX_WIDTH);
    require(c->input_hidden > 0 && c->input_hidden <= CG_FSQ_MAX_WIDTH);
    require(c->eps > 0 && c->eps <= 1);
    require(c->n_digits > 0 && c->n_digits <= CG_FSQ_MAX_DIGITS);
    for (int32_t i = 0; i < c->n_digits; i++) {
        require(c->levels[i] >= 2);
        codes *= c->levels[i];
        require(cg_fsq_digit(c, 0, i) == -1 && cg_fsq_digit(c, c->n_codes - 1, i) == 1);
    }
    require(codes == c->n_codes && codes <= CG_FSQ_MAX_CODES);
    require(c->n_tokens > 0 && c->n_tokens <= CG_FSQ_MAX_TOKENS);
}

static void check_tokens(const cg_fsq_model *m)
{
    size_t n_tokens = (size_t)m->config.n_tokens, n = 0;
    char *text = cg_alloc_array(n_tokens, CG_FSQ_MAX_TOKEN_BYTES);
    int32_t *ids = NULL, n_ids = 0;
    cg_error err = CG_ERROR_INIT;

    require(text != NULL);
    for (size_t i = 0; i < n_tokens; i++) {
        size_t len = strlen(m->tokens[i]);

        require(cg_fsq_token_id(m, m->tokens[i], len) == (int32_t)i);
        memcpy(text + n, m->tokens[i], len);
        n += len;
    }
    require_ok(cg_fsq_tokenize(m, text, n, &ids, &n_ids, &err), &err);
    require((size_t)n_ids == n_tokens);
    for (int32_t i = 0; i < n_ids; i++)
        require(ids[i] == i);
    free(ids);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_fsq_model *m = calloc(1, sizeof *m);
    cg_error err = CG_ERROR_INIT;

    require(m != NULL);
    if (cg_fsq_config_parse("fuzz", data, size, m, &err) != CG_OK) {
        require_refusal(err.code, &err);
    } else {
        check_ranges(&m->config);
        check_tokens(m);
    }
    cg_fsq_model_close(m);
    return 0;
}
