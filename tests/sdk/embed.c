/* SPDX-License-Identifier: MIT */
/*
 * embed: a program that links against confgen. Writes conformers of ethanol as XYZ to stdout.
 *
 *     cc embed.c $(pkg-config --cflags --libs confgen) -o embed
 */
#include <confgen/confgen.h>
#include <ctype.h>
#include <stdio.h>

/*
 * Returns the element symbol at *smiles and advances past it. Enough for a SMILES without brackets
 * whose elements have one letter: each letter is an atom.
 */
static int next_element(const char **smiles)
{
    while (**smiles && !isalpha((unsigned char)**smiles))
        ++*smiles;
    return **smiles ? toupper((unsigned char)*(*smiles)++) : 'X';
}

/* Called once per conformer; its argument is borrowed for the call. */
static void on_conformer(void *ctx, const cg_conformer *c)
{
    int *n = ctx;
    const char *atoms = c->smiles; /* coordinates are in the order of its atoms */

    if (c->verdict != CG_CONFORMER_OK) {
        fprintf(stderr, "%s, conformer %d: %s\n", c->smiles, c->generation, c->reason);
        return;
    }
    ++*n;
    printf("%d\n%s, conformer %d\n", c->n_atoms, c->smiles, c->generation);
    for (int32_t i = 0; i < c->n_atoms; i++)
        printf("%c %8.3f %8.3f %8.3f\n", next_element(&atoms), c->xyz[i][0], c->xyz[i][1],
               c->xyz[i][2]);
}

int main(void)
{
    cg_error err = CG_ERROR_INIT;
    cg_engine_options options = { CG_SIZED(cg_engine_options), .seed = 1 };
    cg_request request = { CG_SIZED(cg_request), .n_conformers = 3, .smiles = "CCO" };
    cg_engine *engine = NULL;
    int n = 0;
    cg_status st = cg_engine_open(&options, &engine, &err);

    if (st == CG_OK)
        st = cg_engine_generate(engine, &request, 1, on_conformer, &n, NULL, &err);
    cg_engine_close(engine);
    if (st != CG_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    return n == 3 ? 0 : 1;
}
