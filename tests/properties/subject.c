/* SPDX-License-Identifier: MIT */
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

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

/* Path of the folder of a tokenizer, without "+numbers". */
static char *tokenizer_dir(const char *name)
{
    size_t len = strcspn(name, "+");
    char *path = must_alloc(len + 1, 1);

    memcpy(path, name, len);
    if (strchr(path, '/'))
        return path;
    free(path);
    if (!strncmp(name, "default", len))
        return source_path("data/confgen-default");
    if (!strncmp(name, "llama3", len))
        return source_path("tests/data/tokenizers/llama3_test");
    if (!strncmp(name, "qwen3", len))
        return cg_path_join(environment("CONFGEN_SHARED"), "tokenizers/qwen3_molgen");
    fprintf(stderr, "no tokenizer '%s'; wanted default, llama3, qwen3 or a path\n", name);
    exit(STATUS_MISSING);
}

/* ---- tokenizers with listed numbers as added tokens ------------------------------------------ */

static json_t *read_json(const char *path)
{
    json_t *root = json_load_file(path, 0, NULL);

    if (!root) {
        fprintf(stderr, "%s: no JSON file\n", path);
        exit(STATUS_MISSING);
    }
    return root;
}

static void must_append(json_t *array, json_t *item)
{
    if (json_array_append_new(array, item))
        abort();
}

/* Adds the numbers to the added tokens of a tokenizer.json. */
static void add_to_tokenizer(json_t *root, const cg_number_list *numbers, const int32_t *ids)
{
    json_t *added = json_object_get(root, "added_tokens");

    for (int32_t i = 0; i < numbers->n; i++)
        must_append(added, json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", (int)ids[i],
                                     "content", numbers->text[i], "single_word", 0, "lstrip", 0,
                                     "rstrip", 0, "normalized", 0, "special", 0));
}

/* Adds the numbers to an added_tokens.json. */
static void add_to_list(json_t *root, const cg_number_list *numbers, const int32_t *ids)
{
    for (int32_t i = 0; i < numbers->n; i++)
        if (json_object_set_new(root, numbers->text[i], json_integer(ids[i])))
            abort();
}

static void must_link(const char *dir, const char *to, const char *name)
{
    char *from = cg_path_join(dir, name), *link = cg_path_join(to, name);

    if (cg_file_exists(from) && symlink(from, link)) {
        perror(link);
        exit(STATUS_MISSING);
    }
    free(from);
    free(link);
}

/* Writes a tokenizer with the numbers as added tokens to the folder `to`. */
static void write_with_numbers(const char *dir, const char *to, const cg_number_list *numbers,
                               const int32_t *ids)
{
    static const char *const linked[] = { "vocab.json", "merges.txt", "tokenizer_config.json",
                                          "special_tokens_map.json" };
    char *whole = cg_path_join(dir, "tokenizer.json"),
         *list = cg_path_join(dir, "added_tokens.json");
    int is_whole = cg_file_exists(whole);
    json_t *root = read_json(is_whole ? whole : list);
    char *out = cg_path_join(to, is_whole ? "tokenizer.json" : "added_tokens.json");

    (is_whole ? add_to_tokenizer : add_to_list)(root, numbers, ids);
    for (size_t i = 0; !is_whole && i < sizeof linked / sizeof *linked; i++)
        must_link(dir, to, linked[i]);
    if (json_dump_file(root, out, 0)) {
        perror(out);
        exit(STATUS_MISSING);
    }
    json_decref(root);
    free(whole);
    free(list);
    free(out);
}

static void remove_folder(const char *path)
{
    static const char *const names[] = {
        "vocab.json",     "merges.txt",       "tokenizer_config.json", "special_tokens_map.json",
        "tokenizer.json", "added_tokens.json"
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *file = cg_path_join(path, names[i]);

        unlink(file);
        free(file);
    }
    rmdir(path);
}

/* Ids of the numbers as added tokens: one that is a token keeps its id. */
static int32_t *number_ids(const cg_tokenizer *tokenizer, const cg_number_list *numbers)
{
    int32_t *ids = must_alloc((size_t)numbers->n, sizeof *ids);
    int32_t next = cg_tokenizer_vocab_size(tokenizer);

    for (int32_t i = 0; i < numbers->n; i++) {
        ids[i] = cg_tokenizer_token_id(tokenizer, numbers->text[i], strlen(numbers->text[i]));
        if (ids[i] < 0)
            ids[i] = next++;
    }
    return ids;
}

static void load_with_numbers(subject *s, const char *dir)
{
    cg_error err = CG_ERROR_INIT;
    char path[] = "/tmp/confgen-subject-XXXXXX";
    cg_status st;
    int32_t *ids;

    require(cg_tokenizer_load(dir, &s->tokenizer, &err), &err);
    ids = number_ids(s->tokenizer, &s->numbers);
    cg_tokenizer_destroy(s->tokenizer);
    if (!mkdtemp(path)) {
        perror(path);
        exit(STATUS_MISSING);
    }
    write_with_numbers(dir, path, &s->numbers, ids);
    free(ids);
    st = cg_tokenizer_load(path, &s->tokenizer, &err);
    remove_folder(path);
    require(st, &err);
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

void subject_read_format(const char *text, cg_conformer_format *ret)
{
    cg_error err = CG_ERROR_INIT;
    cg_json o = { "--format", "", NULL };
    json_t *root;
    char *file;

    if (*text != '{') {
        require(cg_conformer_format_named(text, ret, &err), &err);
        return;
    }
    file = must_alloc(strlen(text) + 16, 1);
    sprintf(file, "{\"format\": %s}", text);
    require(cg_json_parse(o.file, file, strlen(file), &root, &err), &err);
    o.node = root;
    require(cg_conformer_format_read(&o, ret, &err), &err);
    json_decref(root);
    free(file);
}

static void open_instance(subject *s)
{
    cg_error err = CG_ERROR_INIT;

    s->self = subject_create_instance(s);
    s->automaton = s->ops->automaton(s->self);
    require(cg_checked_constraint_create("subject", s->ops, s->self, &s->vocabulary.vocabulary,
                                         &s->checked, &err),
            &err);
}

static void close_instance(subject *s)
{
    cg_checked_constraint_destroy(s->checked);
    s->ops->destroy(s->self);
}

void subject_open(subject *s, const char *name, const char *format, const char *plugin,
                  const char *constraint)
{
    cg_error err = CG_ERROR_INIT;
    const cg_plugin *found = NULL;
    char *dir = tokenizer_dir(name);

    memset(s, 0, sizeof *s);
    s->name = name;
    cg_plugin_host_init(&s->host, NULL, NULL, NULL, CG_LOG_WARNING);
    read_config(s, dir);
    if (format)
        subject_read_format(format, &s->config.conformer);
    require(cg_number_list_create(&s->config.conformer, &s->numbers, &err), &err);
    if (strchr(name, '+'))
        load_with_numbers(s, dir);
    else
        require(cg_tokenizer_load(dir, &s->tokenizer, &err), &err);
    free(dir);
    require(cg_registry_create(&s->host.host, &s->registry, &err), &err);
    require(cg_registry_add_file(s->registry, plugin, &err), &err);
    require(cg_registry_find(s->registry, CG_PLUGIN_CONSTRAINT, constraint, &found, &err), &err);
    cg_vocabulary_init(&s->vocabulary, s->tokenizer, NULL);
    s->format = (cg_text_format) {
        CG_SIZED(cg_text_format),
        .begin = s->config.completion_open,
        .end = s->config.completion_close,
        .stop = s->config.end,
        .max_new_tokens = MAX_LEN,
        .stop_tokens = &s->more_stop,
        .n_stop_tokens = 1,
    };
    cg_text_format_set_numbers(&s->format, &s->config.conformer, &s->numbers);
    s->more_stop = cg_tokenizer_token_id(s->tokenizer, s->format.begin, strlen(s->format.begin));
    s->ops = found->ops;
    open_instance(s);
    s->builder = (cg_template_builder) {
        .vocabulary = &s->vocabulary,
        .constraint = s->checked,
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

void subject_renew(subject *s)
{
    close_instance(s);
    open_instance(s);
    s->builder.constraint = s->checked;
}

void subject_close(subject *s)
{
    close_instance(s);
    cg_registry_destroy(s->registry);
    cg_tokenizer_destroy(s->tokenizer);
    cg_number_list_finish(&s->numbers);
}

cg_program *subject_compile(const subject *s, void *self, const cg_enriched_split *split,
                            cg_error *err)
{
    cg_range *literal = must_alloc(split->n_groups + 1, sizeof *literal);
    cg_literals text = { CG_SIZED(cg_literals), .n_atoms = (int32_t)split->n_groups,
                         .text = split->text, .literal = literal };
    cg_program *program = NULL;
    cg_status st;

    for (size_t i = 0; i <= split->n_groups; i++)
        literal[i] = (cg_range) { split->literal_at[i], split->literal_at[i + 1] };
    st = s->ops->compile(self, &text, &program, err);
    free(literal);
    return st == CG_OK ? program : NULL;
}
