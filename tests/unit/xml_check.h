/* SPDX-License-Identifier: MIT */
/** @file xml_check.h  Checks that a text is well-formed, for the XML that we write. Test code only.
 */
#ifndef CG_TEST_XML_CHECK_H
#define CG_TEST_XML_CHECK_H

#include "scratch.h"

#include <ctype.h>

enum { XML_DEPTH = 64, XML_NAME = 32 };

/* Length of the predefined reference at s ("&amp;"), 0 if there is none. */
static inline size_t xml_reference(const char *s)
{
    static const char *const known[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strncmp(s, known[i], strlen(known[i])))
            return strlen(known[i]);
    return 0;
}

/* Checks the attributes of a tag from s on: unique names, quoted values. Returns their end. */
static inline const char *xml_attributes(const char *s, const char *tag)
{
    char seen[16][XML_NAME];
    int n = 0;

    while (isspace((unsigned char)*s)) {
        size_t len;

        while (isspace((unsigned char)*s))
            s++;
        if (*s == '>' || *s == '/')
            break;
        len = strcspn(s, "= \n>");
        ck_assert_msg(len && len < XML_NAME && s[len] == '=' && s[len + 1] == '"', "in <%s>: %.40s",
                      tag, s);
        ck_assert_int_lt(n, 16);
        snprintf(seen[n], XML_NAME, "%.*s", (int)len, s);
        for (int i = 0; i < n; i++)
            ck_assert_msg(strcmp(seen[i], seen[n]) != 0, "<%s> has %s twice", tag, seen[n]);
        n++;
        for (s += len + 2; *s != '"'; s++) {
            ck_assert_msg(*s && *s != '<', "<%s>: value of %s", tag, seen[n - 1]);
            ck_assert_msg(*s != '&' || xml_reference(s), "<%s>: %.20s", tag, s);
        }
        s++;
    }
    return s;
}

/** Fails the test if tags are unbalanced, or if text or attributes contain invalid characters. */
static inline void xml_check(const char *s)
{
    char open[XML_DEPTH][XML_NAME];
    int depth = 0, roots = 0;

    if (!strncmp(s, "<!DOCTYPE html>\n", 16))
        s += 16;
    while (*s) {
        char tag[XML_NAME];
        size_t len;

        if (*s != '<') {
            unsigned char c = (unsigned char)*s;

            ck_assert_msg(c >= 0x20 || c == '\n' || c == '\t', "control character %d", c);
            ck_assert_msg(c != '>' && (c != '&' || xml_reference(s)), "text: %.40s", s);
            ck_assert_msg(depth || isspace(c), "text outside of the root: %.40s", s);
            s++;
            continue;
        }
        if (s[1] == '/') {
            len = strcspn(s + 2, ">");
            ck_assert_msg(depth > 0 && len < XML_NAME, "nothing is open: %.40s", s);
            depth--;
            ck_assert_msg(strlen(open[depth]) == len && !strncmp(open[depth], s + 2, len),
                          "<%s> is open, found %.40s", open[depth], s);
            s += len + 3;
            continue;
        }
        len = strcspn(s + 1, " \n/>");
        ck_assert_msg(len && len < XML_NAME, "no tag: %.40s", s);
        snprintf(tag, sizeof tag, "%.*s", (int)len, s + 1);
        s = xml_attributes(s + 1 + len, tag);
        if (s[0] == '/' && s[1] == '>') {
            s += 2;
            continue;
        }
        ck_assert_msg(*s == '>' && depth < XML_DEPTH, "<%s>: %.40s", tag, s);
        roots += depth == 0;
        snprintf(open[depth++], XML_NAME, "%s", tag);
        s++;
        if (!strcmp(tag, "style")) { /* CSS may contain > */
            const char *end = strstr(s, "</style>");

            ck_assert_ptr_nonnull(end);
            ck_assert_ptr_null(memchr(s, '<', (size_t)(end - s)));
            ck_assert_ptr_null(memchr(s, '&', (size_t)(end - s)));
            s = end;
        }
    }
    ck_assert_msg(!depth, "<%s> is not closed", depth ? open[depth - 1] : "");
    ck_assert_int_eq(roots, 1);
}

/* How often a text has a part. */
static inline int xml_count(const char *text, const char *part)
{
    int n = 0;

    for (; (text = strstr(text, part)); text++)
        n++;
    return n;
}

#endif
