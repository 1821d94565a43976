/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/text.h"
#include "base/utf8.h"

static const char *const format_names[] = { "sdf", "xyz", "smiles3d", "json" };

enum { N_FORMATS = sizeof format_names / sizeof *format_names };

cg_status cg_record_format_parse(const char *name, cg_record_format *ret_format, cg_error *err)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (!strcmp(name, format_names[i])) {
            *ret_format = (cg_record_format)i;
            return CG_OK;
        }
    return cg_fail(err, CG_ERR_USAGE, "--format '%s': unknown, wanted sdf, xyz, smiles3d or json",
                   name);
}

const char *cg_record_format_name(cg_record_format format)
{
    return format_names[format];
}

/* ---- writing ---------------------------------------------------------------------------- */

static int is_utf8(const char *s)
{
    int n;

    for (; *s; s += n)
        if ((n = cg_utf8_length((const unsigned char *)s)) == 0)
            return 0;
    return 1;
}

cg_status cg_record_check_name(cg_record_format format, const char *name, cg_error *err)
{
    if (format == CG_RECORD_JSON && !is_utf8(name))
        return cg_fail(err, CG_ERR_INPUT,
                       "the name '%.60s' is not UTF-8, wanted a name that a json record can hold; "
                       "--format sdf holds it",
                       name);
    if (format == CG_RECORD_JSON)
        return CG_OK;
    for (size_t i = 0; name[i]; i++)
        if (iscntrl((unsigned char)name[i]))
            return cg_fail(err, CG_ERR_INPUT,
                           "the name '%.60s' has a control character (byte 0x%02x at position "
                           "%zu), wanted a name that a record of format %s can hold; --format json "
                           "holds it",
                           name, (unsigned char)name[i], i + 1, format_names[format]);
    if (format == CG_RECORD_SDF && !strncmp(name, "$$$$", 4))
        return cg_fail(err, CG_ERR_INPUT,
                       "the name '%.60s' starts with '$$$$', which ends a record of an SDF; give "
                       "it another name or choose --format xyz or json",
                       name);
    return CG_OK;
}

/* Writes text with control characters replaced by blanks. */
static void put_one_line(cg_buf *out, const char *s)
{
    for (; *s; s++)
        cg_buf_putc(out, iscntrl((unsigned char)*s) ? ' ' : *s);
}

static void put_sdf_item(cg_buf *out, const char *key, const char *value)
{
    cg_buf_printf(out, ">  <%s>\n", key);
    /* An empty line ends the item; an empty value has no line. */
    if (*value) {
        put_one_line(out, value);
        cg_buf_putc(out, '\n');
    }
    cg_buf_putc(out, '\n');
}

/* Finds the lines of a molblock between its title and the line "M  END"; 0 if it has none. The
 * title may hold any text, "M  END" too. */
static int find_block_body(const char *molblock, const char **ret_body, size_t *ret_len)
{
    const char *title_end = molblock ? strchr(molblock, '\n') : NULL;
    const char *end = title_end ? strstr(title_end, "\nM  END") : NULL;

    if (!end)
        return 0;
    *ret_body = title_end + 1;
    *ret_len = (size_t)(end - title_end);
    return 1;
}

static cg_status write_sdf(const cg_record_conformer *c, cg_buf *out, cg_error *err)
{
    const char *body;
    char number[32];
    size_t body_len;

    if (!find_block_body(c->molblock, &body, &body_len))
        return cg_fail(err, CG_ERR_INTERNAL,
                       "record of '%s': no molblock from a title line to 'M  END'", c->name);
    cg_buf_puts(out, c->name);
    cg_buf_putc(out, '\n');
    cg_buf_put(out, body, body_len);
    cg_buf_puts(out, "M  END\n");
    put_sdf_item(out, "name", c->name);
    put_sdf_item(out, "SMILES", c->smiles);
    snprintf(number, sizeof number, "%" PRId64, c->generation);
    put_sdf_item(out, "generation", number);
    snprintf(number, sizeof number, "%" PRIu64, c->seed);
    put_sdf_item(out, "seed", number);
    for (size_t i = 0; i < c->n_tags; i++)
        put_sdf_item(out, c->tags[i].key, c->tags[i].value);
    cg_buf_puts(out, "$$$$\n");
    return CG_OK;
}

static cg_status check_coordinates(const cg_record_conformer *c, cg_error *err)
{
    if (c->n_atoms && (!c->elements || !c->xyz))
        return cg_fail(err, CG_ERR_INTERNAL, "record of '%s': no elements or coordinates", c->name);
    for (size_t i = 0; i < c->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            if (!isfinite(c->xyz[i][k]))
                return cg_fail(err, CG_ERR_INTERNAL,
                               "record of '%s': coordinate %d of atom %zu is not finite", c->name,
                               k, i);
    return CG_OK;
}

static void put_coordinate(cg_buf *out, int decimals, double v)
{
    char text[400]; /* the longest double has 309 digits before the point */
    int n = snprintf(text, sizeof text, "%.*f", decimals, v);

    /* No negative zero. */
    if (text[0] == '-' && strspn(text, "-0.") == (size_t)n)
        cg_buf_put(out, text + 1, (size_t)n - 1);
    else
        cg_buf_put(out, text, (size_t)n);
}

/* Writes ` key="value"` of extended XYZ: backslashes and quotes are escaped. */
static void put_xyz_string(cg_buf *out, const char *key, const char *value)
{
    cg_buf_printf(out, " %s=\"", key);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            cg_buf_putc(out, '\\');
        cg_buf_putc(out, iscntrl((unsigned char)*value) ? ' ' : *value);
    }
    cg_buf_putc(out, '"');
}

static cg_status write_xyz(const cg_record_conformer *c, cg_buf *out, cg_error *err)
{
    CG_TRY(check_coordinates(c, err));
    cg_buf_printf(out, "%zu\nProperties=species:S:1:pos:R:3", c->n_atoms);
    put_xyz_string(out, "name", c->name);
    put_xyz_string(out, "smiles", c->smiles);
    cg_buf_printf(out, " generation=%" PRId64 " seed=%" PRIu64, c->generation, c->seed);
    for (size_t i = 0; i < c->n_tags; i++)
        put_xyz_string(out, c->tags[i].key, c->tags[i].value);
    cg_buf_putc(out, '\n');
    for (size_t i = 0; i < c->n_atoms; i++) {
        cg_buf_puts(out, c->elements[i]);
        for (int k = 0; k < 3; k++) {
            cg_buf_putc(out, ' ');
            put_coordinate(out, c->decimals, c->xyz[i][k]);
        }
        cg_buf_putc(out, '\n');
    }
    return CG_OK;
}

static cg_status write_smiles3d(const cg_record_conformer *c, cg_buf *out, cg_error *err)
{
    if (!c->text)
        return cg_fail(err, CG_ERR_INTERNAL, "record of '%s': no enriched SMILES", c->name);
    put_one_line(out, c->text);
    cg_buf_putc(out, '\t');
    put_one_line(out, c->name);
    cg_buf_printf(out, "\t%" PRId64 "\t%" PRIu64, c->generation, c->seed);
    for (size_t i = 0; i < c->n_tags; i++) {
        cg_buf_printf(out, "\t%s=", c->tags[i].key);
        put_one_line(out, c->tags[i].value);
    }
    cg_buf_putc(out, '\n');
    return CG_OK;
}

static void put_json_item(cg_buf *out, const char *key, const char *value)
{
    cg_json_put_string(out, key);
    cg_buf_puts(out, ": ");
    cg_json_put_string(out, value);
}

static cg_status write_json(const cg_record_conformer *c, cg_buf *out, cg_error *err)
{
    CG_TRY(check_coordinates(c, err));
    cg_buf_putc(out, '{');
    put_json_item(out, "name", c->name);
    cg_buf_puts(out, ", ");
    put_json_item(out, "smiles", c->smiles);
    cg_buf_printf(out, ", \"generation\": %" PRId64 ", \"seed\": %" PRIu64 ", \"elements\": [",
                  c->generation, c->seed);
    for (size_t i = 0; i < c->n_atoms; i++) {
        cg_buf_puts(out, i ? ", " : "");
        cg_json_put_string(out, c->elements[i]);
    }
    cg_buf_puts(out, "], \"xyz\": [");
    for (size_t i = 0; i < c->n_atoms; i++) {
        cg_buf_puts(out, i ? ", [" : "[");
        for (int k = 0; k < 3; k++) {
            cg_buf_puts(out, k ? ", " : "");
            put_coordinate(out, c->decimals, c->xyz[i][k]);
        }
        cg_buf_putc(out, ']');
    }
    cg_buf_putc(out, ']');
    for (size_t i = 0; i < c->n_tags; i++) {
        cg_buf_puts(out, ", ");
        put_json_item(out, c->tags[i].key, c->tags[i].value);
    }
    cg_buf_puts(out, "}\n");
    return CG_OK;
}

cg_status cg_record_write(cg_record_format format, const cg_record_conformer *c, cg_buf *out,
                          cg_error *err)
{
    size_t start = out->len;
    cg_status st = CG_ERR_INTERNAL;

    CG_TRY(cg_record_check_name(format, c->name, err));
    switch (format) {
    case CG_RECORD_SDF:
        st = write_sdf(c, out, err);
        break;
    case CG_RECORD_XYZ:
        st = write_xyz(c, out, err);
        break;
    case CG_RECORD_SMILES3D:
        st = write_smiles3d(c, out, err);
        break;
    case CG_RECORD_JSON:
        st = write_json(c, out, err);
        break;
    }
    if (st == CG_OK)
        st = cg_buf_check(out, "record", err);
    if (st != CG_OK && out->data) {
        out->len = start;
        out->data[start] = '\0';
    }
    return st;
}

const char *cg_failure_header(void)
{
    return "line\tname\tsmiles\tgeneration\treason\ttext\n";
}

/* A formula of spreadsheets gets a leading '. So does a quotation mark, which would quote a
 * formula, or all up to the next one. */
static void put_escaped(cg_buf *out, const char *s)
{
    if (s && (*s == '"' || cg_text_is_formula(s)))
        cg_buf_putc(out, '\'');
    for (; s && *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '\t')
            cg_buf_puts(out, "\\t");
        else if (c == '\n')
            cg_buf_puts(out, "\\n");
        else if (c == '\r')
            cg_buf_puts(out, "\\r");
        else if (c == '\\')
            cg_buf_puts(out, "\\\\");
        else if (iscntrl(c))
            cg_buf_printf(out, "\\x%02x", c);
        else
            cg_buf_putc(out, *s);
    }
}

void cg_failure_write(int64_t line, const char *name, const char *smiles, int64_t generation,
                      const char *reason, const char *raw, cg_buf *out)
{
    cg_buf_printf(out, "%" PRId64 "\t", line);
    put_escaped(out, name);
    cg_buf_putc(out, '\t');
    put_escaped(out, smiles);
    if (generation < 0)
        cg_buf_puts(out, "\t-\t");
    else
        cg_buf_printf(out, "\t%" PRId64 "\t", generation);
    put_escaped(out, reason);
    cg_buf_putc(out, '\t');
    put_escaped(out, raw);
    cg_buf_putc(out, '\n');
}

/* ---- reading back ----------------------------------------------------------------------- */

/* End of the line at p: its LF, or `end`. */
static const char *line_end(const char *p, const char *end)
{
    const char *lf = memchr(p, '\n', (size_t)(end - p));

    return lf ? lf : end;
}

static int starts_with(const char *p, const char *end, const char *prefix)
{
    size_t n = strlen(prefix);

    return (size_t)(end - p) >= n && !memcmp(p, prefix, n);
}

/* 1 if the fourth line is the counts line of a molblock: numbers in columns of three, the version
 * in columns 35 to 39. Needed first, because a title may look like a record of any format. */
static int has_counts_line(const char *p, const char *end)
{
    const char *stop;

    for (int i = 0; i < 3; i++) {
        p = line_end(p, end);
        if (p == end)
            return 0;
        p++;
    }
    stop = line_end(p, end);
    return stop - p >= 39 && (!memcmp(p + 34, "V2000", 5) || !memcmp(p + 34, "V3000", 5)) &&
           strspn(p, " 0123456789") >= 6; /* ends at the 'V' at the latest */
}

cg_record_format cg_record_detect(const char *text, size_t len)
{
    const char *end = text + len;
    const char *first = line_end(text, end);

    if (has_counts_line(text, end))
        return CG_RECORD_SDF;
    if (starts_with(text, end, "{\""))
        return CG_RECORD_JSON;
    if (first < end && starts_with(first + 1, end, "Properties="))
        return CG_RECORD_XYZ;
    if (memchr(text, '<', (size_t)(first - text)) && memchr(text, '\t', (size_t)(first - text)))
        return CG_RECORD_SMILES3D;
    return CG_RECORD_SDF;
}

/* Parses only the first member, the name: the record may be truncated after it. */
static void json_name(const char *text, size_t len, cg_buf *out)
{
    static const char key[] = "{\"name\": ";
    size_t skip = sizeof key - 1;
    json_t *name;

    if (!starts_with(text, text + len, key))
        return;
    name = json_loadb(text + skip, len - skip,
                      JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL);
    if (json_is_string(name))
        cg_buf_put(out, json_string_value(name), json_string_length(name));
    json_decref(name);
}

static void xyz_name(const char *p, const char *end, cg_buf *out)
{
    static const char key[] = " name=\"";
    const char *stop;

    p = line_end(p, end);
    if (p < end)
        p++;
    stop = line_end(p, end);
    p = memmem(p, (size_t)(stop - p), key, sizeof key - 1);
    if (!p)
        return;
    for (p += sizeof key - 1; p < stop && *p != '"'; p++) {
        if (*p == '\\' && p + 1 < stop)
            p++;
        cg_buf_putc(out, *p);
    }
}

void cg_record_name(cg_record_format format, const char *text, size_t len, cg_buf *out)
{
    const char *end = text + len;
    const char *stop = line_end(text, end);

    switch (format) {
    case CG_RECORD_SDF:
        if (stop > text && stop[-1] == '\r')
            stop--;
        cg_buf_put(out, text, (size_t)(stop - text));
        break;
    case CG_RECORD_XYZ:
        xyz_name(text, end, out);
        break;
    case CG_RECORD_SMILES3D: {
        const char *tab = memchr(text, '\t', (size_t)(stop - text));

        if (tab) {
            const char *next = memchr(tab + 1, '\t', (size_t)(stop - tab - 1));

            cg_buf_put(out, tab + 1, (size_t)((next ? next : stop) - tab - 1));
        }
        break;
    }
    case CG_RECORD_JSON:
        json_name(text, len, out);
        break;
    }
}

/* The number at the start of a line, saturated to SIZE_MAX; 0 if there is none. */
static size_t leading_number(const char *p, const char *end)
{
    size_t n = 0;

    while (p < end && *p == ' ')
        p++;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
            return SIZE_MAX;
    return n;
}

int64_t cg_record_count(cg_record_format format, const char *text, size_t len)
{
    const char *end = text + len;
    int64_t n = 0;
    int unfinished = 0;

    for (const char *p = text; p < end;) {
        const char *stop = line_end(p, end);
        const char *q = p;

        while (q < stop && isspace((unsigned char)*q))
            q++;
        if (format == CG_RECORD_SDF && starts_with(p, stop, "$$$$")) {
            n++;
            unfinished = 0;
        } else if (q < stop && format == CG_RECORD_SDF) {
            unfinished = 1;
        } else if (q < stop) {
            n++;
            /* Skip the comment line and the atoms. */
            if (format == CG_RECORD_XYZ && stop < end) {
                size_t left = leading_number(p, stop);

                stop = line_end(stop + 1, end);
                for (; left && stop < end; left--)
                    stop = line_end(stop + 1, end);
            }
        }
        p = stop < end ? stop + 1 : end;
    }
    return n + unfinished;
}
