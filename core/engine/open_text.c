/* SPDX-License-Identifier: MIT */
/* The texts and tokens that a prompt begins and a sequence ends with. */
#include <string.h>

#include "base/error.h"
#include "engine/engine.h"

/* The id of a token that confgen.json names under `key`. */
static cg_status find_token(const cg_engine *e, const char *key, const char *text, int32_t *ret_id,
                            cg_error *err)
{
    int32_t id = cg_tokenizer_token_id(e->model.tokenizer, text, strlen(text));

    if (id < 0)
        return cg_fail(err, CG_ERR_FORMAT,
                       "model '%s': confgen.json: %s: '%s' is not one token of the tokenizer",
                       e->model.name, key, text);
    *ret_id = id;
    return CG_OK;
}

/* The stop tokens of confgen.json, else the model's end tokens, without the token `end`. Rows of
 * the embedding beyond the vocabulary do not count. */
static cg_status find_stops(cg_engine *e, int32_t end, int32_t *ret_n, cg_error *err)
{
    const cg_format_config *f = &e->model.weights->format;
    const cg_generation_config *g = &e->model.weights->generation;
    int32_t n = 0;

    for (int32_t i = 0; i < (f->n_stop ? f->n_stop : g->n_eos); i++) {
        int32_t id = f->n_stop ? -1 : g->eos[i];
        const char *bytes;
        size_t len;

        if (f->n_stop)
            CG_TRY(find_token(e, "stop", f->stop[i], &id, err));
        if (id != end && cg_tokenizer_token_bytes(e->model.tokenizer, id, &bytes, &len) == CG_OK)
            e->model.stop[n++] = id;
    }
    *ret_n = n;
    return CG_OK;
}

/* A plugin without this feature does not know the numbers of all formats. */
static cg_status check_plugin(const cg_engine *e, cg_error *err)
{
    const cg_plugin *p = e->constraint.plugin;
    const cg_constraint_ops *ops = p->ops;

    if (cg_constraint_features(ops) & CG_CONSTRAINT_FORMATS ||
        cg_text_format_is_basic(&e->constraint.format))
        return CG_OK;
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "constraint '%s': does not know numbers as those of format \"%s\" of model "
                   "'%s': wanted a plugin with the feature CG_CONSTRAINT_FORMATS (plugin ABI 1.2, "
                   "it has %d.%d): use --constraint grammar",
                   p->name, e->model.weights->format.conformer.name, e->model.name, p->abi_major,
                   p->abi_minor);
}

static cg_status set_format(cg_engine *e, cg_error *err)
{
    const cg_format_config *f = &e->model.weights->format;
    int32_t end = cg_tokenizer_token_id(e->model.tokenizer, f->end, strlen(f->end)), n_stop;

    CG_TRY(find_stops(e, end, &n_stop, err));
    e->constraint.format = (cg_text_format) {
        CG_SIZED(cg_text_format),
        .begin = f->completion_open,
        .end = f->completion_close,
        /* nothing needs to follow the completion if the file does not say what does */
        .stop = f->has_end || end >= 0 ? f->end : "",
        .stop_tokens = e->model.stop,
        .n_stop_tokens = n_stop,
    };
    CG_TRY(cg_number_list_create(&f->conformer, &e->constraint.numbers, err));
    cg_text_format_set_numbers(&e->constraint.format, &f->conformer, &e->constraint.numbers);
    return check_plugin(e, err);
}

/* A prompt's own text must not begin with the token that is put in front of it. */
static cg_status check_twice(const cg_engine *e, cg_error *err)
{
    const cg_prompt_tokens *p = &e->model.around_prompt;
    const char *open = e->model.weights->format.prompt_open, *bytes = "";
    cg_tokens tokens = CG_TOKENS_INIT;
    size_t len = 0;
    cg_status st;

    if (!p->n_prefix)
        return CG_OK;
    st = cg_tokenizer_encode(e->model.tokenizer, NULL, open, strlen(open), 0, &tokens, err);
    if (st == CG_OK && tokens.n && tokens.ids[0] == p->prefix[p->n_prefix - 1]) {
        cg_tokenizer_token_bytes(e->model.tokenizer, tokens.ids[0], &bytes, &len);
        st = cg_fail(err, CG_ERR_FORMAT,
                     "model '%s': confgen.json: prompt begins with '%.*s', which is put in front "
                     "of every prompt: remove it from \"prompt\", or set \"bos\" to null",
                     e->model.name, (int)len, bytes);
    }
    cg_tokens_finish(&tokens);
    return st;
}

/* Tokens behind the prompt are unusual for a model that goes on after it. */
static void warn_of_suffix(cg_engine *e)
{
    const cg_prompt_tokens *p = &e->model.around_prompt;
    const char *bytes;
    size_t len;

    if (p->n_suffix &&
        cg_tokenizer_token_bytes(e->model.tokenizer, p->suffix[0], &bytes, &len) == CG_OK)
        cg_host_log(&e->host.host, CG_LOG_WARNING,
                    "model '%s': the tokenizer writes '%.*s' behind the prompt, as in "
                    "transformers; \"bos\" in confgen.json replaces what it writes",
                    e->model.name, (int)len, bytes);
}

static cg_status set_prompt(cg_engine *e, cg_error *err)
{
    const cg_format_config *f = &e->model.weights->format;
    cg_prompt_tokens *p = &e->model.around_prompt;
    cg_error why = CG_ERROR_INIT;

    *p = (cg_prompt_tokens)CG_PROMPT_TOKENS_INIT;
    if (!f->has_bos) {
        if (cg_tokenizer_prompt_tokens(e->model.tokenizer, p, &why) != CG_OK)
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "model '%s': tokens around the prompt: %s; set \"bos\" in "
                           "confgen.json to the token in front of the prompts that the model was "
                           "trained with, or to null for none",
                           e->model.name, why.msg);
        warn_of_suffix(e);
    } else if (*f->bos) {
        CG_TRY(find_token(e, "bos", f->bos, &e->model.bos, err));
        p->prefix = &e->model.bos;
        p->n_prefix = 1;
    }
    for (int32_t i = 0; i < p->n_prefix + p->n_suffix; i++) { /* as hash_tokenizer() */
        int32_t id = i < p->n_prefix ? p->prefix[i] : p->suffix[i - p->n_prefix];

        e->info.tokenizer_fingerprint =
            (e->info.tokenizer_fingerprint ^ (uint64_t)id) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return check_twice(e, err);
}

cg_status cg_engine_open_text(cg_engine *e, cg_error *err)
{
    CG_TRY(set_prompt(e, err));
    CG_TRY(cg_engine_detect_format(e, err));
    return set_format(e, err);
}
