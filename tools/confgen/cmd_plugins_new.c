/* SPDX-License-Identifier: MIT */
/* confgen plugins new: writes the project of a new plugin from the templates in data/sdk. */
#include <confgen/build_info.h>
#include <confgen/plugins.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "base/whole_file.h"
#include "commands.h"

static const struct command_option options[] = {
    { "cuda", 'c', NULL, "with a part for NVIDIA GPUs, NAME.cu (attention and cache)" },
    { "output", 'o', "DIR", "another folder, which must be new or empty" },
};

const struct command_page page_plugins_new = {
    .name = "plugins new",
    .summary = "write the project of a new plugin",
    .usage = "confgen plugins new attention|cache|constraint NAME [--cuda] [--output DIR]\n",
    .text =
        "Writes the project of a new plugin into the folder NAME: sources that are complete and "
        "correct, builds for Make, CMake and Meson, a recipe for continuous integration, a README "
        "that says what to edit first. NAME consists of a to z, 0 to 9 and _, at most 31 of them.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes = "Exit status: 0 written, 2 the command line is wrong or the folder is not empty, 3 a "
             "file cannot be read or written.",
};

enum { MAX_NAME = 31, MAX_TEMPLATE = 1 << 20 };

struct template_kind {
    const char *name;
    const char *option;           /* that selects a plugin of the kind */
    const char *const *built_ins; /* names that confgen's own plugins have, and "auto" */
    const char *no_cuda;          /* why there is no template for GPUs; NULL: there is */
};

static const char *const attentions[] = { "auto",  "cudnn",  "eager", "efficient",
                                          "flash", "hopper", NULL };
static const char *const caches[] = { "auto", "dynamic", "paged", "static", NULL };
static const char *const constraints[] = { "grammar", "none", "template", NULL };

static const struct template_kind kinds[] = {
    { "attention", "attention", attentions, NULL },
    { "cache", "kv-cache", caches, NULL },
    { "constraint", "constraint", constraints,
      "a constraint only makes tables, which confgen interprets on any device" },
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* A file of a project. The names in the project may have placeholders. */
struct project_file {
    const char *from; /* below sdk/common, or below sdk/KIND if `of_kind` */
    const char *to;
    int of_kind;
    int cuda; /* only with --cuda */
};

static const struct project_file files[] = {
    { "plugin.c", "@NAME@.c", 1, 0 },
    { "plugin_cuda.h", "@NAME@_cuda.h", 1, 1 },
    { "plugin.cu", "@NAME@.cu", 1, 1 },
    { "README.md", "README.md", 1, 0 },
    { "Makefile", "Makefile", 0, 0 },
    { "CMakeLists.txt", "CMakeLists.txt", 0, 0 },
    { "meson.build", "meson.build", 0, 0 },
    { "molecules.smi", "molecules.smi", 0, 0 },
    { "LICENSE", "LICENSE", 0, 0 },
    { "gitignore", ".gitignore", 0, 0 },
    { "ci.yml", ".github/workflows/ci.yml", 0, 0 },
};
enum { N_FILES = sizeof files / sizeof *files };

/* Folders of a project, outer ones first. */
static const char *const folders[] = { "", ".github", ".github/workflows" };
enum { N_FOLDERS = sizeof folders / sizeof *folders };

struct project {
    const struct template_kind *kind;
    const char *name;
    const char *dir;
    int cuda;
    char *written[N_FILES]; /* paths */
    char *made[N_FOLDERS];
    int n_written, n_made;
};

/* ---- the command line ---------------------------------------------------------------------- */

static _Noreturn void refuse_name(const struct template_kind *kind, const char *name)
{
    usage_error("NAME '%s': taken, --%s %s already has a meaning", name, kind->option, name);
}

static void check_name(const struct template_kind *kind, const char *name)
{
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options), .threads = 1, .files_only = 1 };
    cg_aliased_plugin alias = { CG_SIZED(cg_aliased_plugin) };
    cg_plugin_set *set;
    cg_error err = CG_ERROR_INIT;
    size_t len = strlen(name);

    if (!len || len > MAX_NAME || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
        usage_error("NAME '%s': wanted 1 to %d of the characters a to z, 0 to 9 and _", name,
                    MAX_NAME);
    for (const char *const *taken = kind->built_ins; *taken; taken++)
        if (!strcmp(name, *taken))
            refuse_name(kind, name);
    if (cg_plugin_set_open(&open, &set, &err) != CG_OK)
        end_program(report_error(&err));
    for (int32_t i = 0; cg_plugin_set_alias(set, i, &alias); i++)
        if (!strcmp(name, alias.name) && !strcmp(kind->name, alias.kind))
            refuse_name(kind, name);
    cg_plugin_set_close(set);
}

static const struct template_kind *find_kind(const char *text)
{
    const char *words[N_KINDS];

    for (int i = 0; i < N_KINDS; i++)
        words[i] = kinds[i].name;
    return &kinds[parse_keyword("KIND", text, words, N_KINDS)];
}

/* ---- templates ------------------------------------------------------------------------------ */

/* Appends a text in which @NAME@, @KIND@ and @OPTION@ are replaced. */
static void put_replaced(const struct project *p, const char *text, cg_buf *to)
{
    const struct {
        const char *name, *value;
    } placeholders[] = { { "@NAME@", p->name },
                         { "@KIND@", p->kind->name },
                         { "@OPTION@", p->kind->option } };

    while (*text) {
        const char *value = NULL;
        size_t len = strcspn(text, "@");

        for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders && !len && !value; i++)
            if (!strncmp(text, placeholders[i].name, strlen(placeholders[i].name))) {
                value = placeholders[i].value;
                len = strlen(placeholders[i].name);
            }
        if (!len)
            len = 1; /* another @ */
        if (value)
            cg_buf_puts(to, value);
        else
            cg_buf_put(to, text, len);
        text += len;
    }
}

static cg_status write_file(struct project *p, const struct project_file *f, cg_error *err)
{
    char name[64], path[PATH_MAX];
    cg_bytes template = { 0 };
    cg_buf text = { 0 }, to = { 0 };
    char *file = NULL;
    cg_status st;

    snprintf(name, sizeof name, "sdk/%s/%s", f->of_kind ? p->kind->name : "common", f->from);
    CG_TRY_GOTO(st, cg_data_path(name, path, sizeof path, err), out);
    CG_TRY_GOTO(st, cg_file_read(path, MAX_TEMPLATE, &template, err), out);
    put_replaced(p, (const char *)template.data, &text);
    put_replaced(p, f->to, &to);
    if (text.failed || to.failed || !(file = cg_path_join(p->dir, cg_buf_text(&to)))) {
        st = cg_fail_nomem(err, "plugins new");
        goto out;
    }
    CG_TRY_GOTO(st, cg_file_write_whole(file, cg_buf_text(&text), text.len, 0, err), out);
    p->written[p->n_written++] = file;
    file = NULL;
out:
    free(file);
    cg_buf_finish(&to);
    cg_buf_finish(&text);
    cg_bytes_release(&template);
    return st;
}

/* ---- the project ---------------------------------------------------------------------------- */

/* A usage error if the name is that of a symbolic link to nothing, where no folder can be made. */
static void check_link(const char *dir)
{
    char path[PATH_MAX], to[PATH_MAX];
    size_t len = strlen(dir);
    ssize_t n;

    while (len > 1 && dir[len - 1] == '/') /* readlink() would follow the link */
        len--;
    snprintf(path, sizeof path, "%.*s", (int)len, dir);
    n = readlink(path, to, sizeof to);
    if (n >= 0)
        usage_error("'%s': is a symbolic link to '%.*s', which does not exist; wanted a new or "
                    "empty folder",
                    path, (int)n, to);
}

/* A usage error unless the folder is new or empty. */
static void check_new(const char *dir)
{
    const struct dirent *entry;
    DIR *d = opendir(dir);

    if (!d && errno == ENOENT) {
        check_link(dir);
        return;
    }
    if (!d)
        usage_error("'%s': wanted a new or empty folder: %s", dir, strerror(errno));
    while ((entry = readdir(d)) != NULL)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            usage_error("'%s': contains '%s', wanted a new or empty folder", dir, entry->d_name);
    closedir(d);
}

static cg_status make_folder(struct project *p, const char *name, cg_error *err)
{
    char *path = *name ? cg_path_join(p->dir, name) : strdup(p->dir);

    if (!path)
        return cg_fail_nomem(err, "plugins new");
    if (!mkdir(path, 0777)) {
        p->made[p->n_made++] = path;
        return CG_OK;
    }
    if (errno == EEXIST && !*name) { /* the empty folder */
        free(path);
        return CG_OK;
    }
    cg_fail(err, CG_ERR_IO, "'%s': cannot be made: %s", path, strerror(errno));
    free(path);
    return CG_ERR_IO;
}

static cg_status write_project(struct project *p, cg_error *err)
{
    for (int i = 0; i < N_FOLDERS; i++)
        CG_TRY(make_folder(p, folders[i], err));
    for (int i = 0; i < N_FILES; i++)
        if (p->cuda || !files[i].cuda)
            CG_TRY(write_file(p, &files[i], err));
    return CG_OK;
}

/* Frees the lists of files and folders; first removes these if `failed`. */
static void finish_project(struct project *p, int failed)
{
    while (p->n_written > 0) {
        if (failed)
            unlink(p->written[p->n_written - 1]);
        free(p->written[--p->n_written]);
    }
    while (p->n_made > 0) {
        if (failed)
            rmdir(p->made[p->n_made - 1]);
        free(p->made[--p->n_made]);
    }
}

int cmd_plugins_new(int argc, char **argv)
{
    struct project p = { .kind = NULL };
    cg_error err = CG_ERROR_INIT;
    cg_status st;
    int option;

    command_name = "plugins new";
    while ((option = next_option(argc, argv, &page_plugins_new)) != -1)
        if (option == 'c')
            p.cuda = 1;
        else
            p.dir = optarg;
    if (argc - optind != 2)
        usage_error("found %d operand%s, wanted attention, cache or constraint, and NAME",
                    argc - optind, argc - optind == 1 ? "" : "s");
    p.kind = find_kind(argv[optind]);
    p.name = argv[optind + 1];
    check_name(p.kind, p.name);
    if (p.cuda && p.kind->no_cuda)
        usage_error("--cuda: %s", p.kind->no_cuda);
    if (!p.dir)
        p.dir = p.name;
    check_new(p.dir);
    st = write_project(&p, &err);
    for (int i = 0; i < p.n_written && st == CG_OK; i++)
        print_lines(stdout, "%s\n", p.written[i]);
    finish_project(&p, st != CG_OK);
    if (st != CG_OK)
        return report_error(&err);
    print_lines(stdout,
                "\nNext: cd '%s' && make && make check; README.md says what to edit first.\n",
                p.dir);
    return EXIT_OK;
}
