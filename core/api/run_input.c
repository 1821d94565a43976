/* SPDX-License-Identifier: MIT */
#include "api/run_input.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/sized_struct.h"
#include "chem/molecule.h"

static cg_status check_ensemble(const cg_run_options *o, cg_error *err)
{
    if (o->sort < CG_SORT_GENERATION || o->sort > CG_SORT_ENERGY)
        return cg_fail(err, CG_ERR_USAGE, "cg_run_options.sort is %d: wanted a CG_SORT_*", o->sort);
    if (o->max_conformers < 0)
        return cg_fail(err, CG_ERR_USAGE, "--max-conformers %d: wanted at least 1, or 0 for all",
                       o->max_conformers);
    if (!isfinite(o->prune) || o->prune < 0)
        return cg_fail(err, CG_ERR_USAGE, "--prune %g: wanted an RMSD in Å, or 0 for all",
                       o->prune);
    if (!isfinite(o->energy_window) || o->energy_window < 0)
        return cg_fail(err, CG_ERR_USAGE,
                       "--energy-window %g: wanted an energy in kcal/mol, or 0 for all",
                       o->energy_window);
    if ((o->energy_window > 0 || o->sort == CG_SORT_ENERGY) && !o->minimize && !o->energies)
        return cg_fail(err, CG_ERR_USAGE,
                       "%s: conformers have no energy without --energies or --minimize",
                       o->energy_window > 0 ? "--energy-window" : "--sort energy");
    return CG_OK;
}

cg_status cg_run_check_options(const cg_run_options *o, cg_error *err)
{
    if (!o->input)
        return cg_fail(err, CG_ERR_USAGE,
                       "no input: give --input FILE, or --input - for standard input");
    if (o->minimize < CG_MINIMIZE_NONE || o->minimize > CG_MINIMIZE_MMFF94S_NOESTAT)
        return cg_fail(err, CG_ERR_USAGE, "cg_run_options.minimize is %d: wanted a CG_MINIMIZE_*",
                       o->minimize);
    CG_TRY(check_ensemble(o, err));
    if (o->gens < 1)
        return cg_fail(err, CG_ERR_USAGE, "--gens %d: wanted at least 1", o->gens);
    if (o->shards > 1 && (o->shard < 0 || o->shard >= o->shards))
        return cg_fail(err, CG_ERR_USAGE, "--shard %d/%d: the first is 0, the last %d", o->shard,
                       o->shards, o->shards - 1);
    if (o->limit < 0)
        return cg_fail(err, CG_ERR_USAGE, "--limit %" PRId64 ": wanted at least 1", o->limit);
    if (o->header < CG_HEADER_AUTO || o->header > CG_HEADER_NO)
        return cg_fail(err, CG_ERR_USAGE, "header: found %d, wanted one of CG_HEADER_*", o->header);
    return CG_OK;
}

int cg_run_is_rereadable(const cg_run_options *o)
{
    struct stat info;

    if (o->molecules)
        return 1;
    return strcmp(o->input, "-") && !stat(o->input, &info) && S_ISREG(info.st_mode);
}

/* cg_block_smiles_fn */
static cg_status write_smiles(const char *block, cg_buf *ret_smiles, cg_error *err)
{
    char *smiles = NULL;

    CG_TRY(cg_smiles_of_block(block, &smiles, err));
    cg_buf_puts(ret_smiles, smiles);
    free(smiles);
    return CG_OK;
}

/* cg_block_smiles_fn of a survey, which only counts molecules. */
static cg_status skip_smiles(const char *block, cg_buf *ret_smiles, cg_error *err)
{
    return CG_OK;
}

static cg_status open_input(const cg_run_options *o, cg_block_smiles_fn smiles_of_block,
                            cg_input **ret_input, cg_error *err)
{
    static const cg_input_header headers[] = {
        [CG_HEADER_AUTO] = CG_INPUT_HEADER_AUTO,
        [CG_HEADER_YES] = CG_INPUT_HEADER_YES,
        [CG_HEADER_NO] = CG_INPUT_HEADER_NO,
    };
    cg_input_options options = { .header = headers[o->header],
                                 .stop = o->stop,
                                 .smiles_of_block = smiles_of_block };

    if (o->molecules) {
        options.format = CG_INPUT_SMI;
        return cg_input_open_memory(o->input, o->molecules, strlen(o->molecules), &options,
                                    ret_input, err);
    }
    return cg_input_open(o->input, &options, ret_input, err);
}

cg_status cg_run_open_input(const cg_run_options *o, cg_input **ret_input, cg_error *err)
{
    return open_input(o, write_smiles, ret_input, err);
}

int64_t cg_run_generations_of(const cg_run_options *o, const cg_input_record *r)
{
    if (!o->gens_per_reference)
        return o->gens;
    return r->count < 0 ? 0 : o->gens * r->count;
}

cg_status cg_run_survey(const cg_run_options *o, cg_run_range range, int64_t *ret_molecules,
                        int64_t *ret_conformers, cg_error *err)
{
    int64_t n_molecules = 0, n_conformers = 0;
    cg_input *input = NULL;
    cg_input_record r;
    int more = 1;
    cg_status st = CG_OK;

    *ret_molecules = *ret_conformers = 0;
    if (!cg_run_is_rereadable(o))
        return CG_OK;
    CG_TRY(open_input(o, skip_smiles, &input, err));
    for (;;) {
        CG_TRY_GOTO(st, cg_input_next(input, &r, &more, err), out);
        if (!more || r.index >= range.end)
            break;
        if (r.index < range.first)
            continue;
        n_molecules++;
        if (r.status == CG_OK)
            n_conformers += cg_run_generations_of(o, &r);
    }
    *ret_molecules = n_molecules;
    *ret_conformers = n_conformers;
out:
    cg_input_close(input);
    return st;
}

cg_status cg_run_find_range(const cg_run_options *o, cg_run_range *ret_range, cg_error *err)
{
    cg_run_range all = { 0, o->limit ? o->limit : INT64_MAX };
    int64_t n, conformers;

    if (o->shards <= 1) {
        *ret_range = all;
        return CG_OK;
    }
    if (!cg_run_is_rereadable(o))
        return cg_fail(err, CG_ERR_USAGE, "--shard reads the input twice: '%s' is no regular file",
                       o->input);
    CG_TRY(cg_run_survey(o, all, &n, &conformers, err));
    /* 128 bits: n * shards may exceed 2^63 */
    ret_range->first = (int64_t)((__int128)n * o->shard / o->shards);
    ret_range->end = (int64_t)((__int128)n * (o->shard + 1) / o->shards);
    return CG_OK;
}

cg_status cg_run_workload(const cg_run_options *run, int64_t *ret_conformers, cg_error *err)
{
    cg_run_options o = { 0 };
    cg_run_range range;
    int64_t n;

    CG_TRY(CG_SIZED_READ(cg_run_options, &o, run, err));
    CG_TRY(cg_run_check_options(&o, err));
    CG_TRY(cg_run_find_range(&o, &range, err));
    return cg_run_survey(&o, range, &n, ret_conformers, err);
}
