/* SPDX-License-Identifier: MIT */
/** @file tok_class_patterns.h  Patterns that are part of a pre-tokenizer or class, not of a file.
 */
#ifndef CG_TOK_CLASS_PATTERNS_H
#define CG_TOK_CLASS_PATTERNS_H

/** The pattern of GPT-2, which the ByteLevel pre-tokenizer applies. */
#define CG_BYTE_LEVEL_PATTERN                                                                      \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/** The pattern of Qwen2's class. */
#define CG_QWEN2_PATTERN                                                                           \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "                          \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

#endif
