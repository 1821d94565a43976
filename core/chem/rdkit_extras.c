/* SPDX-License-Identifier: MIT */
/*
 * The cgrd_ functions of rdkit_c.h on top of a system librdkitcffi, through its C functions alone.
 * What that costs: a molecule goes through a pickle, which loses what RDKit's ranking needs of ring
 * stereo, so that 4 of 1000 drug-like molecules get another text for the same stereo (one that is
 * as stable); the reason of a refusal is not known; hydrogens cannot be placed (add_hs leaves them
 * at the origin); and there are no distance bounds.
 */
#include "rdkit_c.h"

#include <pthread.h>
#include <stdio.h>

/* RDKit's log would repeat on stderr what our errors say; its switch is not for several threads. */
static pthread_once_t quiet = PTHREAD_ONCE_INIT;

static void explain(char *reason, size_t cap, const char *text)
{
    if (reason && cap)
        snprintf(reason, cap, "%s", text);
}

char *cgrd_canonical_smiles(const char *smiles, char *reason, size_t reason_cap)
{
    size_t size = 0;
    char *pkl, *text;

    pthread_once(&quiet, disable_logging);
    pkl = get_mol(smiles, &size, "{}");
    if (!pkl) {
        explain(reason, reason_cap, "not a valid molecule");
        return NULL;
    }
    text = get_smiles(pkl, size, "{}");
    free_ptr(pkl);
    if (!text)
        explain(reason, reason_cap, "no SMILES can be written for it");
    return text;
}

char *cgrd_add_hs_with_coords(const char *molblock, char *reason, size_t reason_cap)
{
    (void)molblock;
    explain(reason, reason_cap,
            "this confgen was built on the system's librdkitcffi, which cannot place hydrogens; "
            "build it with -Drdkit=adapter");
    return NULL;
}

double *cgrd_distance_bounds(const char *pkl, size_t pkl_sz, const char *details_json,
                             size_t *ret_n_atoms, char *reason, size_t reason_cap)
{
    (void)pkl;
    (void)pkl_sz;
    (void)details_json;
    (void)ret_n_atoms;
    explain(reason, reason_cap,
            "this confgen was built on the system's librdkitcffi, which gives no distance bounds; "
            "build it with -Drdkit=adapter");
    return NULL;
}
