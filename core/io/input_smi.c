/* SPDX-License-Identifier: MIT */
#include "input_smi.h"

#include <string.h>
#include <strings.h>

/* A part of a line. */
struct span {
    const char *at;
    size_t len;
};

static struct span trimmed(const char *from, const char *to)
{
    while (from < to && *from == ' ')
        from++;
    while (to > from && to[-1] == ' ')
        to--;
    return (struct span) { from, (size_t)(to - from) };
}

/* Returns the trimmed column from *at to the next tab; moves *at past that tab. */
static struct span next_tab_column(const char **at, const char *end)
{
    const char *from = *at;
    const char *tab = memchr(from, '\t', (size_t)(end - from));

    *at = tab ? tab + 1 : end;
    return trimmed(from, tab ? tab : end);
}

static int is_number(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("0123456789+-.", s.at[i]))
            return 0;
    return s.len > 0;
}

int cg_smi_is_header(const cg_line *line)
{
    static const char *const words[] = { "smiles", "smi", "canonical_smiles", "isomeric_smiles" };
    size_t n = strcspn(line->text, " \t");

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (n == strlen(words[i]) && !strncasecmp(line->text, words[i], n))
            return 1;
    return 0;
}

void cg_smi_read(const cg_line *line, cg_input_fields *f)
{
    struct span name, count = { "", 0 };
    const char *end = line->text + line->len;
    const char *p = line->text;
    size_t n;

    if (cg_input_fields_reject_line(f, line))
        return;
    p += strspn(p, " ");
    n = strcspn(p, " \t");
    cg_buf_put(&f->smiles, p, n);
    p += n;
    if (memchr(p, '\t', (size_t)(end - p))) {
        p += strspn(p, " ");
        p += *p == '\t';
        name = next_tab_column(&p, end);
        count = next_tab_column(&p, end);
    } else {
        const char *blank;

        name = trimmed(p, end);
        blank = memchr(name.at, ' ', name.len);
        if (blank) {
            struct span last = trimmed(blank, name.at + name.len);

            if (is_number(last)) {
                count = last;
                name.len = (size_t)(blank - name.at);
            }
        }
    }
    cg_buf_put(&f->name, name.at, name.len);
    cg_input_fields_check_smiles(f);
    cg_input_fields_set_count(f, count.at, count.len);
}
