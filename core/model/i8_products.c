/* SPDX-License-Identifier: MIT */
#include "model/i8_products.h"

#include "base/error.h"

/* What a layer has that the kernels do not know; NULL: nothing. */
static const char *foreign_part(const cg_model_config *c)
{
    return c->norm != CG_NORM_RMS         ? "LayerNorm"
           : c->parallel_residual         ? "parallel attention and MLP"
           : c->mlp != CG_MLP_GATED       ? "an MLP without a gate"
           : c->activation != CG_ACT_SILU ? "another activation than SiLU"
           : c->qkv_bias || c->mlp_bias   ? "biases of q, k, v or of the MLP"
                                          : NULL;
}

cg_status cg_check_i8_products(const cg_model_config *c, int32_t compute_capability, cg_error *err)
{
    const char *part = foreign_part(c);

    if (compute_capability != 90)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "dtype int8: found a GPU of compute capability %d.%d, wanted 9.0; use dtype "
                       "bf16",
                       (int)compute_capability / 10, (int)compute_capability % 10);
    if (part)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "dtype int8: found a model with %s, wanted RMS norm and SwiGLU, no "
                       "biases of q, k, v and of the MLP; use dtype bf16",
                       part);
    if (c->hidden % 128 || c->intermediate % 32 || c->hidden > CG_MAX_I8_HIDDEN ||
        (c->head_dim != 64 && c->head_dim != 128))
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "dtype int8: found hidden size %d, intermediate size %d, head size %d; "
                       "wanted a multiple of 128 up to %d, a multiple of 32, and 64 or 128; use "
                       "dtype bf16",
                       c->hidden, c->intermediate, c->head_dim, CG_MAX_I8_HIDDEN);
    return CG_OK;
}
