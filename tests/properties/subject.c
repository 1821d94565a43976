/* SPDX-License-Identifier: MIT */
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { MAX_LEN = 1 << 20, STATUS_MISSING = 3 };

static void require(cg_status st, const cg_error *err)
{
    if (st == CG_OK)
        return;
    fprintf(stderr, "%s\n", err->msg);
    exit(STATUS_MISSING);
}

void *must_alloc(size_t n, size_t size)
{
    void *memory = calloc(n ? n : 1, size);

    if (!memory) {
        fprintf(stderr, "out of memory\n");
        exit(STATUS_MISSING);
    }
    return memory;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);

    if (!value) {
        fprintf(stderr, "%s is not set\n", name);
        exit(STATUS_MISSING);
    }
    return value;
}

char *source_path(const char *name)
{
    return cg_path_join(environment("CONFGEN_SOURCE_ROOT"), name);
}

static char *tokenizer_dir(const char *name)
{
    if (!strcmp(name, "default"))
        return source_path("data/confgen-default");
    if (!strcmp(name, "llama3"))
        return source_path("tests/data/tokenizers/llama3_test");
    if (!strcmp(name, "qwen3"))
        return cg_path_join(environment("CONFGEN_SHARED"), "tokenizers/qwen3_molgen");
    fprintf(stderr, "no tokenizer '%s'; wanted default, llama3 or qwen3\n", name);
    exit(STATUS_MISSING);
}

static void read_config(subject *s, const char *dir)
{
    cg_error err = CG_ERROR_INIT;
    cg_bytes bytes = { 0 };
    char *path = cg_path_join(dir, "confgen.json");

    if (cg_file_exists(path))
        require(cg_file_read(path, 1 << 16, &bytes, &err), &err);
    require(cg_format_config_parse(path, bytes.data, bytes.len, &s->config, &err), &err);
    cg_bytes_release(&bytes);
    free(path);
}

void subject_open(subject *s, const char *name, const char *plugin, const char *constraint)
{
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *found = NULL;
    char *dir = tokenizer_dir(name);

    memset(s, 0, sizeof *s);
    s->name = name;
    cg_plugin_host_init(&s->host, NULL, NULL, NULL, CG_LOG_WARNING);
    require(cg_tokenizer_load(dir, &s->tokenizer, &err), &err);
    read_config(s, dir);
    free(dir);
    require(cg_registry_create(&s->host.host, &s->registry, &err), &err);
    require(cg_registry_add_file(s->registry, plugin, &err), &err);
    require(cg_registry_find(s->registry, CG_PLUGIN_CONSTRAINT, constraint, &found, &err), &err);
    cg_vocabulary_init(&s->vocabulary, s->tokenizer, NULL);
    s->format = (cg_text_format) {
        CG_SIZED(cg_text_format),
        .decimals = s->config.conformer.number.decimals,
        .max_integer_digits = s->config.conformer.number.max_integer_digits,
        .begin = s->config.completion_open,
        .end = s->config.completion_close,
        .stop = s->config.end,
        .max_new_tokens = MAX_LEN,
        .stop_tokens = &s->more_stop,
        .n_stop_tokens = 1,
    };
    s->more_stop = cg_tokenizer_token_id(s->tokenizer, s->format.begin, strlen(s->format.begin));
    s->ops = found->ops;
    s->self = subject_create_instance(s);
    s->automaton = s->ops->automaton(s->self);
    s->builder = (cg_template_builder) {
        .vocabulary = &s->vocabulary,
        .constraint = s->ops,
        .constraint_self = s->self,
        .format = &s->config.conformer,
        .prompt_open = s->config.prompt_open,
        .prompt_close = s->config.prompt_close,
        .max_len = 2 * MAX_LEN,
    };
}

void *subject_create_instance(const subject *s)
{
    cg_error err = CG_ERROR_INIT;
    void *self = NULL;

    require(s->ops->create(&s->host.host, &s->vocabulary.vocabulary, &s->format, &self, &err),
            &err);
    return self;
}

void subject_close(subject *s)
{
    s->ops->destroy(s->self);
    cg_registry_destroy(s->registry);
    cg_tokenizer_destroy(s->tokenizer);
}

cg_program *subject_compile(const subject *s, void *self, const cg_enriched_split *split,
                            cg_error *err)
{
    cg_range *literal = must_alloc(split->n_atoms + 1, sizeof *literal);
    cg_literals text = { CG_SIZED(cg_literals), .n_atoms = (int32_t)split->n_atoms,
                         .text = split->text, .literal = literal };
    cg_program *program = NULL;
    cg_status st;

    for (size_t i = 0; i <= split->n_atoms; i++)
        literal[i] = (cg_range) { split->literal_at[i], split->literal_at[i + 1] };
    st = s->ops->compile(self, &text, &program, err);
    free(literal);
    return st == CG_OK ? program : NULL;
}
