/* SPDX-License-Identifier: MIT */
/* Evaluations: any bytes are refused, or are a result that is written as it was read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "eval/result_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_eval_result r = { 0 }, again = { 0 };
    cg_error err = CG_ERROR_INIT;
    cg_buf first = { 0 }, second = { 0 };

    if (cg_eval_read_json("fuzz", data, size, &r, &err) != CG_OK) {
        require(err.msg[0] != '\0');
        return 0;
    }
    require(cg_eval_write_json(&r, &first, &err) == CG_OK);
    require(cg_eval_read_json("again", first.data, first.len, &again, &err) == CG_OK);
    require(cg_eval_write_json(&again, &second, &err) == CG_OK);
    require(first.len == second.len && !memcmp(first.data, second.data, first.len));
    cg_eval_result_finish(&r);
    cg_eval_result_finish(&again);
    cg_buf_finish(&first);
    cg_buf_finish(&second);
    return 0;
}
