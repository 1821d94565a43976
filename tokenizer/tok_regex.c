/* SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tok_regex.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "base/size.h"
#include "tok_newer.h"
#include "tok_text.h"

#define MAX_DEPTH 64

typedef struct outbuf {
    char *s;
    size_t n, cap;
} outbuf;

/* A set of characters: its ASCII members, and the body of a bracket class for the UTF form. */
typedef struct charset {
    uint8_t ascii[128];
    outbuf utf;
} charset;

/* A class escape: \s, \d, \h, \w or \p{..}. */
typedef struct class_escape {
    char kind; /* 's', 'd', 'h', 'w', 'p' */
    int negated;
    char category[3];
} class_escape;

typedef struct translator {
    const char *s;
    size_t n, at;
    outbuf ascii, utf;
    uint8_t caseless[MAX_DEPTH + 1]; /* of the open groups */
    size_t depth;
    int last_letter; /* preceding literal, lower case; 0 if none */
    int patch_newer; /* PCRE2 is older than Unicode 16 */
    int nomem;
    cg_error *err;
} translator;

enum escape { ESC_CHAR, ESC_CLASS, ESC_ANCHOR, ESC_FAILED };

static void put(translator *t, outbuf *b, const char *text, size_t n)
{
    if (cg_grow((void **)&b->s, &b->cap, b->n + n + 1, 1)) {
        t->nomem = 1;
        return;
    }
    memcpy(b->s + b->n, text, n);
    b->n += n;
    b->s[b->n] = '\0';
}

static void CG_PRINTF(3, 4) putf(translator *t, outbuf *b, const char *fmt, ...)
{
    char text[64];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put(t, b, text, (size_t)n);
}

static void put_both(translator *t, const char *text, size_t n)
{
    put(t, &t->ascii, text, n);
    put(t, &t->utf, text, n);
    t->last_letter = 0;
}

static cg_status unsupported(translator *t, size_t at, const char *what)
{
    return cg_fail(t->err, CG_ERR_UNSUPPORTED, "regular expression, byte offset %zu: %s", at, what);
}

/* Writes a character as an escape, which is valid inside and outside a class. */
static void put_point(translator *t, outbuf *b, uint32_t cp)
{
    if (cp < 128 && isalnum((int)cp))
        putf(t, b, "%c", (char)cp);
    else if (cp < 256 && b == &t->ascii)
        putf(t, b, "\\x%02x", cp);
    else
        putf(t, b, "\\x{%x}", cp);
}

static int in_category(int cp, const char *category)
{
    const char *name = utf8proc_category_string(cp);

    return name[0] == category[0] && (!category[1] || name[1] == category[1]);
}

static int ascii_member(const class_escape *e, int c)
{
    switch (e->kind) {
    case 's':
        return cg_is_space((uint32_t)c);
    case 'h':
        return isxdigit(c) != 0;
    case 'w':
        return isalnum(c) || c == '_';
    default:
        return in_category(c, e->category);
    }
}

static void put_category(translator *t, outbuf *b, const char *category)
{
    uint32_t first = 1, last = 0;

    putf(t, b, "\\p{%s}", category);
    if (!t->patch_newer)
        return;
    for (size_t i = 0; i < sizeof newer_ranges / sizeof newer_ranges[0]; i++) {
        const struct newer_range *r = &newer_ranges[i];

        if (r->category[0] != category[0] || (category[1] && r->category[1] != category[1]))
            continue;
        if (first <= last && r->first == last + 1) {
            last = r->last;
            continue;
        }
        if (first <= last)
            putf(t, b, "\\x{%x}-\\x{%x}", first, last);
        first = r->first;
        last = r->last;
    }
    if (first <= last)
        putf(t, b, "\\x{%x}-\\x{%x}", first, last);
}

/* \w of Oniguruma: letters, marks, decimal digits, connectors, alphabetic symbols, and of Latin-1
 * the other numbers too. */
static void put_word_class(translator *t, outbuf *b)
{
    static const char *const categories[] = { "L", "M", "Nd", "Nl", "Pc" };
    static const char more[] = "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}\\x{24b6}-\\x{24e9}"
                               "\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}";

    for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++)
        put_category(t, b, categories[i]);
    put(t, b, more, sizeof more - 1);
}

/* Adds a class escape to a set; a negated one only if its complement can be listed. */
static cg_status set_add_class(translator *t, charset *set, const class_escape *e, size_t at)
{
    static const char space[] = "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}"
                                "\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";
    static const char no_space[] =
        "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}"
        "\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}"
        "\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}";
    static const char hex[] = "0-9A-Fa-f";
    static const char no_hex[] = "\\x{0}-\\x{2f}\\x{3a}-\\x{40}G-Z\\x{5b}-\\x{60}g-z"
                                 "\\x{7b}-\\x{10ffff}";

    for (int c = 0; c < 128; c++)
        if (ascii_member(e, c) != e->negated)
            set->ascii[c] = 1;
    if (e->kind == 's' || e->kind == 'h') {
        const char *body =
            e->kind == 's' ? (e->negated ? no_space : space) : (e->negated ? no_hex : hex);

        put(t, &set->utf, body, strlen(body));
        return CG_OK;
    }
    if (e->negated)
        return unsupported(t, at, "a negated property inside a bracket class is not supported");
    if (e->kind == 'w')
        put_word_class(t, &set->utf);
    else
        put_category(t, &set->utf, e->category);
    return CG_OK;
}

static void set_add_range(translator *t, charset *set, uint32_t first, uint32_t last)
{
    for (uint32_t c = first; c <= last && c < 128; c++)
        set->ascii[c] = 1;
    put_point(t, &set->utf, first);
    if (last > first) {
        put(t, &set->utf, "-", 1);
        put_point(t, &set->utf, last);
    }
}

/* Writes a set as one atom of both forms. */
static void put_set(translator *t, charset *set, int negate)
{
    int any = 0;

    if (t->caseless[t->depth])
        for (int c = 'a'; c <= 'z'; c++)
            set->ascii[c] = set->ascii[toupper(c)] = set->ascii[c] | set->ascii[toupper(c)];
    put(t, &t->ascii, "[", 1);
    for (int c = 0; c < 128; c++) {
        int last = c;

        if (set->ascii[c] == negate)
            continue;
        while (last < 127 && set->ascii[last + 1] != negate)
            last++;
        putf(t, &t->ascii, last > c ? "\\x%02x-\\x%02x" : "\\x%02x", c, last);
        any = 1;
        c = last;
    }
    if (!any)
        put(t, &t->ascii, "^\\x00-\\x7f", 10); /* no ASCII character */
    put(t, &t->ascii, "]", 1);
    putf(t, &t->utf, negate ? "[^" : "[");
    put(t, &t->utf, set->utf.s ? set->utf.s : "", set->utf.n);
    put(t, &t->utf, "]", 1);
    t->last_letter = 0;
}

static cg_status put_literal(translator *t, uint32_t cp, size_t at)
{
    charset none = { { 0 }, { NULL, 0, 0 } };

    if (t->caseless[t->depth]) {
        int c = cp < 128 ? tolower((int)cp) : 0, p = t->last_letter;

        /* in Oniguruma, these pairs also match a ligature or sharp s */
        if ((p == 's' && (c == 's' || c == 't')) ||
            (p == 'f' && (c == 'f' || c == 'i' || c == 'l')))
            return unsupported(t, at, "this case-insensitive pair of letters is not supported");
        if (cp >= 128)
            return unsupported(t, at, "a case-insensitive character beyond ASCII is not supported");
    }
    if (cp < 128) {
        put_point(t, &t->ascii, cp);
        put_point(t, &t->utf, cp);
        t->last_letter = isalpha((int)cp) ? tolower((int)cp) : 0;
        return CG_OK;
    }
    set_add_range(t, &none, cp, cp);
    put_set(t, &none, 0);
    free(none.utf.s);
    return CG_OK;
}

/* Length of "{Name}" for a message. */
static size_t property_len(const translator *t, size_t start)
{
    const char *end = t->n > start ? memchr(t->s + start, '}', t->n - start) : NULL;
    size_t len = end ? (size_t)(end + 1 - (t->s + start)) : 0;

    return len < 40 ? len : 0;
}

/* Parses \p{Name} or \p{^Name}, after the letter p or P. */
static cg_status parse_property(translator *t, class_escape *e)
{
    static const char known[][3] = { "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "N",
                                     "Nd", "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe",
                                     "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk", "So",
                                     "Z",  "Zs", "Zl", "Zp", "Cc", "Cf", "Co" };
    size_t start = t->at, len = 0;

    if (t->at < t->n && t->s[t->at] == '{') {
        t->at++;
        if (t->at < t->n && t->s[t->at] == '^') {
            e->negated = !e->negated;
            t->at++;
        }
        while (t->at + len < t->n && t->s[t->at + len] != '}')
            len++;
        for (size_t i = 0; i < sizeof known / sizeof known[0] && t->at + len < t->n; i++) {
            if (len != strlen(known[i]) || memcmp(known[i], t->s + t->at, len) != 0)
                continue;
            memset(e->category, 0, sizeof e->category);
            memcpy(e->category, known[i], len);
            t->at += len + 1;
            if (t->caseless[t->depth] && e->category[0] == 'L' && len == 2)
                return unsupported(t, start,
                                   "a case-insensitive class of one letter case is not supported");
            e->kind = 'p';
            return CG_OK;
        }
    }
    return cg_fail(t->err, CG_ERR_UNSUPPORTED,
                   "regular expression, byte offset %zu: \\p%.*s: only general categories are "
                   "supported (L, Lu, ..., Cc, Cf)",
                   start, (int)property_len(t, start), t->s + start);
}

static enum escape parse_hex(translator *t, int c, uint32_t *ret_cp)
{
    size_t start = t->at, digits = 0, most = c == 'u' ? 4 : 2;
    int braces = c == 'x' && t->at < t->n && t->s[t->at] == '{';
    uint32_t cp = 0;

    if (braces) {
        t->at++;
        most = 6;
    }
    while (digits < most && t->at < t->n && isxdigit((unsigned char)t->s[t->at])) {
        int d = tolower((unsigned char)t->s[t->at++]);

        cp = cp * 16 + (uint32_t)(d <= '9' ? d - '0' : d - 'a' + 10);
        digits++;
    }
    if (!digits || (c == 'u' && digits != 4) || (braces && (t->at >= t->n || t->s[t->at] != '}'))) {
        unsupported(t, start, "bad hexadecimal escape");
        return ESC_FAILED;
    }
    if (braces)
        t->at++;
    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) || (c == 'x' && !braces && cp > 0x7f)) {
        unsupported(t, start, "hexadecimal escape does not name a character");
        return ESC_FAILED;
    }
    *ret_cp = cp;
    return ESC_CHAR;
}

/* Parses an escape, after its backslash. The letter of an anchor is returned in *ret_cp. */
static enum escape parse_escape(translator *t, int in_class, uint32_t *ret_cp, class_escape *e)
{
    size_t start = t->at, len;
    char c;

    if (t->at >= t->n) {
        unsupported(t, start, "a backslash at the end");
        return ESC_FAILED;
    }
    if ((unsigned char)t->s[t->at] >= 0x80) {
        *ret_cp = cg_utf8_get(t->s + t->at, &len);
        t->at += len;
        return ESC_CHAR;
    }
    c = t->s[t->at++];
    e->negated = isupper((unsigned char)c) != 0;
    switch (c) {
    case 's':
    case 'S':
    case 'h':
    case 'H':
    case 'w':
    case 'W':
        e->kind = (char)tolower((unsigned char)c);
        return ESC_CLASS;
    case 'd':
    case 'D':
        e->kind = 'd';
        memcpy(e->category, "Nd", 3);
        return ESC_CLASS;
    case 'p':
    case 'P':
        return parse_property(t, e) == CG_OK ? ESC_CLASS : ESC_FAILED;
    case 'n':
        *ret_cp = '\n';
        return ESC_CHAR;
    case 'r':
        *ret_cp = '\r';
        return ESC_CHAR;
    case 't':
        *ret_cp = '\t';
        return ESC_CHAR;
    case 'f':
        *ret_cp = '\f';
        return ESC_CHAR;
    case 'v':
        *ret_cp = 0x0b;
        return ESC_CHAR;
    case 'a':
        *ret_cp = 0x07;
        return ESC_CHAR;
    case 'e':
        *ret_cp = 0x1b;
        return ESC_CHAR;
    case 'x':
    case 'u':
        return parse_hex(t, c, ret_cp);
    case 'A':
    case 'z':
    case 'Z':
    case 'b':
    case 'B':
        *ret_cp = (uint32_t)c;
        if (!in_class)
            return ESC_ANCHOR;
        break;
    default:
        if (!isalnum((unsigned char)c)) {
            *ret_cp = (unsigned char)c;
            return ESC_CHAR;
        }
    }
    cg_fail(t->err, CG_ERR_UNSUPPORTED,
            "regular expression, byte offset %zu: the escape \\%c is not supported%s", start, c,
            in_class ? " in a bracket class" : "");
    return ESC_FAILED;
}

/* Parses a bracket class, after its '['. */
static cg_status parse_class(translator *t)
{
    charset set = { { 0 }, { NULL, 0, 0 } };
    size_t start = t->at, items = 0;
    cg_status st = CG_OK;
    int negate = 0;

    if (t->at < t->n && t->s[t->at] == '^') {
        negate = 1;
        t->at++;
    }
    for (;; items++) {
        class_escape e = { 0 };
        uint32_t first, last;
        size_t here = t->at, len;

        if (t->at >= t->n) {
            st = cg_fail(t->err, CG_ERR_FORMAT,
                         "regular expression, byte offset %zu: bracket class without its ']'",
                         start);
            goto out;
        }
        if (t->s[t->at] == ']' && items)
            break;
        if (t->s[t->at] == '[' || t->s[t->at] == ']' ||
            (t->s[t->at] == '&' && t->at + 1 < t->n && t->s[t->at + 1] == '&')) {
            st = unsupported(t, here,
                             "unescaped '[', leading ']' or '&&' inside a bracket class "
                             "is not supported");
            goto out;
        }
        if (t->s[t->at] == '\\') {
            enum escape kind;

            t->at++;
            kind = parse_escape(t, 1, &first, &e);
            if (kind == ESC_FAILED) {
                st = CG_ERR_UNSUPPORTED;
                goto out;
            }
            if (kind == ESC_CLASS) {
                CG_TRY_GOTO(st, set_add_class(t, &set, &e, here), out);
                if (t->at + 1 < t->n && t->s[t->at] == '-' && t->s[t->at + 1] != ']') {
                    st = unsupported(t, t->at, "a range that starts with a class is not supported");
                    goto out;
                }
                continue;
            }
        } else {
            first = cg_utf8_get(t->s + t->at, &len);
            t->at += len;
            if (first == '-' && items && t->at < t->n && t->s[t->at] != ']') {
                st = unsupported(
                    t, here,
                    "'-' between ranges is not supported; put it first or last, or escape it");
                goto out;
            }
        }
        last = first;
        if (t->at + 1 < t->n && t->s[t->at] == '-' && t->s[t->at + 1] != ']') {
            t->at++;
            if (t->s[t->at] == '\\') {
                t->at++;
                if (parse_escape(t, 1, &last, &e) != ESC_CHAR) {
                    st = unsupported(t, here,
                                     "a range that does not end with a character is not supported");
                    goto out;
                }
            } else {
                last = cg_utf8_get(t->s + t->at, &len);
                t->at += len;
                if (last == '[') {
                    st = unsupported(t, here,
                                     "unescaped '[' inside a bracket class is not supported");
                    goto out;
                }
            }
            if (last < first) {
                st = cg_fail(
                    t->err, CG_ERR_FORMAT,
                    "regular expression, byte offset %zu: character range '%.*s' is out of order",
                    here, (int)(t->at - here), t->s + here);
                goto out;
            }
        }
        if (t->caseless[t->depth] && last >= 128) {
            st = unsupported(t, here, "a case-insensitive character beyond ASCII is not supported");
            goto out;
        }
        set_add_range(t, &set, first, last);
    }
    t->at++;
    put_set(t, &set, negate);
out:
    free(set.utf.s);
    return st;
}

/* Parses the start of a group, after its '('. */
static cg_status parse_group(translator *t)
{
    static const char *const plain[] = { "?:", "?=", "?!", "?<=", "?<!", "?>" };
    const char *rest = t->s + t->at;
    size_t left = t->n - t->at;
    const char *open = NULL;
    int caseless = t->caseless[t->depth];

    if (t->depth == MAX_DEPTH)
        return cg_fail(t->err, CG_ERR_LIMIT,
                       "regular expression, byte offset %zu: more than %d nested groups", t->at,
                       MAX_DEPTH);
    if (left >= 3 && !memcmp(rest, "?i:", 3)) {
        caseless = 1;
        open = "(?i:";
        t->at += 3;
    } else if (left >= 3 && !memcmp(rest, "?i)", 3) && t->at == 1) {
        /* at the start of the pattern the option applies to all of it in both syntaxes */
        t->caseless[0] = 1;
        t->at += 3;
        put_both(t, "(?i)", 4);
        return CG_OK;
    } else if (left && (*rest == '?' || *rest == '*')) {
        for (size_t i = 0; i < sizeof plain / sizeof plain[0] && !open; i++)
            if (left >= strlen(plain[i]) && !memcmp(rest, plain[i], strlen(plain[i])))
                open = plain[i];
        if (!open)
            return unsupported(t, t->at, "this kind of group or option is not supported");
        t->at += strlen(open);
        put_both(t, "(", 1);
    } else {
        open = "(?:"; /* back references are refused, so captures are not needed */
    }
    put_both(t, open, strlen(open));
    t->caseless[++t->depth] = (uint8_t)caseless;
    return CG_OK;
}

static size_t digits_at(const translator *t, size_t at)
{
    size_t n = 0;

    while (at + n < t->n && isdigit((unsigned char)t->s[at + n]))
        n++;
    return n;
}

/* Parses '{': an interval, or otherwise a literal brace. */
static cg_status parse_brace(translator *t)
{
    size_t at = t->at + 1, low = digits_at(t, at), high = 0;
    int comma = 0;

    at += low;
    if (at < t->n && t->s[at] == ',') {
        comma = 1;
        at++;
        high = digits_at(t, at);
        at += high;
    }
    if (at >= t->n || t->s[at] != '}' || (!low && !high)) {
        t->at++;
        return put_literal(t, '{', t->at - 1);
    }
    at++;
    if (at < t->n && t->s[at] == '+')
        return unsupported(t, at, "'+' after an interval is not supported");
    if (at < t->n && t->s[at] == '?' && !comma)
        return unsupported(t, at, "'?' after a fixed interval is not supported");
    if (!low)
        put_both(t, "{0", 2); /* {,n} */
    put_both(t, t->s + t->at + (low ? 0 : 1), at - t->at - (low ? 0 : 1));
    t->at = at;
    return CG_OK;
}

/* \b and \B, as assertions on the characters of \w on both sides. */
static cg_status put_boundary(translator *t, int negated, size_t at)
{
    const char *const texts[] = { "(?:(?<=", negated ? ")(?=" : ")(?!", ")|(?<!",
                                  negated ? ")(?!" : ")(?=", "))" };
    charset set = { { 0 }, { NULL, 0, 0 } };
    class_escape word = { .kind = 'w' };
    cg_status st = set_add_class(t, &set, &word, at);

    for (int i = 0; i < 5 && st == CG_OK; i++) {
        put_both(t, texts[i], strlen(texts[i]));
        if (i < 4)
            put_set(t, &set, 0);
    }
    free(set.utf.s);
    return st;
}

static cg_status parse_atom(translator *t)
{
    size_t here = t->at, len;
    char c = t->s[t->at];

    switch (c) {
    case '\\': {
        class_escape e = { 0 };
        uint32_t cp = 0;

        t->at++;
        switch (parse_escape(t, 0, &cp, &e)) {
        case ESC_CHAR:
            return put_literal(t, cp, here);
        case ESC_ANCHOR: {
            char text[2] = { '\\', (char)cp };

            if (cp == 'b' || cp == 'B')
                return put_boundary(t, cp == 'B', here);
            put_both(t, text, 2);
            return CG_OK;
        }
        case ESC_CLASS: {
            charset set = { { 0 }, { NULL, 0, 0 } };
            int negate = e.negated;
            cg_status st;

            e.negated = 0;
            if ((st = set_add_class(t, &set, &e, here)) == CG_OK)
                put_set(t, &set, negate);
            free(set.utf.s);
            return st;
        }
        case ESC_FAILED:
            break;
        }
        return CG_ERR_UNSUPPORTED;
    }
    case '[':
        t->at++;
        return parse_class(t);
    case '(':
        t->at++;
        return parse_group(t);
    case ')':
        if (!t->depth)
            return cg_fail(t->err, CG_ERR_FORMAT,
                           "regular expression, byte offset %zu: ')' without '('", here);
        t->depth--;
        t->at++;
        put_both(t, ")", 1);
        return CG_OK;
    case '{':
        return parse_brace(t);
    case '|':
    case '*':
    case '+':
    case '?':
    case '.':
    case '^':
    case '$':
        t->at++;
        put_both(t, &c, 1);
        return CG_OK;
    default: {
        uint32_t cp = cg_utf8_get(t->s + t->at, &len);

        t->at += len;
        return put_literal(t, cp, here);
    }
    }
}

static cg_status finish(translator *t, cg_status st, char **ret_ascii, char **ret_utf)
{
    put(t, &t->ascii, "", 0);
    put(t, &t->utf, "", 0);
    if (t->nomem) /* overrides st: lost output may have looked like an error */
        st = cg_fail_nomem(t->err, "regular expression");
    if (st != CG_OK) {
        free(t->ascii.s);
        free(t->utf.s);
        return st;
    }
    *ret_ascii = t->ascii.s;
    *ret_utf = t->utf.s;
    return CG_OK;
}

static cg_status start(translator *t, const char *src, size_t len, cg_error *err)
{
    char version[64] = "";
    int ascii;

    *t = (translator) { .s = src, .n = len, .err = err };
    if (len > CG_REGEX_MAX)
        return cg_fail(err, CG_ERR_LIMIT, "regular expression: found %zu bytes, wanted at most %d",
                       len, CG_REGEX_MAX);
    if (!len)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "the empty pattern is not supported");
    if (cg_utf8_check(src, len, &ascii) != len)
        return cg_fail(err, CG_ERR_FORMAT, "regular expression is not UTF-8");
    if (pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, NULL) < (int)sizeof version)
        pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, version);
    t->patch_newer = atoi(version) < 16;
    return CG_OK;
}

cg_status cg_regex_translate(const char *src, size_t len, char **ret_ascii, char **ret_utf,
                             cg_error *err)
{
    translator t;
    cg_status st = start(&t, src, len, err);

    while (st == CG_OK && t.at < t.n && !t.nomem)
        st = parse_atom(&t);
    if (st == CG_OK && t.depth)
        st = cg_fail(err, CG_ERR_FORMAT, "regular expression: '(' without ')'");
    return finish(&t, st, ret_ascii, ret_utf);
}

cg_status cg_regex_quote(const char *src, size_t len, char **ret_ascii, char **ret_utf,
                         cg_error *err)
{
    translator t;
    cg_status st = start(&t, src, len, err);

    while (st == CG_OK && t.at < t.n && !t.nomem) {
        size_t n;
        uint32_t cp = cg_utf8_get(t.s + t.at, &n);

        st = put_literal(&t, cp, t.at);
        t.at += n;
    }
    return finish(&t, st, ret_ascii, ret_utf);
}
