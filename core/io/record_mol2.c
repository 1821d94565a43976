/* SPDX-License-Identifier: MIT */
/*
 * Records of a .mol2. UNITY_ATOM_ATTR has each charge twice, as "charge", which Open Babel reads,
 * and as "AtomExpr", which RDKit reads: it takes no charge from the atom's line.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "io/record_parts.h"

enum { DECIMALS = 4 };

static int has_charges(const cg_record_conformer *c)
{
    for (size_t i = 0; i < c->n_atoms; i++)
        if (c->charges[i])
            return 1;
    return 0;
}

/* Element and number, counted for each element. `numbers` is [128], zero before the first atom. */
static void put_atom_name(cg_buf *out, const char *element, int numbers[128])
{
    int *number = &numbers[(element[0] * 31 + element[1]) & 127];
    char name[16];

    snprintf(name, sizeof name, "%s%d", element, ++*number);
    cg_buf_printf(out, "%-6s", name);
}

static void put_atoms(const cg_record_conformer *c, cg_buf *out)
{
    int numbers[128] = { 0 };

    cg_buf_puts(out, "@<TRIPOS>ATOM\n");
    for (size_t i = 0; i < c->n_atoms; i++) {
        cg_buf_printf(out, "%7zu ", i + 1);
        put_atom_name(out, c->elements[i], numbers);
        for (int k = 0; k < 3; k++) {
            cg_buf_putc(out, ' ');
            cg_record_put_coordinate(out, 10, DECIMALS, c->xyz[i][k]);
        }
        cg_buf_printf(out, " %-5s 1 UNL %5.1f\n", c->atom_types[i], (double)c->charges[i]);
    }
}

static void put_charges(const cg_record_conformer *c, cg_buf *out)
{
    cg_buf_puts(out, "@<TRIPOS>UNITY_ATOM_ATTR\n");
    for (size_t i = 0; i < c->n_atoms; i++)
        if (c->charges[i])
            cg_buf_printf(out, "%zu 2\ncharge %d\nAtomExpr %d\n", i + 1, c->charges[i],
                          c->charges[i]);
}

static void put_bonds(const cg_record_conformer *c, cg_buf *out)
{
    cg_buf_puts(out, "@<TRIPOS>BOND\n");
    for (size_t i = 0; i < c->n_bonds; i++)
        cg_buf_printf(out, "%6zu %5u %5u %s\n", i + 1, c->bond_atoms[i][0] + 1,
                      c->bond_atoms[i][1] + 1, c->bond_types[i]);
}

static void put_comment(cg_buf *out, const char *key, const char *value)
{
    cg_buf_printf(out, "%s ", key);
    cg_record_put_line(out, value);
    cg_buf_putc(out, '\n');
}

cg_status cg_record_put_mol2(const cg_record_conformer *c, cg_buf *out, cg_error *err)
{
    CG_TRY(cg_record_check_coordinates(c, err));
    if (!c->atom_types || !c->charges || (c->n_bonds && (!c->bond_atoms || !c->bond_types)))
        return cg_fail(err, CG_ERR_INTERNAL, "record of '%s': no types of atoms and bonds",
                       c->name);
    cg_buf_printf(out, CG_MOL2_START "\n%s\n%zu %zu 1 0 0\nSMALL\n%s\n\n",
                  *c->name ? c->name : "*****", c->n_atoms, c->n_bonds,
                  has_charges(c) ? "USER_CHARGES" : "NO_CHARGES");
    put_atoms(c, out);
    if (has_charges(c))
        put_charges(c, out);
    put_bonds(c, out);
    cg_buf_puts(out, "@<TRIPOS>SUBSTRUCTURE\n1 UNL 1\n@<TRIPOS>COMMENT\n");
    cg_record_put_items(c, put_comment, out);
    return CG_OK;
}
