/* SPDX-License-Identifier: MIT */
#include "engine/core_file.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"
#include "base/size.h"
#include "eval/sdf.h"

enum { MAX_FILE = 1 << 20 }; /* bytes: a block and data items */

/* The line "$$$$", or the end of the text. */
static const char *find_end(const char *text)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, "$$$$", 4))
            return line;
    }
    return text + strlen(text);
}

/* Reads a block and checks what RDKit would pass over: counts, missing lines, atoms at one point.
 */
static cg_status read_block(const char *text, char **ret_block, cg_error *err)
{
    const size_t len = (size_t)(find_end(text) - text);
    float(*xyz)[3] = cg_alloc_array(len / CG_SDF_MIN_ATOM_BYTES + 1, sizeof *xyz);
    cg_sdf_record record = { 0 };
    const char *rest;
    cg_status st;

    if (!xyz)
        return cg_fail_nomem(err, "core");
    st = cg_sdf_read(text, len, xyz, len / CG_SDF_MIN_ATOM_BYTES + 1, &record, err);
    free(xyz);
    if (st != CG_OK)
        return st;
    rest = record.block + record.block_len;
    rest += strspn(rest, " \t\r\n");
    if (rest < text + len && *rest != '>')
        return cg_fail(err, CG_ERR_INPUT, "found text behind 'M  END', wanted one molecule");
    *ret_block = strndup(record.block, record.block_len);
    return *ret_block ? CG_OK : cg_fail_nomem(err, "core");
}

static cg_status read_only_record(const char *text, cg_core **ret, cg_error *err)
{
    const char *rest = find_end(text);
    char *block = NULL;
    cg_status st;

    rest += strcspn(rest, "\n");
    if (rest[strspn(rest, " \t\r\n")])
        return cg_fail(err, CG_ERR_INPUT, "found several records, wanted one molecule");
    CG_TRY(read_block(text, &block, err));
    st = cg_core_create(block, ret, err);
    free(block);
    return st;
}

cg_status cg_core_file_read(const char *path, cg_core **ret, uint64_t *ret_hash, cg_error *err)
{
    cg_bytes bytes = { 0 };
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    if (!cg_path_has_extension(path, ".sdf") && !cg_path_has_extension(path, ".sd") &&
        !cg_path_has_extension(path, ".mol"))
        return cg_fail(err, CG_ERR_USAGE, "--core '%s': wanted a .sdf or .mol, unpacked", path);
    CG_TRY(cg_file_read(path, MAX_FILE, &bytes, err));
    if (memchr(bytes.data, '\0', bytes.len))
        st = cg_fail(&why, CG_ERR_INPUT, "found a byte 0, wanted text");
    else
        st = read_only_record((const char *)bytes.data, ret, &why);
    if (st == CG_OK)
        *ret_hash = XXH3_64bits(bytes.data, bytes.len);
    cg_bytes_release(&bytes);
    if (st != CG_OK)
        return cg_fail(err, st == CG_ERR_INPUT ? CG_ERR_FORMAT : st, "--core %s: %s", path,
                       why.msg);
    return CG_OK;
}
