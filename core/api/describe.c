/* SPDX-License-Identifier: MIT */
/* The release, and names of checks and fault causes: confgen/version.h, confgen/confgen.h. */
#include <confgen/confgen.h>

#include "check/checker.h"
#include "sequence/atom_tests.h"

const char *cg_version(void)
{
    return CG_VERSION_STRING;
}

const char *cg_check_describe(int32_t id, const char **ret_meaning)
{
    if (id < 0 || id >= CG_CHECK_COUNT)
        return NULL;
    if (ret_meaning)
        *ret_meaning = cg_check_description((cg_check_id)id);
    return cg_check_name((cg_check_id)id);
}

const char *cg_fault_describe(int32_t cause)
{
    return cause >= 0 && cause < CG_CAUSES ? cg_fault_cause_name((cg_fault_cause)cause) : NULL;
}

_Static_assert((int)CG_CHECK_COUNT <= (int)CG_MAX_CHECKS, "cg_report has room for all checks");
_Static_assert((int)CG_CAUSES <= (int)CG_MAX_CAUSES, "cg_report has room for all causes");
