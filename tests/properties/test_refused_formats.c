/* SPDX-License-Identifier: MIT */
/*
 * The grammar plugin refuses formats whose numbers the tokens do not delimit, with the reason.
 *
 *     test_refused_formats PLUGIN.so
 */
#include <stdio.h>
#include <string.h>

#include "chem/enriched.h"
#include "subject.h"

static const struct {
    const char *tokenizer, *format, *reason;
} cases[] = {
    { "llama3", "molgen-fsq", "merges numbers with the text around them, and they are no added" },
    { "default", "molgen-fsq", "merges numbers with the text around them, and they are no added" },
    { "llama3", "{\"name\": \"molgen-binned-258\", \"numbers\": {\"width\": 4}}",
      "does not split '00000000' at bytes 0 and 4" },
    { "default",
      "{\"layout\": \"smiles\", \"between\": \"|\", \"marks\": [\"\", \";\", \",\"],"
      " \"numbers\": {\"strip_zeros\": true}}",
      "the first token of ',' between two numbers depends on the second one" },
};

/* Creates an instance for the format and compiles a molecule. @return CG_OK or a refusal */
static cg_status try_format(const subject *s, const char *format, cg_error *err)
{
    static const char smiles[] = "C[C@H](N)C(=O)O";
    cg_conformer_format conformer;
    cg_number_list numbers = { 0 };
    cg_text_format text = s->format;
    cg_enriched_split split = { 0 };
    void *self = NULL;
    cg_status st;

    subject_read_format(format, &conformer);
    CG_TRY_GOTO(st, cg_number_list_create(&conformer, &numbers, err), out);
    cg_text_format_set_numbers(&text, &conformer, &numbers);
    CG_TRY_GOTO(st, cg_enriched_split_smiles(smiles, strlen(smiles), &conformer, &split, err), out);
    CG_TRY_GOTO(st, s->ops->create(&s->host.host, &s->vocabulary.vocabulary, &text, &self, err),
                out);
    s->ops->release(self, subject_compile(s, self, &split, err));
    st = err->code;
out:
    s->ops->destroy(self);
    cg_enriched_split_finish(&split);
    cg_number_list_finish(&numbers);
    return st;
}

int main(int argc, char **argv)
{
    int failures = 0;

    if (argc != 2)
        return 2;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_status st;
        subject s;

        subject_open(&s, cases[i].tokenizer, NULL, argv[1], "grammar");
        st = try_format(&s, cases[i].format, &err);
        if (st != CG_ERR_UNSUPPORTED || !strstr(err.msg, cases[i].reason)) {
            printf("FAILED %s, %s: status %d, '%s', wanted '%s'\n", cases[i].tokenizer,
                   cases[i].format, st, err.msg, cases[i].reason);
            failures++;
        }
        subject_close(&s);
    }
    printf("%zu formats, %d failures\n", sizeof cases / sizeof *cases, failures);
    return failures != 0;
}
