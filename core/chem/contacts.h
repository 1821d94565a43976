/* SPDX-License-Identifier: MIT */
/**
 * @file contacts.h  Contacts that hold the fragments of a salt, hydrate or mixture together.
 *
 * Each fragment but the first touches an earlier one by one pair of atoms: opposite charges if
 * there are any, else atoms that can share a hydrogen bond, else the first atoms.
 */
#ifndef CG_CHEM_CONTACTS_H
#define CG_CHEM_CONTACTS_H

#include "chem/smiles.h"

/** Two atoms of different fragments that are near each other; first < second. */
typedef struct cg_contact {
    uint32_t first, second;
    double distance; /* at most, Å */
} cg_contact;

/** Zero first; cg_contacts_finish() releases. */
typedef struct cg_contacts {
    uint32_t *fragment; /* [n_atoms] fragment of each atom, from 0 in text order */
    cg_contact *contacts;
    size_t n; /* fragments - 1 */
} cg_contacts;

/** @return CG_OK; CG_ERR_NOMEM, then *ret_contacts is unchanged */
cg_status cg_contacts_find(const cg_smiles *graph, cg_contacts *ret_contacts, cg_error *err);
void cg_contacts_finish(cg_contacts *contacts); /* accepts NULL and a zeroed struct */

/** Fragments of a conformer touch each other if their nearest atoms are within this distance. */
#define CG_CONTACT_MAX 5.0 /* Å */

#endif
