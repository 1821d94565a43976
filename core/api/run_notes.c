/* SPDX-License-Identifier: MIT */
#include "api/run_notes.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"

void cg_run_notes_finish(cg_run_notes *notes)
{
    cg_index_finish(&notes->names);
}

/* Line of the first molecule with that name, 0 if it is new. Names are compared by 64-bit hashes:
 * among two million, the chance of one false report is 1e-7. */
static cg_status find_first(cg_run_notes *notes, const char *name, int64_t line, int64_t *ret_first,
                            cg_error *err)
{
    uint64_t hash = cg_index_hash(name);
    size_t probe = 0, first = cg_index_next(&notes->names, hash, &probe);

    *ret_first = first == CG_INDEX_NONE ? 0 : (int64_t)first;
    if (*ret_first)
        return CG_OK;
    if (notes->names.n == CG_MAX_NAMES_COMPARED) {
        if (!notes->uncompared_line)
            notes->uncompared_line = line;
        return CG_OK;
    }
    return cg_index_add(&notes->names, hash, (size_t)line) ? cg_fail_nomem(err, "names") : CG_OK;
}

cg_status cg_run_notes_add(cg_run_notes *notes, const cg_input_record *r, const char *name,
                           int is_counted, cg_report *report, cg_error *err)
{
    int64_t first;

    if (r->status != CG_OK)
        return CG_OK;
    CG_TRY(find_first(notes, name, r->line, &first, err));
    if (!is_counted)
        return CG_OK;
    if (first && !report->repeated_names++) {
        snprintf(notes->name, sizeof notes->name, "%s", name);
        notes->name_line = r->line;
        notes->first_line = first;
    }
    if (r->notes & CG_INPUT_NOTE_DROPPED && !report->dropped_extensions++)
        notes->dropped_line = r->line;
    if (r->notes & CG_INPUT_NOTE_STEREO_GROUP && !report->stereo_groups++)
        notes->group_line = r->line;
    return CG_OK;
}

void cg_run_notes_add_molecule(cg_run_notes *notes, int64_t line, size_t n_lost_stereo,
                               cg_report *report)
{
    if (n_lost_stereo && !report->lost_stereo++)
        notes->lost_line = line;
}

/* "1 molecule has" or "2 molecules have" */
static const char *molecules(int64_t n, char buf[48])
{
    snprintf(buf, 48, "%" PRId64 " molecule%s", n, n == 1 ? " has" : "s have");
    return buf;
}

void cg_run_notes_log(const cg_run_notes *notes, const cg_report *r, const char *path,
                      const cg_host *host)
{
    char n[48];

    if (r->repeated_names)
        cg_host_log(host, CG_LOG_WARNING,
                    "%s: %s the name of an earlier one, e.g. '%s' in line %" PRId64
                    ", first in line %" PRId64 ": programs that go by names will mix them up",
                    path, molecules(r->repeated_names, n), notes->name, notes->name_line,
                    notes->first_line);
    if (notes->uncompared_line)
        cg_host_log(host, CG_LOG_WARNING,
                    "%s: repeated names are reported only for names before line %" PRId64, path,
                    notes->uncompared_line);
    if (r->dropped_extensions)
        cg_host_log(host, CG_LOG_WARNING,
                    "%s: %s a CXSMILES extension with parts that are not used, such as coordinates "
                    "or properties, e.g. in line %" PRId64,
                    path, molecules(r->dropped_extensions, n), notes->dropped_line);
    if (r->stereo_groups)
        cg_host_log(host, CG_LOG_WARNING,
                    "%s: %s stereo groups (or, and, racemic) in a CXSMILES extension, e.g. in line "
                    "%" PRId64 ": conformers are of the stereoisomer that the SMILES gives",
                    path, molecules(r->stereo_groups, n), notes->group_line);
    if (r->lost_stereo)
        cg_host_log(host, CG_LOG_WARNING,
                    "%s: %s stereo that is not read, such as that of an allene, e.g. in line "
                    "%" PRId64 ": conformers may be of either configuration; centres and double "
                    "bonds are read",
                    path, molecules(r->lost_stereo, n), notes->lost_line);
}
