/* SPDX-License-Identifier: MIT */
/*
 * geometry_faults FILE.sdf...: atoms of finished conformers that fail the geometry tests made while
 * an atom is generated. Prints one line per conformer: its name and its faults as atom:cause:other
 * (atoms of the canonical SMILES, from 0); then the counts by cause. Heavy atoms only.
 */
#include <stdio.h>
#include <stdlib.h>

#include "eval/conformers.h"
#include "template/geometry_tables.h"

static int64_t counts[CG_CAUSES], n_conformers, n_faulty;

static int test_molecule(const cg_conformers *c)
{
    cg_error err = CG_ERROR_INIT;
    cg_geometry *g;

    if (cg_geometry_compile(c->mol, &g, &err) != CG_OK) {
        fprintf(stderr, "%s: %s\n", c->name, err.msg);
        return 1;
    }
    for (size_t i = 0; i < c->n && (size_t)g->n_atoms == c->n_atoms; i++) {
        const float(*xyz)[3] = (const float(*)[3])c->xyz + i * c->n_atoms;
        int faulty = 0;

        printf("%s", c->name);
        for (int32_t a = 0; a < g->n_atoms; a++) {
            int32_t fault = cg_geometry_test_atom(g, xyz, a, 0, 1);

            counts[CG_FAULT_CAUSE(fault)]++;
            if (fault == CG_FAULT_NONE)
                continue;
            faulty = 1;
            printf(" %d:%s:%d", a, cg_fault_cause_name((cg_fault_cause)CG_FAULT_CAUSE(fault)),
                   CG_FAULT_ATOM(fault));
        }
        putchar('\n');
        n_conformers++;
        n_faulty += faulty;
    }
    cg_geometry_destroy(g);
    return 0;
}

int main(int argc, char **argv)
{
    cg_error err = CG_ERROR_INIT;
    int failed = 0;

    for (int f = 1; f < argc; f++) {
        cg_conformer_file file = { 0 };

        if (cg_conformer_file_read(argv[f], CG_KEEP_TEXT_HYDROGENS, 1, &file, &err) != CG_OK) {
            fprintf(stderr, "%s\n", err.msg);
            return 1;
        }
        for (size_t m = 0; m < file.n_molecules; m++)
            failed |= test_molecule(&file.molecules[m]);
        cg_conformer_file_finish(&file);
    }
    printf("%lld conformers, %lld with a fault\n", (long long)n_conformers, (long long)n_faulty);
    for (int i = 1; i < CG_CAUSES; i++)
        printf("%s %lld\n", cg_fault_cause_name((cg_fault_cause)i), (long long)counts[i]);
    return failed;
}
