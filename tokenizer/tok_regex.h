/* SPDX-License-Identifier: MIT */
/**
 * @file tok_regex.h  From the regular expressions of tokenizer files to those of PCRE2.
 *
 * Tokenizer files are written for Oniguruma with Ruby's syntax and Unicode 16 classes. Where PCRE2
 * reads the same text differently (`\h`, `\v`, `\s`, `{n}?`, `[[`, options, newer characters), it
 * is rewritten or refused, never passed on. Two forms come out: one for pure ASCII subjects, in
 * which every class is a small set of bytes and no Unicode mode is needed, and one for UTF-8.
 */
#ifndef CG_TOK_REGEX_H
#define CG_TOK_REGEX_H

#include <confgen/status.h>
#include <stddef.h>

/** Longest pattern accepted, in bytes. */
#define CG_REGEX_MAX 16384

/**
 * Translate pattern src[0..len), valid UTF-8.
 *
 * @param ret_ascii  pattern for subjects without bytes above 0x7f, ended by NUL; free() it
 * @param ret_utf    pattern for any valid UTF-8 (PCRE2_UTF), ended by NUL; free() it
 * Both want PCRE2_MULTILINE and no captures are left in them.
 * @return CG_OK, CG_ERR_UNSUPPORTED (the text names construct and offset), CG_ERR_FORMAT,
 *         CG_ERR_LIMIT, CG_ERR_NOMEM; outputs written on success
 */
cg_status cg_regex_translate(const char *src, size_t len, char **ret_ascii, char **ret_utf,
                             cg_error *err);

/** Pattern that matches the text src itself; parameters as above. */
cg_status cg_regex_quote(const char *src, size_t len, char **ret_ascii, char **ret_utf,
                         cg_error *err);

#endif
