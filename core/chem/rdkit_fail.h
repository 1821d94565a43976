/* SPDX-License-Identifier: MIT */
/** @file rdkit_fail.h  The error of a failed call of rdkit_c.h. */
#ifndef CG_CHEM_RDKIT_FAIL_H
#define CG_CHEM_RDKIT_FAIL_H

#include <confgen/status.h>

/**
 * Called directly after a function of rdkit_c.h failed. Sets CG_ERR_NOMEM if memory ran out, else
 * `code` with the text, and returns the status. A shortage of memory is thus never the molecule's
 * failure.
 *
 * A system librdkitcffi does not report the shortage by itself; errno, which a failed malloc()
 * sets, still does.
 */
cg_status cg_rdkit_fail(cg_error *err, cg_status code, const char *fmt, ...) CG_PRINTF(3, 4);

#endif
