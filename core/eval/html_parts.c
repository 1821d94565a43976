/* SPDX-License-Identifier: MIT */
#include "eval/html_parts.h"

#include <string.h>

void cg_html_open_section(cg_buf *out, const char *title, const char *sentence)
{
    cg_buf_printf(out, "<section><h2>%s</h2>\n<p>%s</p>\n<div class=\"cards\">\n", title, sentence);
}

void cg_html_close_section(cg_buf *out)
{
    cg_buf_puts(out, "</div>\n</section>\n");
}

void cg_html_open_card(cg_buf *out, const char *title, const char *sentence)
{
    cg_buf_printf(out, "<div class=\"card\"><h3>%s</h3>\n", title);
    if (sentence)
        cg_buf_printf(out, "<p class=\"sentence\">%s</p>\n", sentence);
}

void cg_html_close_card(cg_buf *out)
{
    cg_buf_puts(out, "</div>\n");
}

const json_t *cg_html_json_at(const json_t *node, const char *path)
{
    char key[64];

    while (node) {
        size_t n = strcspn(path, ".");

        if (n >= sizeof key || !json_is_object(node))
            return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        node = json_object_get(node, key);
        if (!path[n])
            return json_is_null(node) ? NULL : node;
        path += n + 1;
    }
    return NULL;
}

void cg_html_put_check_name(cg_buf *out, const char *name)
{
    for (const char *c = name; *c; c++)
        cg_buf_putc(out, *c == '_' ? ' ' : *c);
}
