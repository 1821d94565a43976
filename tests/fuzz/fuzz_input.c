/* SPDX-License-Identifier: MIT */
/* Molecule lists: reads the input as .smi, .csv, .sdf and .mol2, and with format detection. */

#include "io/input.h"

#include "fuzz.h"

static cg_status read_block(const char *block, cg_buf *ret_smiles, cg_error *err)
{
    require(strlen(block) > 0 && strlen(block) <= CG_INPUT_MAX_BLOCK);
    cg_buf_puts(ret_smiles, "C");
    return CG_OK;
}

static void read_as(cg_input_options options, const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    cg_input *in = NULL;
    cg_input_record r;
    int64_t index = 0, line = 0;
    int more = 1;

    if (cg_input_open_memory("fuzz", data, size, &options, &in, &err) != CG_OK) {
        require_refusal(err.code, &err);
        return;
    }
    while (cg_input_next(in, &r, &more, &err) == CG_OK && more) {
        require(r.index == index++);
        require(r.line > line);
        line = r.line;
        require(strlen(r.smiles) == r.smiles_len && strlen(r.name) == r.name_len);
        require(r.status == CG_OK ? r.smiles_len > 0 : r.reason[0] != '\0');
        require(r.count == -1 || r.count == CG_INPUT_BAD_COUNT ||
                (r.count >= 1 && r.count <= CG_INPUT_MAX_K));
    }
    cg_input_close(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as((cg_input_options) { .format = CG_INPUT_AUTO, .header = CG_INPUT_HEADER_AUTO }, data,
            size);
    read_as((cg_input_options) { .format = CG_INPUT_SMI, .header = CG_INPUT_HEADER_NO }, data,
            size);
    read_as((cg_input_options) { .format = CG_INPUT_TSV, .header = CG_INPUT_HEADER_AUTO }, data,
            size);
    read_as((cg_input_options) { .format = CG_INPUT_CSV, .header = CG_INPUT_HEADER_YES }, data,
            size);
    read_as((cg_input_options) { .smiles_of_block = read_block }, data, size);
    read_as((cg_input_options) { .format = CG_INPUT_SDF, .smiles_of_block = read_block }, data,
            size);
    read_as((cg_input_options) { .format = CG_INPUT_MOL2, .smiles_of_block = read_block }, data,
            size);
    return 0;
}
