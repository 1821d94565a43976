/* SPDX-License-Identifier: MIT */
#include "sequence/token_number.h"

cg_token_number cg_token_number_of(const char *token, size_t len)
{
    int32_t value = 0, digits = 0, decimals = 0, flags = 0;

    for (size_t i = 0; i < len; i++) {
        char c = token[i];

        if (c == '>') {
            flags |= CG_TOKEN_NUMBER_END;
        } else if (c == '<' || c == ',') {
            flags = (flags & CG_TOKEN_NUMBER_END) |
                    (c == '<' ? CG_TOKEN_NUMBER_BEGIN : CG_TOKEN_NUMBER_NEXT);
            value = digits = decimals = 0;
        } else if (c == '-') {
            flags |= CG_TOKEN_NUMBER_MINUS;
        } else if (c == '.') {
            flags |= CG_TOKEN_NUMBER_POINT;
        } else if (c >= '0' && c <= '9' && digits < CG_TOKEN_NUMBER_MAX_DIGITS) {
            value = 10 * value + (c - '0');
            digits++;
            decimals += (flags & CG_TOKEN_NUMBER_POINT) != 0;
        }
    }
    return value | digits << CG_TOKEN_NUMBER_DIGITS_SHIFT |
           decimals << CG_TOKEN_NUMBER_DECIMALS_SHIFT | flags;
}
