/* SPDX-License-Identifier: MIT */
#include "base/sized_struct.h"

#include <string.h>

#include "base/error.h"

enum {
    MIN_SIZE = 8,       /* struct_size and one member */
    MAX_SIZE = 1 << 16, /* far beyond any struct: a larger number is no size */
};

cg_status cg_sized_struct_check(const void *caller, const char *type, cg_error *err)
{
    uint32_t size;

    memcpy(&size, caller, sizeof size);
    if (size < MIN_SIZE || size > MAX_SIZE)
        return cg_fail(err, CG_ERR_USAGE, "%s.struct_size is %u, wanted CG_SIZED(%s)", type, size,
                       type);
    return CG_OK;
}

cg_status cg_sized_struct_read(void *own, size_t own_size, const void *caller, const char *type,
                               cg_error *err)
{
    const char *bytes = caller;
    uint32_t size, known = (uint32_t)own_size;

    CG_TRY(cg_sized_struct_check(caller, type, err));
    memcpy(&size, caller, sizeof size);
    for (uint32_t i = known; i < size; i++)
        if (bytes[i])
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "%s: byte %u is set, but this confgen knows %u bytes of it: the program "
                           "was built against a newer confgen and uses a setting that this one "
                           "lacks",
                           type, i, known);
    memcpy(own, caller, size < known ? size : known);
    memcpy(own, &known, sizeof known);
    return CG_OK;
}
