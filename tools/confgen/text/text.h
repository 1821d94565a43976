/* SPDX-License-Identifier: MIT */
/** @file text.h  What the subcommands of `confgen text` share. */
#ifndef CG_TOOLS_TEXT_H
#define CG_TOOLS_TEXT_H

#include "commands.h"
#include "engine/code_decoder.h"
#include "model/config.h"

/** The options that choose a format. */
#define TEXT_FORMAT_OPTIONS                                                                        \
    { "format", 'f', "NAME|FILE.json",                                                             \
      "a built-in format: molgen-v1, -v2, -v3 (default), -binned-21, -binned-13, -binned-258; or " \
      "a file with the contents of confgen.json" },                                                \
    {                                                                                              \
        "model", 'm', "DIR", "the format of a model; the reader decodes codes too, on the CPU"     \
    }

/** Values of --format and --model; at most one is given. */
struct text_options {
    const char *format; /* built-in name, or a file with the contents of confgen.json */
    const char *model;  /* folder */
};

/** Stores an option; 0 if it is another one. */
int text_option(struct text_options *options, int option, const char *value);
/** The format and tags that the options choose; by default molgen-v3. As cg_format_config_read() */
cg_status text_open_format(const struct text_options *options, cg_format_config *ret,
                           cg_error *err);

/** Opens the decoder of a model with codes, on the CPU; cg_code_decoder_close(). */
cg_status text_open_decoder(const char *model, const cg_conformer_format *format,
                            cg_code_decoder **ret_decoder, cg_error *err);
/** Sets e->xyz of a text with codes. As cg_code_decoder_tokens() and _run() */
cg_status text_decode_codes(cg_code_decoder *decoder, const cg_conformer_format *format,
                            cg_enriched *e, cg_error *err);

int text_write(int argc, char **argv);
int text_read(int argc, char **argv);

#endif
