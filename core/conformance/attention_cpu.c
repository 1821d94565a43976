/* SPDX-License-Identifier: MIT */
#include "attention_cpu.h"

#include "attention_cpu_case.h"

/* Selects a problem that the plugin supports. If there is none, a common one, which it refuses. */
static void select_typical(attention_suite *s)
{
    cg_error reason = CG_ERROR_INIT;

    s->dtype = s->kv_dtype = CG_F32;
    if (!attention_typical_problem(s->ops, &s->test_host.host, NULL, 0, &s->typical, &reason))
        s->typical = cpu_problem(s, 64, 8, 4, 100);
    s->dtype = s->typical.dtype;
    s->kv_dtype = s->typical.kv_dtype;
}

void attention_suite_cpu(attention_suite *s)
{
    select_typical(s);
    attention_check_refusals(s, &s->typical);
    attention_check_lifecycle(s, &s->typical);
    attention_check_values(s);
    attention_check_bits(s);
    attention_check_abi(s);
    attention_check_features(s);
    if (!test_begin(&s->rec, "all memory is freed"))
        return;
    expect_all_freed(&s->rec, &s->test_host, "all plans");
    test_end(&s->rec);
}
