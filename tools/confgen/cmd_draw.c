/* SPDX-License-Identifier: MIT */
/* confgen draw FILE: a grid of a molecule's conformers in SVG. */
#include <string.h>

#include "base/file.h"
#include "base/whole_file.h"
#include "eval/drawing.h"

#include "commands.h"

enum {
    MAX_CONFORMERS = 10000,
    MAX_COLUMNS = 100,
};

enum { O_MOLECULE = 256, O_LIMIT, O_COLUMNS, O_ALIGN, O_OVERWRITE };

static const struct command_option options[] = {
    { "molecule", O_MOLECULE, "NAME",
      "the first molecule of that name (default: the first molecule)" },
    { "limit", O_LIMIT, "N", "conformers, in the order of FILE, at most 10000 (24)" },
    { "columns", O_COLUMNS, "N", "conformers in a row, at most 100 (4)" },
    { "align", O_ALIGN, "first|none",
      "superpose all conformers on the first one by their heavy atoms, or turn each to its own "
      "principal axes (first)" },
    { "output", 'o', "FILE", "a name in .svg, or - for standard output (-)" },
    { "overwrite", O_OVERWRITE, NULL, "replace an existing file" },
};

const struct command_page page_draw = {
    .name = "draw",
    .summary = "draw a molecule's conformers in a grid",
    .usage = "confgen draw FILE [-o OUT.svg]    draw a molecule's conformers in a grid\n",
    .text = "FILE is an SDF of a run or of another program: .zst, .gz or plain. The conformers are "
            "drawn as sticks of their heavy atoms, near ones wide and dark, with what their "
            "records state: generation, energy, checks.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .letter = 'o',
    .notes = "Exit status: 0; 1 if records are left out because they cannot be read or are of "
             "another molecule, or if no molecule has that name; 2 usage error; 3 a file cannot be "
             "read or written, or FILE holds no conformer.",
};

struct draw_options {
    const char *input, *molecule, *output;
    size_t limit;
    int columns, overwrite;
    cg_drawing_align align;
};

/* Whether a file's name ends in another kind than .svg. */
static int has_other_extension(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    return strchr(name, '.') && !cg_path_has_extension(name, ".svg");
}

static void parse(int argc, char **argv, struct draw_options *o)
{
    static const char *const aligns[] = { "first", "none" };
    int option;

    *o = (struct draw_options) { .output = "-", .limit = 24, .columns = 4 };
    while ((option = next_option(argc, argv, &page_draw)) != -1) {
        switch (option) {
        case O_MOLECULE:
            o->molecule = optarg;
            break;
        case O_LIMIT:
            o->limit = (size_t)parse_int("--limit", optarg, 1, MAX_CONFORMERS);
            break;
        case O_COLUMNS:
            o->columns = parse_int("--columns", optarg, 1, MAX_COLUMNS);
            break;
        case O_ALIGN:
            o->align = (cg_drawing_align)parse_keyword("--align", optarg, aligns, 2);
            break;
        case 'o':
            o->output = optarg;
            break;
        default:
            o->overwrite = 1;
        }
    }
    o->input = single_operand(argc, argv, "FILE");
    if (has_other_extension(o->output))
        usage_error("--output '%s': a drawing is SVG, wanted a name in .svg; browsers show it, "
                    "Inkscape converts it",
                    o->output);
    check_files(&(struct named_file) { NULL, "FILE", o->input }, 1,
                &(struct named_file) { "--output", "the --output file", o->output }, 1,
                o->overwrite);
}

/* Says which records are not drawn; returns the exit status. */
static int warn(const cg_drawn_molecule *m)
{
    if (!m->reason)
        return EXIT_OK;
    message("%s", m->reason);
    message("not drawn: %zu records that cannot be read, %zu of another molecule", m->n_broken,
            m->n_other);
    return EXIT_SOME_FAILED;
}

int cmd_draw(int argc, char **argv)
{
    cg_drawn_molecule molecule = { 0 };
    struct draw_options o;
    cg_buf text = { 0 };
    cg_error err = CG_ERROR_INIT;
    int status = EXIT_OK;
    cg_status st;

    command_name = "draw";
    parse(argc, argv, &o);
    CG_TRY_GOTO(st, cg_drawn_molecule_read(o.input, o.molecule, o.limit, &molecule, &err), out);
    CG_TRY_GOTO(st, cg_drawing_write(&molecule, o.columns, o.align, &text, &err), out);
    CG_TRY_GOTO(st, cg_file_write_whole(o.output, text.data, text.len, o.overwrite, &err), out);
    status = warn(&molecule);
out:
    cg_drawn_molecule_finish(&molecule);
    cg_buf_finish(&text);
    if (st != CG_OK)
        status = report_error(&err);
    return st == CG_ERR_INPUT ? EXIT_SOME_FAILED : status; /* no such molecule: as in `inspect` */
}
