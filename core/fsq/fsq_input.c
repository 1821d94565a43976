/* SPDX-License-Identifier: MIT */
#include "fsq/fsq_input.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"

cg_status cg_fsq_input_positions(const cg_fsq_model *m, int32_t n, float *ret_positions,
                                 cg_error *err)
{
    int32_t hidden = m->config.hidden;
    const float step = (float)(-log(10000.0) / hidden);
    float *bias = cg_alloc_array((size_t)hidden, sizeof *bias);

    if (!bias)
        return cg_fail_nomem(err, "FSQ decoder");
    cg_weight_to_f32(&m->mid_bias, 0, 1, bias);
    for (int32_t i = 0; i < hidden; i += 2) {
        float frequency = expf((float)i * step);

        for (int32_t t = 0; t < n; t++) {
            float *at = ret_positions + (int64_t)t * hidden + i;

            at[0] = sinf((float)t * frequency) + bias[i];
            at[1] = cosf((float)t * frequency) + bias[i + 1];
        }
    }
    free(bias);
    return CG_OK;
}

cg_status cg_fsq_input_rows(const cg_fsq_model *m, float *ret_rows, cg_error *err)
{
    float *row = cg_alloc_array((size_t)m->in.cols, sizeof *row);

    if (!row)
        return cg_fail_nomem(err, "FSQ decoder");
    for (int64_t j = 0; j < m->in.rows; j++) {
        cg_weight_to_f32(&m->in, j, 1, row);
        for (int64_t i = 0; i < m->in.cols; i++)
            ret_rows[i * m->in.rows + j] = row[i];
    }
    free(row);
    return CG_OK;
}
