/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/text.h"
#include "base/utf8.h"
#include "io/record_parts.h"

static const char *const format_names[] = { "sdf", "xyz", "smiles3d", "json", "pdb", "mol2" };

enum { N_FORMATS = sizeof format_names / sizeof *format_names };

cg_status cg_record_format_parse(const char *name, cg_record_format *ret_format, cg_error *err)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (!strcmp(name, format_names[i])) {
            *ret_format = (cg_record_format)i;
            return CG_OK;
        }
    return cg_fail(err, CG_ERR_USAGE,
                   "--format '%s': unknown, wanted sdf, mol2, pdb, xyz, smiles3d or json", name);
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
    if (format == CG_RECORD_MOL2 && *name &&
        (strchr("@#", *name) || name[strlen(name) - 1] == '\\'))
        return cg_fail(
            err, CG_ERR_INPUT,
            "the name '%.60s' starts with '@' or '#' or ends with '\\', which a line of a "
            "mol2 cannot; give it another name or choose --format sdf",
            name);
    return CG_OK;
}

static void put_sdf_item(cg_buf *out, const char *key, const char *value)
{
    cg_buf_printf(out, ">  <%s>\n", key);
    /* An empty line ends the item; an empty value has no line. */
    if (*value) {
        cg_record_put_line(out, value);
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
    size_t body_len;

    if (!find_block_body(c->molblock, &body, &body_len))
        return cg_fail(err, CG_ERR_INTERNAL,
                       "record of '%s': no molblock from a title line to 'M  END'", c->name);
    cg_buf_puts(out, c->name);
    cg_buf_putc(out, '\n');
    cg_buf_put(out, body, body_len);
    cg_buf_puts(out, "M  END\n");
    put_sdf_item(out, "name", c->name);
    cg_record_put_items(c, put_sdf_item, out);
    cg_buf_puts(out, "$$$$\n");
    return CG_OK;
}

/* ---- PDB ---------------------------------------------------------------------------------- */

enum {
    PDB_ATOM_LINE = 34, /* bytes of a V2000 atom line up to the element's end */
    PDB_BOND_LINE = 9,  /* of a bond line up to the order's end */
    PDB_MAX = 999,      /* atoms, and bonds, of a V2000 molblock */
};

/* The whole number in `width` columns. */
static int column(const char *line, size_t at, int width)
{
    char text[16];

    snprintf(text, sizeof text, "%.*s", width, line + at);
    return atoi(text);
}

/* Charges of the atoms, from the lines "M  CHG  n  atom charge ..." of a molblock. */
static void read_charges(const char *block, int n_atoms, int *ret_charges)
{
    static const char key[] = "\nM  CHG";

    while ((block = strstr(block, key)) != NULL) {
        block += sizeof key - 1;
        for (int n = column(block, 0, 3), i = 0; i < n; i++) {
            const int atom = column(block, 3 + 8 * (size_t)i, 4);

            if (atom >= 1 && atom <= n_atoms)
                ret_charges[atom - 1] = column(block, 7 + 8 * (size_t)i, 4);
        }
    }
}

/* The name of an atom in four columns: element and number; a symbol of one letter begins in the
 * second of them if there is room. */
static void put_atom_name(cg_buf *out, const char *element, int number)
{
    char name[16];

    snprintf(name, sizeof name, "%s%d", element, number);
    cg_buf_printf(out, strlen(element) == 1 && strlen(name) < 4 ? " %-3s" : "%-4s", name);
}

static void put_pdb_atom(cg_buf *out, const char *line, int serial, int number, int charge)
{
    char element[4] = { 0 }, symbol[4] = { 0 };

    sscanf(line + 31, "%3s", element);
    for (int k = 0; element[k]; k++)
        symbol[k] = (char)toupper((unsigned char)element[k]);
    cg_buf_printf(out, "HETATM%5d ", serial);
    put_atom_name(out, symbol, number);
    cg_buf_puts(out, " UNL     1    ");
    for (int k = 0; k < 3; k++) {
        char text[16];

        snprintf(text, sizeof text, "%.10s", line + 10 * k);
        cg_buf_printf(out, "%8.3f", strtod(text, NULL) + 0.0);
    }
    cg_buf_printf(out, "  1.00  0.00          %2s", symbol);
    if (charge)
        cg_buf_printf(out, "%d%c", abs(charge), charge > 0 ? '+' : '-');
    cg_buf_putc(out, '\n');
}

/* CONECT lines of an atom, of four neighbours each. `order` is [n_atoms][n_atoms]. */
static void put_pdb_bonds(cg_buf *out, const unsigned char *order, int n_atoms, int atom)
{
    int n = 0;

    for (int k = 0; k < n_atoms; k++)
        for (int times = 0; times < order[atom * n_atoms + k]; times++, n++) {
            if (n % 4 == 0)
                cg_buf_printf(out, "%sCONECT%5d", n ? "\n" : "", atom + 1);
            cg_buf_printf(out, "%5d", k + 1);
        }
    if (n)
        cg_buf_putc(out, '\n');
}

static void put_pdb_remark(cg_buf *out, const char *key, const char *value)
{
    cg_buf_printf(out, "REMARK   6 %s ", key);
    cg_record_put_line(out, value);
    cg_buf_putc(out, '\n');
}

/* Writes atoms and bonds of a V2000 molblock, from its counts line on; `order` and `charges` are
 * zero. CG_ERR_INTERNAL if it ends too early. */
static cg_status write_pdb_molecule(const char *counts, int n_atoms, int n_bonds,
                                    unsigned char *order, int *charges, const char *name,
                                    cg_buf *out, cg_error *err)
{
    int numbers[128] = { 0 }; /* atoms so far, by the letters of the element */
    const char *line = counts;

    read_charges(counts, n_atoms, charges);
    for (int i = 0; i < n_atoms + n_bonds; i++) {
        line = strchr(line, '\n');
        if (!line || strnlen(++line, PDB_ATOM_LINE) < (i < n_atoms ? PDB_ATOM_LINE : PDB_BOND_LINE))
            return cg_fail(err, CG_ERR_INTERNAL, "record of '%s': the molblock ends early", name);
        if (i < n_atoms) {
            int *number = &numbers[(line[31] * 31 + line[32]) & 127];

            put_pdb_atom(out, line, i + 1, *number % PDB_MAX + 1, charges[i]);
            ++*number;
        } else {
            const int a = column(line, 0, 3) - 1, b = column(line, 3, 3) - 1;

            if (a < 0 || b < 0 || a >= n_atoms || b >= n_atoms)
                return cg_fail(err, CG_ERR_INTERNAL, "record of '%s': a bond of no atom", name);
            order[a * n_atoms + b] = order[b * n_atoms + a] = (unsigned char)column(line, 6, 3);
        }
    }
    for (int i = 0; i < n_atoms; i++)
        put_pdb_bonds(out, order, n_atoms, i);
    return CG_OK;
}

static cg_status write_pdb(const cg_record_conformer *c, cg_buf *out, cg_error *err)
{
    const char *counts = c->molblock;
    unsigned char *order;
    int *charges, n_atoms;
    cg_status st;

    for (int i = 0; i < 3 && counts; i++)
        counts = (counts = strchr(counts, '\n')) ? counts + 1 : NULL;
    if (!counts || strnlen(counts, 39) < 39)
        return cg_fail(err, CG_ERR_INTERNAL, "record of '%s': no molblock", c->name);
    if (memcmp(counts + 34, "V2000", 5))
        return cg_fail(err, CG_ERR_LIMIT,
                       "the molecule has more than %d atoms or bonds, hydrogens included: a pdb "
                       "record cannot hold it, --format sdf can",
                       PDB_MAX);
    n_atoms = column(counts, 0, 3);
    order = calloc((size_t)n_atoms + 1, (size_t)n_atoms + 1);
    charges = calloc((size_t)n_atoms + 1, sizeof *charges);
    if (!order || !charges) {
        st = cg_fail_nomem(err, "record");
        goto out;
    }
    cg_buf_printf(out, "COMPND    %s\n", c->name);
    cg_record_put_items(c, put_pdb_remark, out);
    CG_TRY_GOTO(st,
                write_pdb_molecule(counts, n_atoms, column(counts, 3, 3), order, charges, c->name,
                                   out, err),
                out);
    cg_buf_puts(out, "END\n");
out:
    free(order);
    free(charges);
    return st;
}

/* ---- other formats ------------------------------------------------------------------------ */

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
    CG_TRY(cg_record_check_coordinates(c, err));
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
            cg_record_put_coordinate(out, 0, c->decimals, c->xyz[i][k]);
        }
        cg_buf_putc(out, '\n');
    }
    return CG_OK;
}

static cg_status write_smiles3d(const cg_record_conformer *c, cg_buf *out, cg_error *err)
{
    if (!c->text)
        return cg_fail(err, CG_ERR_INTERNAL, "record of '%s': no enriched SMILES", c->name);
    cg_record_put_line(out, c->text);
    cg_buf_putc(out, '\t');
    cg_record_put_line(out, c->name);
    cg_buf_printf(out, "\t%" PRId64 "\t%" PRIu64, c->generation, c->seed);
    for (size_t i = 0; i < c->n_tags; i++) {
        cg_buf_printf(out, "\t%s=", c->tags[i].key);
        cg_record_put_line(out, c->tags[i].value);
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
    CG_TRY(cg_record_check_coordinates(c, err));
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
            cg_record_put_coordinate(out, 0, c->decimals, c->xyz[i][k]);
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
    case CG_RECORD_PDB:
        st = write_pdb(c, out, err);
        break;
    case CG_RECORD_MOL2:
        st = cg_record_put_mol2(c, out, err);
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

static const char pdb_name[] = "COMPND    ";
static const char no_mol2_name[] = "*****";

cg_record_format cg_record_detect(const char *text, size_t len)
{
    const char *end = text + len;
    const char *first = line_end(text, end);

    if (has_counts_line(text, end))
        return CG_RECORD_SDF;
    if (starts_with(text, end, "{\""))
        return CG_RECORD_JSON;
    if (starts_with(text, end, pdb_name))
        return CG_RECORD_PDB;
    if (starts_with(text, end, CG_MOL2_START))
        return CG_RECORD_MOL2;
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
    case CG_RECORD_PDB:
        if (starts_with(text, stop, pdb_name))
            cg_buf_put(out, text + sizeof pdb_name - 1,
                       (size_t)(stop - text) - (sizeof pdb_name - 1));
        break;
    case CG_RECORD_MOL2:
        text = stop < end ? stop + 1 : end;
        stop = line_end(text, end);
        if (stop - text != 5 || !starts_with(text, stop, no_mol2_name))
            cg_buf_put(out, text, (size_t)(stop - text));
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
        if ((format == CG_RECORD_SDF && starts_with(p, stop, "$$$$")) ||
            (format == CG_RECORD_PDB && stop - p == 3 && starts_with(p, stop, "END"))) {
            n++;
            unfinished = 0;
        } else if (format == CG_RECORD_MOL2) {
            n += starts_with(p, stop, CG_MOL2_START);
        } else if (q < stop && (format == CG_RECORD_SDF || format == CG_RECORD_PDB)) {
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
