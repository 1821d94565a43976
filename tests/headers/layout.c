/* SPDX-License-Identifier: MIT */
/*
 * The layouts of ABI 1 on 64-bit machines (x86-64 and aarch64, both LP64 with the same alignments).
 * A number changes only together with CG_PLUGIN_ABI_MAJOR; a new member at the end adds a line.
 */
#include <stddef.h>

#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/constraint.h>
#include <confgen/plugin.h>
#include <confgen/status.h>
#include <confgen/tensor.h>
#include <confgen/version.h>

#ifdef __cplusplus
#define ASSERT(x) static_assert(x, #x)
#else
#define ASSERT(x) _Static_assert(x, #x)
#endif
#define SIZE(type, n)      ASSERT(sizeof(type) == (n))
#define AT(type, field, n) ASSERT(offsetof(type, field) == (n))

#if defined(__LP64__)

SIZE(cg_error, 968);
AT(cg_error, struct_size, 0);
AT(cg_error, code, 4);
AT(cg_error, msg, 8);

SIZE(cg_kv_view, 160);
AT(cg_kv_view, struct_size, 0);
AT(cg_kv_view, device, 4);
AT(cg_kv_view, dtype, 8);
AT(cg_kv_view, n_slots, 12);
AT(cg_kv_view, n_kv_heads, 16);
AT(cg_kv_view, head_dim, 20);
AT(cg_kv_view, block_tokens, 24);
AT(cg_kv_view, table_stride, 28);
AT(cg_kv_view, page_table, 32);
AT(cg_kv_view, k, 40);
AT(cg_kv_view, v, 48);
AT(cg_kv_view, block_stride, 56);
AT(cg_kv_view, head_stride, 64);
AT(cg_kv_view, token_stride, 72);
AT(cg_kv_view, generation, 80);
AT(cg_kv_view, v_head_dim, 88);
AT(cg_kv_view, reserved, 92);
AT(cg_kv_view, v_block_stride, 96);
AT(cg_kv_view, v_head_stride, 104);
AT(cg_kv_view, v_token_stride, 112);
AT(cg_kv_view, k_scale, 120);
AT(cg_kv_view, v_scale, 128);
AT(cg_kv_view, scale_block_stride, 136);
AT(cg_kv_view, scale_head_stride, 144);
AT(cg_kv_view, scale_token_stride, 152);

SIZE(cg_host, 72);
AT(cg_host, struct_size, 0);
AT(cg_host, workers, 4);
AT(cg_host, ctx, 8);
AT(cg_host, alloc, 16);
AT(cg_host, free, 24);
AT(cg_host, log, 32);
AT(cg_host, parallel_for, 40);
AT(cg_host, fail, 48);
AT(cg_host, abi_minor, 56);
AT(cg_host, reserved, 60);
AT(cg_host, query, 64);

SIZE(cg_plugin, 48);
AT(cg_plugin, struct_size, 0);
AT(cg_plugin, kind, 4);
AT(cg_plugin, abi_major, 8);
AT(cg_plugin, abi_minor, 12);
AT(cg_plugin, name, 16);
AT(cg_plugin, version, 24);
AT(cg_plugin, description, 32);
AT(cg_plugin, ops, 40);

SIZE(cg_attention_problem, 92);
AT(cg_attention_problem, struct_size, 0);
AT(cg_attention_problem, device, 4);
AT(cg_attention_problem, compute_capability, 8);
AT(cg_attention_problem, dtype, 12);
AT(cg_attention_problem, kv_dtype, 16);
AT(cg_attention_problem, n_heads, 20);
AT(cg_attention_problem, n_kv_heads, 24);
AT(cg_attention_problem, head_dim, 28);
AT(cg_attention_problem, paged, 32);
AT(cg_attention_problem, block_tokens, 36);
AT(cg_attention_problem, max_tokens, 40);
AT(cg_attention_problem, max_seqs, 44);
AT(cg_attention_problem, max_kv_len, 48);
AT(cg_attention_problem, window, 52);
AT(cg_attention_problem, scale, 56);
AT(cg_attention_problem, flags, 60);
AT(cg_attention_problem, kv_layout, 64);
AT(cg_attention_problem, features, 68);
AT(cg_attention_problem, mask, 72);
AT(cg_attention_problem, v_head_dim, 76);
AT(cg_attention_problem, softcap, 80);
AT(cg_attention_problem, sink_tokens, 84);
AT(cg_attention_problem, bias_dtype, 88);

SIZE(cg_attention_args, 176);
AT(cg_attention_args, struct_size, 0);
AT(cg_attention_args, n_tokens, 4);
AT(cg_attention_args, n_seqs, 8);
AT(cg_attention_args, q, 16);
AT(cg_attention_args, out, 24);
AT(cg_attention_args, q_stride, 32);
AT(cg_attention_args, out_stride, 40);
AT(cg_attention_args, q_start, 48);
AT(cg_attention_args, slot, 56);
AT(cg_attention_args, kv_len, 64);
AT(cg_attention_args, kv, 72);
AT(cg_attention_args, workspace, 80);
AT(cg_attention_args, stream, 88);
AT(cg_attention_args, position, 96);
AT(cg_attention_args, alibi_slope, 104);
AT(cg_attention_args, sink_logit, 112);
AT(cg_attention_args, bias, 120);
AT(cg_attention_args, bias_row_stride, 128);
AT(cg_attention_args, bias_head_stride, 136);
AT(cg_attention_args, tree_mask, 144);
AT(cg_attention_args, tree_words, 152);
AT(cg_attention_args, n_groups, 156);
AT(cg_attention_args, group_start, 160);
AT(cg_attention_args, group_len, 168);

SIZE(cg_attention_ops, 64);
AT(cg_attention_ops, struct_size, 0);
AT(cg_attention_ops, caps, 4);
AT(cg_attention_ops, supports, 8);
AT(cg_attention_ops, plan, 16);
AT(cg_attention_ops, workspace_size, 24);
AT(cg_attention_ops, run, 32);
AT(cg_attention_ops, destroy, 40);
AT(cg_attention_ops, features, 48);
AT(cg_attention_ops, reserved, 52);
AT(cg_attention_ops, prepare, 56);

SIZE(cg_cache_config, 64);
AT(cg_cache_config, struct_size, 0);
AT(cg_cache_config, device, 4);
AT(cg_cache_config, dtype, 8);
AT(cg_cache_config, n_layers, 12);
AT(cg_cache_config, n_slots, 16);
AT(cg_cache_config, n_kv_heads, 20);
AT(cg_cache_config, head_dim, 24);
AT(cg_cache_config, max_len, 28);
AT(cg_cache_config, max_bytes, 32);
AT(cg_cache_config, stream, 40);
AT(cg_cache_config, features, 48);
AT(cg_cache_config, v_head_dim, 52);
AT(cg_cache_config, window, 56);
AT(cg_cache_config, sink_tokens, 60);

SIZE(cg_cache_append, 72);
AT(cg_cache_append, struct_size, 0);
AT(cg_cache_append, n_tokens, 4);
AT(cg_cache_append, slot, 8);
AT(cg_cache_append, pos, 16);
AT(cg_cache_append, k, 24);
AT(cg_cache_append, v, 32);
AT(cg_cache_append, k_stride, 40);
AT(cg_cache_append, v_stride, 48);
AT(cg_cache_append, dtype, 56);
AT(cg_cache_append, stream, 64);

SIZE(cg_cache_stats, 40);
AT(cg_cache_stats, struct_size, 0);
AT(cg_cache_stats, bytes_allocated, 8);
AT(cg_cache_stats, bytes_used, 16);
AT(cg_cache_stats, blocks_shared, 24);
AT(cg_cache_stats, grown, 32);

SIZE(cg_cache_ops, 112);
AT(cg_cache_ops, struct_size, 0);
AT(cg_cache_ops, paged, 4);
AT(cg_cache_ops, supports, 8);
AT(cg_cache_ops, create, 16);
AT(cg_cache_ops, destroy, 24);
AT(cg_cache_ops, reserve, 32);
AT(cg_cache_ops, append, 40);
AT(cg_cache_ops, share_prefix, 48);
AT(cg_cache_ops, truncate, 56);
AT(cg_cache_ops, release, 64);
AT(cg_cache_ops, view, 72);
AT(cg_cache_ops, stats, 80);
AT(cg_cache_ops, block_tokens, 88);
AT(cg_cache_ops, flags, 92);
AT(cg_cache_ops, kv_layout, 96);
AT(cg_cache_ops, features, 100);
AT(cg_cache_ops, gather, 104);

SIZE(cg_automaton, 56);
AT(cg_automaton, struct_size, 0);
AT(cg_automaton, capacity_states, 4);
AT(cg_automaton, capacity_transitions, 8);
AT(cg_automaton, capacity_head_rows, 12);
AT(cg_automaton, row, 16);
AT(cg_automaton, token, 24);
AT(cg_automaton, next, 32);
AT(cg_automaton, head_row, 40);
AT(cg_automaton, head_token, 48);

SIZE(cg_program, 56);
AT(cg_program, struct_size, 0);
AT(cg_program, n_fields, 4);
AT(cg_program, n_states, 8);
AT(cg_program, n_transitions, 12);
AT(cg_program, n_head_rows, 16);
AT(cg_program, max_tokens, 20);
AT(cg_program, fields_per_atom, 24);
AT(cg_program, entry, 32);
AT(cg_program, forced_start, 40);
AT(cg_program, forced_token, 48);

SIZE(cg_range, 8);
AT(cg_range, begin, 0);
AT(cg_range, end, 4);

SIZE(cg_vocabulary, 40);
AT(cg_vocabulary, struct_size, 0);
AT(cg_vocabulary, n_tokens, 4);
AT(cg_vocabulary, ctx, 8);
AT(cg_vocabulary, token, 16);
AT(cg_vocabulary, encode, 24);
AT(cg_vocabulary, pretokenize, 32);

SIZE(cg_text_format, 88);
AT(cg_text_format, struct_size, 0);
AT(cg_text_format, decimals, 4);
AT(cg_text_format, max_integer_digits, 8);
AT(cg_text_format, begin, 16);
AT(cg_text_format, end, 24);
AT(cg_text_format, stop, 32);
AT(cg_text_format, max_new_tokens, 40);
AT(cg_text_format, fields_per_literal, 44);
AT(cg_text_format, strip_zeros, 48);
AT(cg_text_format, separator, 56);
AT(cg_text_format, numbers, 64);
AT(cg_text_format, n_numbers, 72);
AT(cg_text_format, n_stop_tokens, 76);
AT(cg_text_format, stop_tokens, 80);

SIZE(cg_literals, 24);
AT(cg_literals, struct_size, 0);
AT(cg_literals, n_atoms, 4);
AT(cg_literals, text, 8);
AT(cg_literals, literal, 16);

SIZE(cg_constraint_ops, 56);
AT(cg_constraint_ops, struct_size, 0);
AT(cg_constraint_ops, reserved, 4);
AT(cg_constraint_ops, create, 8);
AT(cg_constraint_ops, destroy, 16);
AT(cg_constraint_ops, automaton, 24);
AT(cg_constraint_ops, compile, 32);
AT(cg_constraint_ops, release, 40);
AT(cg_constraint_ops, features, 48);
AT(cg_constraint_ops, reserved_2, 52);

#endif

ASSERT(CG_F32 == 0 && CG_BF16 == 1 && CG_F16 == 2 && CG_F8_E4M3 == 3 && CG_F8_E5M2 == 4 &&
       CG_I8 == 5);
ASSERT(CG_MASK_CAUSAL == 0 && CG_MASK_NONE == 1);
ASSERT(CG_DEVICE_CPU == 0 && CG_DEVICE_CUDA == 1);
ASSERT(CG_KV_HND == 0 && CG_KV_NHD == 1);
ASSERT(CG_PLUGIN_ATTENTION == 1 && CG_PLUGIN_CACHE == 2 && CG_PLUGIN_CONSTRAINT == 3);
ASSERT(CG_EXIT == -1);
ASSERT(CG_OK == 0 && CG_ERR_USAGE == 100 && CG_ERR_UNSUPPORTED == 101 && CG_ERR_INPUT == 200 &&
       CG_ERR_FORMAT == 201 && CG_ERR_LIMIT == 202 && CG_ERR_MISMATCH == 203 && CG_ERR_IO == 300 &&
       CG_ERR_NOMEM == 301 && CG_ERR_PLUGIN == 302 && CG_ERR_INTERRUPTED == 303 &&
       CG_ERR_CUDA == 400 && CG_ERR_DEVICE_NOMEM == 401 && CG_ERR_INTERNAL == 500);

int main(void)
{
    return 0;
}
