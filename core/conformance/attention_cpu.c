/* SPDX-License-Identifier: MIT */
#include "attention_cpu.h"

#include "attention_cpu_case.h"

/* Sets the types of most cases. */
static void select_types(attention_suite *s)
{
    static const cg_dtype types[] = { CG_F32, CG_BF16, CG_F16 };

    for (int32_t i = 0; i < 9; i++) {
        cg_attention_problem p;

        s->dtype = types[i / 3];
        s->kv_dtype = types[i % 3];
        p = cpu_problem(s, 64, 8, 4, 100);
        if (s->ops->supports(&s->test_host.host, &p, NULL) == CG_OK)
            return;
    }
    s->dtype = s->kv_dtype = CG_F32;
}

void attention_suite_cpu(attention_suite *s)
{
    cg_attention_problem p;

    select_types(s);
    p = cpu_problem(s, 64, 8, 4, 100);
    attention_check_refusals(s, &p);
    attention_check_lifecycle(s, &p);
    attention_check_values(s);
    attention_check_bits(s);
    attention_check_abi(s);
    attention_check_features(s);
    if (!test_begin(&s->rec, "all memory is freed"))
        return;
    expect_all_freed(&s->rec, &s->test_host, "all plans");
    test_end(&s->rec);
}
