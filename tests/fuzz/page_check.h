/* SPDX-License-Identifier: MIT */
/** @file page_check.h  Well-formed pages without foreign tags. Test code only. */
#ifndef CG_TESTS_PAGE_CHECK_H
#define CG_TESTS_PAGE_CHECK_H

#include "base/buf.h"
#include "base/utf8.h"

#include "fuzz.h"

enum { PAGE_DEPTH = 64, PAGE_NAME = 32 };

/* 1 if one of these is at s: the only references that the page may hold. */
static inline int page_reference(const char *s)
{
    static const char *const known[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strncmp(s, known[i], strlen(known[i])))
            return 1;
    return 0;
}

/* Skips one character of text or of an attribute's value, which must be allowed in XML. */
static inline const char *page_character(const char *s)
{
    int n = cg_utf8_length((const unsigned char *)s);

    require(n > 0);
    require((unsigned char)*s >= 0x20 || *s == '\n' || *s == '\t' || *s == '\r');
    require(*s != '<' && *s != '>' && (*s != '&' || page_reference(s)));
    return s + n;
}

/* Reads a tag after '<' up to its end; appends its name and its attributes' names to *shape. */
static inline const char *page_tag(const char *s, cg_buf *shape)
{
    size_t len = strcspn(s, " \n/>");

    require(len > 0 && len < PAGE_NAME);
    cg_buf_printf(shape, "<%.*s", (int)len, s);
    s += len;
    for (;;) {
        s += strspn(s, " \n");
        if (*s == '>' || *s == '/')
            return s;
        len = strcspn(s, "= \n/>");
        require(len > 0 && s[len] == '=' && s[len + 1] == '"');
        cg_buf_printf(shape, " %.*s", (int)len, s);
        require(strncmp(s, "on", 2)); /* no event handlers */
        for (s += len + 2; *s != '"';)
            s = page_character(s);
        s++;
    }
}

/**
 * Checks that a page is well-formed; appends its tags with the names of their attributes to
 * *shape, which is the same for equal pages whatever their texts.
 */
static inline void page_check(const char *page, cg_buf *shape)
{
    char open[PAGE_DEPTH][PAGE_NAME];
    const char *s = page;
    int depth = 0;

    if (!strncmp(s, "<!DOCTYPE html>\n", 16))
        s += 16;
    while (*s) {
        size_t len;

        if (*s != '<') {
            s = page_character(s);
            continue;
        }
        if (s[1] == '/') {
            len = strcspn(s + 2, ">");
            require(depth-- > 0);
            require(strlen(open[depth]) == len && !strncmp(open[depth], s + 2, len));
            s += len + 3;
            continue;
        }
        len = strcspn(s + 1, " \n/>");
        require(depth < PAGE_DEPTH && len < PAGE_NAME);
        snprintf(open[depth], PAGE_NAME, "%.*s", (int)len, s + 1);
        require(strcmp(open[depth], "script"));
        s = page_tag(s + 1, shape);
        if (*s == '/') {
            require(s[1] == '>');
            s += 2;
            continue;
        }
        s++;
        if (!strcmp(open[depth++], "style")) { /* CSS may contain > */
            s = strstr(s, "</style>");
            require(s);
        }
    }
    require(depth == 0);
}

#endif
