/* SPDX-License-Identifier: MIT */
/**
 * @file tok_regex.h  Translates the regular expressions of tokenizer files to PCRE2.
 *
 * Tokenizer files use Oniguruma with Ruby's syntax and Unicode 16 classes. Constructs that PCRE2
 * interprets differently (`\h`, `\v`, `\s`, `{n}?`, `[[`, options, newer characters) are rewritten
 * or refused, never passed through. The result has two forms: one for pure ASCII subjects, in which
 * every class is a small set of bytes and Unicode mode is not needed, and one for UTF-8.
 */
#ifndef CG_TOK_REGEX_H
#define CG_TOK_REGEX_H

#include <confgen/status.h>
#include <stddef.h>

/** Longest pattern accepted, in bytes. */
#define CG_REGEX_MAX 16384

/**
 * Translates the pattern src[0..len).
 *
 * @param ret_ascii  pattern for subjects without bytes above 0x7f, NUL-terminated; free() it
 * @param ret_utf    pattern for any valid UTF-8 (PCRE2_UTF), NUL-terminated; free() it
 * Both require PCRE2_MULTILINE and contain no captures.
 * @return CG_OK, CG_ERR_UNSUPPORTED (the message has construct and offset), CG_ERR_FORMAT,
 *         CG_ERR_LIMIT, CG_ERR_NOMEM; outputs written on success
 */
cg_status cg_regex_translate(const char *src, size_t len, char **ret_ascii, char **ret_utf,
                             cg_error *err);

/** Returns patterns that match the text src verbatim; parameters as above. */
cg_status cg_regex_quote(const char *src, size_t len, char **ret_ascii, char **ret_utf,
                         cg_error *err);

#endif
