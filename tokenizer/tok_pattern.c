/* SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tok_pattern.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "tok_regex.h"

/* Limit of backtracking steps per match attempt. Patterns in use need a few per character. */
#define MATCH_LIMIT    10000000u
#define HEAP_LIMIT_KIB (64u * 1024)
#define JIT_STACK_MAX  (8u * 1024 * 1024)

struct cg_pattern {
    pcre2_code *code[2]; /* [ascii] */
    int jit[2];
    pcre2_match_context *context; /* limits; not modified after creation */
};

static cg_status compile_one(const char *text, uint32_t options, pcre2_code **ret_code,
                             int *ret_jit, cg_error *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    PCRE2_UCHAR reason[200] = "";
    PCRE2_SIZE offset = 0;
    int code = 0;

    if (!context)
        return cg_fail_nomem(err, "regular expression");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    *ret_code =
        pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                      options | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &offset, context);
    pcre2_compile_context_free(context);
    if (!*ret_code) {
        pcre2_get_error_message(code, reason, sizeof reason);
        return cg_fail(err, CG_ERR_FORMAT, "regular expression: %s", (char *)reason);
    }
    /* Without JIT support the interpreter finds the same matches, slower. */
    *ret_jit = pcre2_jit_compile(*ret_code, PCRE2_JIT_COMPLETE) == 0;
    return CG_OK;
}

cg_status cg_pattern_create(const char *src, size_t len, int literal, cg_pattern **ret_pattern,
                            cg_error *err)
{
    char *ascii = NULL, *utf = NULL;
    cg_pattern *p = calloc(1, sizeof *p);
    cg_status st;

    if (!p)
        return cg_fail_nomem(err, "regular expression");
    st = literal ? cg_regex_quote(src, len, &ascii, &utf, err)
                 : cg_regex_translate(src, len, &ascii, &utf, err);
    if (st != CG_OK)
        goto out;
    CG_TRY_GOTO(st, compile_one(ascii, 0, &p->code[1], &p->jit[1], err), out);
    CG_TRY_GOTO(st, compile_one(utf, PCRE2_UTF, &p->code[0], &p->jit[0], err), out);
    p->context = pcre2_match_context_create(NULL);
    if (!p->context) {
        st = cg_fail_nomem(err, "regular expression");
        goto out;
    }
    pcre2_set_match_limit(p->context, MATCH_LIMIT);
    pcre2_set_heap_limit(p->context, HEAP_LIMIT_KIB);
    *ret_pattern = p;
    p = NULL;
out:
    free(ascii);
    free(utf);
    cg_pattern_destroy(p);
    return st;
}

void cg_pattern_destroy(cg_pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code[0]);
    pcre2_code_free(pattern->code[1]);
    pcre2_match_context_free(pattern->context);
    free(pattern);
}

void cg_match_memory_finish(cg_match_memory *memory)
{
    pcre2_match_data_free(memory->data);
    pcre2_match_context_free(memory->context);
    pcre2_jit_stack_free(memory->stack);
    *memory = (cg_match_memory) { NULL, NULL, NULL };
}

/* Repeats a match that exceeded the 32 KiB of machine stack, on a separate larger stack. */
static int match_on_large_stack(cg_match_iterator *it, const pcre2_code *code)
{
    cg_match_memory *m = it->memory;

    if (!m->stack) {
        m->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK_MAX, NULL);
        m->context = pcre2_match_context_create(NULL);
        if (!m->stack || !m->context)
            return PCRE2_ERROR_NOMEMORY;
        pcre2_set_match_limit(m->context, MATCH_LIMIT);
        pcre2_jit_stack_assign(m->context, NULL, m->stack);
    }
    return pcre2_jit_match(code, (PCRE2_SPTR)it->text, it->len, it->at, 0, m->data, m->context);
}

static int match(cg_match_iterator *it)
{
    const cg_pattern *p = it->pattern;
    const pcre2_code *code = p->code[it->ascii];
    int rc;

    if (!p->jit[it->ascii])
        return pcre2_match(code, (PCRE2_SPTR)it->text, it->len, it->at, PCRE2_NO_UTF_CHECK,
                           it->memory->data, p->context);
    rc = pcre2_jit_match(code, (PCRE2_SPTR)it->text, it->len, it->at, 0, it->memory->data,
                         p->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = match_on_large_stack(it, code);
    return rc;
}

int cg_match_next(cg_match_iterator *it, size_t *ret_start, size_t *ret_end, cg_error *err)
{
    const PCRE2_SIZE *range;

    if (!it->memory->data) {
        it->memory->data = pcre2_match_data_create(1, NULL);
        if (!it->memory->data) {
            cg_fail_nomem(err, "pre-tokenizer");
            return -1;
        }
    }
    range = pcre2_get_ovector_pointer(it->memory->data);
    while (it->at <= it->len) {
        int rc = match(it);

        if (rc == PCRE2_ERROR_NOMATCH)
            break;
        if (rc == PCRE2_ERROR_NOMEMORY) {
            cg_fail_nomem(err, "pre-tokenizer");
            return -1;
        }
        if (rc == PCRE2_ERROR_MATCHLIMIT) {
            cg_fail(err, CG_ERR_LIMIT,
                    "the pre-tokenizer's pattern exceeds its backtracking limit at offset %zu of a "
                    "piece of %zu bytes",
                    it->at, it->len);
            return -1;
        }
        if (rc < 0) {
            PCRE2_UCHAR reason[200] = "";

            pcre2_get_error_message(rc, reason, sizeof reason);
            cg_fail(err, CG_ERR_LIMIT,
                    "the pre-tokenizer's pattern fails at offset %zu of a piece of %zu bytes: %s",
                    it->at, it->len, (char *)reason);
            return -1;
        }
        if (range[0] == range[1] && range[1] == it->last_end) {
            do
                it->at++;
            while (it->at < it->len && ((unsigned char)it->text[it->at] & 0xc0) == 0x80);
            continue;
        }
        *ret_start = range[0];
        *ret_end = it->at = it->last_end = range[1];
        return 1;
    }
    return 0;
}
