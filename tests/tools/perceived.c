/* SPDX-License-Identifier: MIT */
/*
 * Stereo that RDKit perceives from conformers. Prints one line per record of an SDF on standard
 * input:
 *
 *     name <TAB> canonical SMILES perceived from the 3D block <TAB> canonical SMILES of the
 *     record's item SMILES
 *
 * "error" replaces a SMILES that RDKit refuses. Perception also assigns configurations that the
 * item leaves unspecified: only records whose item specifies all are comparable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/rdkit_c.h"

enum { MAX_RECORD = 1 << 20 };

static char record[MAX_RECORD];

/* Reads the next record, without its "$$$$" line; 0 at the end. */
static int read_record(void)
{
    size_t used = 0;

    while (used + 1 < sizeof record && fgets(record + used, (int)(sizeof record - used), stdin)) {
        if (!strncmp(record + used, "$$$$", 4)) {
            record[used] = '\0';
            return 1;
        }
        used += strlen(record + used);
    }
    return 0;
}

static void print_canonical(const char *input)
{
    size_t size = 0;
    char *pkl = get_mol(input, &size, "{}"), *smiles = pkl ? get_smiles(pkl, size, "{}") : NULL;

    printf("\t%s", smiles ? smiles : "error");
    free_ptr(smiles);
    free_ptr(pkl);
}

int main(void)
{
    while (read_record()) {
        char *end = strstr(record, "M  END\n"), *smiles = strstr(record, ">  <SMILES>\n");

        if (!end || !smiles) {
            fprintf(stderr, "record without a molblock or an item SMILES\n");
            return 1;
        }
        smiles += strlen(">  <SMILES>\n");
        smiles[strcspn(smiles, "\n")] = '\0';
        end[strlen("M  END\n")] = '\0';
        printf("%.*s", (int)strcspn(record, "\n"), record);
        print_canonical(record);
        print_canonical(smiles);
        putchar('\n');
    }
    return ferror(stdin) || ferror(stdout) || fflush(stdout);
}
