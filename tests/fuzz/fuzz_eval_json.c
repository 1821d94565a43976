/* SPDX-License-Identifier: MIT */
/* Evaluation files: the input is refused, or it is a result that survives a round trip. */

#include "eval/result_json.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_eval_result r = { 0 }, reread = { 0 };
    cg_error err = CG_ERROR_INIT;
    cg_buf first = { 0 }, second = { 0 };

    if (cg_eval_read_json("fuzz", data, size, &r, &err) != CG_OK) {
        require_refusal(err.code, &err);
        return 0;
    }
    require(cg_eval_write_json(&r, &first, &err) == CG_OK);
    require(cg_eval_read_json("reread", first.data, first.len, &reread, &err) == CG_OK);
    require(cg_eval_write_json(&reread, &second, &err) == CG_OK);
    require(first.len == second.len && !memcmp(first.data, second.data, first.len));
    cg_eval_result_finish(&r);
    cg_eval_result_finish(&reread);
    cg_buf_finish(&first);
    cg_buf_finish(&second);
    return 0;
}
