/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/output.h"
#include "io/reader.h"
#include "io/record.h"

enum { N_MOLECULES = 60, N_KILLS = 25, N_FORMATS = 3 };

/* In /dev/shm if possible: every run of a test syncs. */
static char dir[64];
static char out_path[128], manifest_path[160], failed_path[128];

static const cg_fingerprint_item items[] = { { "input", "geom.smi 81f2", NULL },
                                             { "seed", "1", NULL } };

static cg_output_options options(int format, int resume)
{
    return (cg_output_options) { .format = (cg_container_format)format,
                                 .resume = resume,
                                 .failed_path = failed_path,
                                 .fingerprint = items,
                                 .n_fingerprint = 2 };
}

static int n_records(int i)
{
    return i % 7 == 3 ? 0 : 1 + i % 3;
}

/* Whether each record of molecule i is a frame of its own. */
static int has_parts(int i)
{
    return i % 4 == 2;
}

static void put_record(int i, unsigned *state, cg_buf *out)
{
    cg_buf_printf(out, "mol_%d\n", i);
    for (int line = 0; line < 30; line++) {
        *state = *state * 1103515245u + 12345u;
        cg_buf_printf(out, "%u.%04u\n", *state >> 28, (*state >> 8) % 10000);
    }
    cg_buf_puts(out, "M  END\n$$$$\n");
}

/* Writes `text` as a part of the next molecule, in a frame, and empties it. */
static cg_status put_part(cg_output *out, cg_container_format format, cg_buf *text, cg_error *err)
{
    cg_buf frame = { 0 };
    cg_status st =
        cg_frame_compress(format, CG_CONTAINER_LEVEL, text->data, text->len, &frame, err);

    if (st == CG_OK)
        st = cg_output_put_part(out, frame.data, frame.len, text->len, err);
    cg_buf_clear(text);
    cg_buf_finish(&frame);
    return st;
}

/*
 * Molecule i of the input: some fail in part, some completely, some have a frame for each record,
 * after which there may be failures only. Odd ordinals belong to another shard.
 */
static cg_status put_molecule(cg_output *out, cg_container_format format, int i, cg_error *err)
{
    cg_buf text = { 0 }, failed = { 0 };
    cg_output_molecule m = { .index = 2 * i, .n_records = n_records(i) };
    unsigned state = (unsigned)i * 2654435761u + 1;
    cg_status st = CG_OK;

    m.n_failed = i % 5 == 0 || i % 7 == 3;
    for (int k = 0; st == CG_OK && k < m.n_records; k++) {
        put_record(i, &state, &text);
        if (has_parts(i) && (k + 1 < m.n_records || m.n_failed))
            st = put_part(out, format, &text, err);
    }
    if (m.n_failed)
        cg_failure_write(i + 1, "name", "CC", 3, "reason", "raw", &failed);
    for (int k = 0; i == 20 && k < 400; k++) /* makes the failure file longer than the output */
        cg_failure_write(i + 1, "name", "CC", k, "reason", "one of many failures", &failed);
    m.bytes = text.data;
    m.len = text.len;
    m.failed_text = failed.data;
    m.failed_len = failed.len;
    if (st == CG_OK)
        st = cg_output_put(out, &m, err);
    cg_buf_finish(&text);
    cg_buf_finish(&failed);
    return st;
}

/* Opens, writes the missing molecules, finishes. state->note is valid until the next run. */
static cg_status run(const cg_output_options *opt, int pause, cg_output_state *state, cg_error *err)
{
    static char note[CG_ERROR_TEXT];
    cg_output *out = NULL;
    cg_status st = cg_output_open(out_path, opt, &out, state, err);

    snprintf(note, sizeof note, "%s", state->note);
    state->note = note;

    for (int i = 0; st == CG_OK && i < N_MOLECULES; i++) {
        if (2 * i < state->next_index)
            continue;
        st = put_molecule(out, opt->format, i, err);
        for (volatile int spin = 0; spin < pause; spin++)
            ;
    }
    if (st == CG_OK)
        st = cg_output_finish(out, err);
    cg_output_close(out);
    return st;
}

static cg_buf read_file(const char *path)
{
    cg_buf b = { 0 };
    FILE *f = fopen(path, "rb");
    size_t n;

    if (!f)
        return b;
    do {
        ck_assert_int_eq(cg_buf_reserve(&b, 65536), 0);
        n = fread(b.data + b.len, 1, 65536, f);
        b.len += n;
    } while (n);
    fclose(f);
    return b;
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void remove_files(void)
{
    unlink(out_path);
    unlink(manifest_path);
    unlink(failed_path);
}

/* The three files of a run. */
struct files {
    cg_buf out, manifest, failed;
};

static struct files read_files(void)
{
    return (struct files) { read_file(out_path), read_file(manifest_path), read_file(failed_path) };
}

static void finish_files(struct files *f)
{
    cg_buf_finish(&f->out);
    cg_buf_finish(&f->manifest);
    cg_buf_finish(&f->failed);
}

static int same(const cg_buf *a, const cg_buf *b)
{
    return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

static void check_files(const struct files *wanted, const char *when, size_t n)
{
    struct files got = read_files();

    ck_assert_msg(same(&wanted->out, &got.out), "output differs (%s %zu)", when, n);
    ck_assert_msg(same(&wanted->manifest, &got.manifest), "manifest differs (%s %zu)", when, n);
    ck_assert_msg(same(&wanted->failed, &got.failed), "failures differ (%s %zu)", when, n);
    finish_files(&got);
}

/* The files of an uninterrupted run. */
static struct files reference_files(int format)
{
    cg_error err = CG_ERROR_INIT;
    cg_output_options opt = options(format, 0);
    cg_output_state state;

    remove_files();
    ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
    ck_assert_int_eq(state.kind, CG_OUTPUT_FRESH);
    ck_assert_int_eq(state.next_index, 0);
    return read_files();
}

START_TEST(complete_output_is_not_changed)
{
    cg_error err = CG_ERROR_INIT;
    cg_output_options opt = options(_i, 1);
    struct files wanted = reference_files(_i);
    size_t n_frames = 0;
    cg_output_state state;
    cg_reader *r = NULL;

    for (int i = 0; i < N_MOLECULES; i++)
        n_frames +=
            (size_t)(has_parts(i) && _i != CG_CONTAINER_PLAIN ? n_records(i) : n_records(i) > 0);
    ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
    ck_assert_int_eq(state.kind, CG_OUTPUT_COMPLETE);
    ck_assert_int_eq(state.next_index, 2 * N_MOLECULES - 1);
    ck_assert_int_eq(state.n_molecules, N_MOLECULES);
    ck_assert_int_eq(state.n_records, 102);
    ck_assert_int_eq(state.n_failed, 19);
    ck_assert_int_eq(state.n_molecules_failed, 19);
    ck_assert_str_eq(state.note, "");
    check_files(&wanted, "complete", 0);
    ck_assert_int_eq(cg_reader_open(out_path, &r, &err), CG_OK);
    ck_assert_uint_eq(cg_reader_count(r), n_frames);
    ck_assert_str_eq(cg_reader_note(r), "");
    cg_reader_close(r);
    /* A missing end or appended bytes make it incomplete. */
    write_file(out_path, wanted.out.data, wanted.out.len - 1);
    ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
    ck_assert_int_eq(state.kind, CG_OUTPUT_RESUMED);
    check_files(&wanted, "end missing", 0);
    cg_buf_puts(&wanted.out, "more");
    write_file(out_path, wanted.out.data, wanted.out.len);
    wanted.out.len -= 4;
    ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
    ck_assert_int_eq(state.kind, CG_OUTPUT_RESUMED);
    check_files(&wanted, "end added", 0);
    finish_files(&wanted);
}
END_TEST

START_TEST(killed_runs_are_completed)
{
    cg_error err = CG_ERROR_INIT;
    cg_output_options opt = options(_i, 1);
    struct files wanted = reference_files(_i);
    cg_output_state state;
    unsigned seed = 12345 + (unsigned)_i;
    int kills = 0, resumed = 0;

    while (kills < N_KILLS) {
        int status = 0;

        remove_files();
        /* Kill runs until one finishes. */
        for (int finished = 0; !finished;) {
            pid_t pid = fork();
            struct timespec wait;

            ck_assert_int_ge(pid, 0);
            if (pid == 0) {
                cg_status st = run(&opt, 20000, &state, &err);

                _exit(st != CG_OK ? 1 : state.kind != CG_OUTPUT_FRESH ? 2 : 0);
            }
            wait = (struct timespec) { 0, rand_r(&seed) % 12000000 };
            nanosleep(&wait, NULL);
            kill(pid, SIGKILL);
            ck_assert_int_eq(waitpid(pid, &status, 0), pid);
            finished = WIFEXITED(status);
            kills += !finished;
        }
        ck_assert_int_ne(WEXITSTATUS(status), 1);
        resumed += WEXITSTATUS(status) == 2;
        check_files(&wanted, "kills", (size_t)kills);
    }
    ck_assert_int_gt(resumed, 0);
    finish_files(&wanted);
}
END_TEST

/* Offset of line `line` in the text of the manifest. */
static size_t line_offset(const cg_buf *manifest, int line)
{
    const char *p = manifest->data;

    for (int i = 0; i < line; i++)
        p = strchr(p, '\n') + 1;
    return (size_t)(p - manifest->data);
}

static unsigned long long field(const cg_buf *manifest, int line, const char *key)
{
    const char *p = strstr(manifest->data + line_offset(manifest, line), key);

    ck_assert_ptr_nonnull(p);
    return strtoull(p + strlen(key), NULL, 10);
}

/*
 * The state after every single byte that a run writes from its LAST last molecules to the end:
 * frame, failures, manifest line, ..., seek table, completion line.
 */
START_TEST(every_interrupted_write_is_completed)
{
    enum { LAST = 2 };
    cg_error err = CG_ERROR_INIT;
    cg_output_options opt = options(_i, 1);
    struct files wanted = reference_files(_i);
    size_t at[3], to[3], n = 0;
    cg_output_state state;

    wanted.manifest.data[wanted.manifest.len] = '\0';
    for (int line = N_MOLECULES - LAST; line <= N_MOLECULES; line++) {
        /* Line 0 is the header, line m + 1 molecule m, the last line the completion. */
        at[0] = field(&wanted.manifest, line, "\"end\":");
        at[1] = field(&wanted.manifest, line, "\"failed_end\":");
        at[2] = line_offset(&wanted.manifest, line + 1);
        to[0] = field(&wanted.manifest, line + 1, "\"end\":");
        to[1] = field(&wanted.manifest, line + 1, "\"failed_end\":");
        to[2] = line_offset(&wanted.manifest, line + 2);
        for (int k = 0; k < 3; k++)
            for (; at[k] < to[k]; at[k]++, n++) {
                write_file(out_path, wanted.out.data, at[0]);
                write_file(failed_path, wanted.failed.data, at[1]);
                write_file(manifest_path, wanted.manifest.data, at[2]);
                ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
                ck_assert_int_eq(state.kind, CG_OUTPUT_RESUMED);
                ck_assert_int_eq(state.n_molecules, line > N_MOLECULES ? N_MOLECULES : line);
                ck_assert_str_eq(state.note, "");
                check_files(&wanted, "interrupted write", n);
            }
    }
    ck_assert_uint_gt(n, 300);
    finish_files(&wanted);
}
END_TEST

/* The first writes of a run: manifest header, failure file header, first molecule. */
START_TEST(every_interrupted_start_is_completed)
{
    cg_error err = CG_ERROR_INIT;
    cg_output_options opt = options(CG_CONTAINER_ZST, 1);
    struct files wanted = reference_files(CG_CONTAINER_ZST);
    size_t header = line_offset(&wanted.manifest, 1);
    cg_output_state state;

    for (size_t n = 0; n <= header; n++) {
        remove_files();
        write_file(manifest_path, wanted.manifest.data, n);
        if (n % 2)
            write_file(out_path, "", 0);
        if (n == header)
            write_file(failed_path, wanted.failed.data, 3);
        ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
        ck_assert_int_eq(state.kind, CG_OUTPUT_FRESH);
        check_files(&wanted, "interrupted start", n);
    }
    remove_files();
    ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg); /* no files */
    check_files(&wanted, "nothing", 0);
    finish_files(&wanted);
}
END_TEST

/* After a loss of power: files shorter than the manifest states, or with other bytes. */
START_TEST(damaged_files_resume_after_the_intact_prefix)
{
    cg_error err = CG_ERROR_INIT;
    cg_output_options opt = options(_i, 1);
    struct files wanted = reference_files(_i);
    size_t middle = wanted.out.len / 2;
    cg_output_state state;
    cg_output *out = NULL;

    wanted.out.data[middle] ^= 1;
    write_file(out_path, wanted.out.data, wanted.out.len);
    wanted.out.data[middle] ^= 1;
    ck_assert_msg(!cg_output_open(out_path, &opt, &out, &state, &err), "%s", err.msg);
    ck_assert_int_eq(state.kind, CG_OUTPUT_RESUMED);
    ck_assert(state.n_molecules > 20 && state.n_molecules < 40);
    ck_assert_msg(
        strstr(state.note, "of 60 lines of the manifest only the molecules of the first") != NULL,
        "%s", state.note);
    cg_output_close(out);
    ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
    check_files(&wanted, "damaged", 0);
    middle = wanted.failed.len / 2;
    wanted.failed.data[middle] ^= 1;
    write_file(failed_path, wanted.failed.data, wanted.failed.len);
    wanted.failed.data[middle] ^= 1;
    ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
    check_files(&wanted, "damaged", 1);
    middle = wanted.out.len / 2;
    for (int k = 0; k < 2; k++) {
        ck_assert_int_eq(truncate(k ? failed_path : out_path, k ? 100 : (off_t)middle), 0);
        ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
        ck_assert_int_eq(state.kind, CG_OUTPUT_RESUMED);
        check_files(&wanted, "shorter", (size_t)k);
    }
    unlink(out_path);
    ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
    ck_assert_int_eq(state.kind, CG_OUTPUT_FRESH);
    check_files(&wanted, "gone", 0);
    finish_files(&wanted);
}
END_TEST

/* Any byte of the manifest changed: refused, or completed correctly. */
START_TEST(damaged_manifests_do_no_harm)
{
    cg_error err = CG_ERROR_INIT;
    cg_output_options opt = options(CG_CONTAINER_ZST, 1);
    struct files wanted = reference_files(CG_CONTAINER_ZST);
    cg_output_state state;

    for (size_t n = 0; n < wanted.manifest.len; n += 13) {
        char old = wanted.manifest.data[n];
        cg_status st;

        write_file(out_path, wanted.out.data, wanted.out.len);
        write_file(failed_path, wanted.failed.data, wanted.failed.len);
        wanted.manifest.data[n] = "9\n\"}\0x"[n % 6];
        write_file(manifest_path, wanted.manifest.data, wanted.manifest.len);
        wanted.manifest.data[n] = old;
        st = run(&opt, 0, &state, &err);
        if (st == CG_OK) {
            cg_buf out = read_file(out_path);

            ck_assert_msg(same(&wanted.out, &out), "byte %zu", n);
            cg_buf_finish(&out);
        } else {
            ck_assert_msg(st == CG_ERR_MISMATCH, "byte %zu: %s", n, err.msg);
        }
    }
    finish_files(&wanted);
}
END_TEST

START_TEST(other_settings_cannot_be_resumed)
{
    const cg_fingerprint_item other[] = { { "input", "geom.smi 81f2", NULL },
                                          { "seed", "2", NULL } };
    const cg_fingerprint_item fewer[] = { { "input", "geom.smi 81f2", NULL } };
    const cg_fingerprint_item more[] = { { "input", "geom.smi 81f2", NULL },
                                         { "seed", "1", NULL },
                                         { "x", "", NULL } };
    const cg_fingerprint_item noted[] = { { "input", "geom.smi 81f2", "another place" },
                                          { "seed", "2", "drawn by lot" } };
    cg_error err = CG_ERROR_INIT;
    cg_output_options opt = options(CG_CONTAINER_ZST, 1);
    struct files wanted = reference_files(CG_CONTAINER_ZST);
    cg_output_state state;

    opt.fingerprint = other;
    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_MISMATCH);
    ck_assert_msg(strstr(err.msg, "the run to resume had seed '1', this one has '2'") != NULL, "%s",
                  err.msg);
    opt.fingerprint = fewer;
    opt.n_fingerprint = 1;
    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.msg, "seed '1', this one has '(none)'"));
    opt.fingerprint = more;
    opt.n_fingerprint = 3;
    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.msg, "x '(none)', this one has ''"));
    opt.fingerprint = noted;
    opt.n_fingerprint = 2;
    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.msg, "seed '1', this one has '2' (drawn by lot)"));
    opt = options(CG_CONTAINER_GZ, 1);
    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.msg, "container 'zst', this one has 'gz'"));
    opt = options(CG_CONTAINER_ZST, 1);
    opt.failed_path = NULL;
    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.msg, "file of failures"));
    check_files(&wanted, "refused", 0);
    /* Without the manifest the output cannot be resumed. */
    unlink(manifest_path);
    opt = options(CG_CONTAINER_ZST, 1);
    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.msg, "without a readable manifest"));
    ck_assert_int_ne(access(manifest_path, F_OK), 0);
    finish_files(&wanted);
}
END_TEST

START_TEST(existing_files_are_kept_without_overwrite)
{
    cg_error err = CG_ERROR_INIT;
    cg_output_options opt = options(CG_CONTAINER_ZST, 0);
    struct files wanted = reference_files(CG_CONTAINER_ZST);
    cg_output_state state;

    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_USAGE);
    ck_assert_msg(strstr(err.msg, "--resume") && strstr(err.msg, "--overwrite"), "%s", err.msg);
    unlink(out_path);
    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, manifest_path));
    unlink(manifest_path);
    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, failed_path));
    ck_assert(access(out_path, F_OK) && access(manifest_path, F_OK));
    write_file(out_path, wanted.out.data, wanted.out.len);
    write_file(manifest_path, wanted.manifest.data, wanted.manifest.len);
    opt.overwrite = opt.resume = 1;
    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_USAGE);
    check_files(&wanted, "refused", 0);
    write_file(out_path, "something else, longer", 22);
    opt.resume = 0;
    ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
    check_files(&wanted, "overwritten", 0);
    opt.failed_path = out_path; /* locked already */
    ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_IO);
    check_files(&wanted, "refused", 1);
    finish_files(&wanted);
}
END_TEST

/* Files in the places of a run's files that no run wrote. */
START_TEST(foreign_files_are_kept)
{
    static const char text[] = "my precious notes\n";
    const struct {
        const char *path;
        int overwrite, resume; /* refused? */
        const char *says;
    } cases[] = {
        { manifest_path, 1, 1, "is no manifest of confgen" },
        { failed_path, 0, 1, "is no list of failures" },
        { out_path, 0, 1, "holds none of the molecules that its manifest lists as they were" },
    };
    cg_output_state state;
    cg_error err;

    for (int i = 0; i < 6; i++) {
        struct files wanted = reference_files(CG_CONTAINER_ZST), got;
        int resume = i % 2, refused = resume ? cases[i / 2].resume : cases[i / 2].overwrite;
        cg_output_options opt = options(CG_CONTAINER_ZST, resume);

        opt.overwrite = !resume;
        write_file(cases[i / 2].path, text, sizeof text - 1);
        got = read_files();
        err = (cg_error)CG_ERROR_INIT;
        ck_assert_int_eq(run(&opt, 0, &state, &err), refused ? CG_ERR_MISMATCH : CG_OK);
        ck_assert_msg(!refused || strstr(err.msg, cases[i / 2].says), "%s", err.msg);
        check_files(refused ? &got : &wanted, "foreign", (size_t)i);
        finish_files(&got);
        finish_files(&wanted);
    }
    /* a list of failures without its output */
    remove_files();
    write_file(failed_path, text, sizeof text - 1);
    {
        cg_output_options opt = options(CG_CONTAINER_ZST, 1);

        ck_assert_int_eq(run(&opt, 0, &state, &err), CG_ERR_MISMATCH);
        ck_assert_ptr_nonnull(strstr(err.msg, "is no list of failures"));
        ck_assert(access(out_path, F_OK) && access(manifest_path, F_OK));
    }
}
END_TEST

START_TEST(two_runs_do_not_write_one_output)
{
    cg_error err = CG_ERROR_INIT;
    cg_output_options opt = options(CG_CONTAINER_ZST, 1);
    cg_output *first = NULL, *second = NULL;
    cg_output_state state;

    remove_files();
    ck_assert_int_eq(cg_output_open(out_path, &opt, &first, &state, &err), CG_OK);
    ck_assert_int_eq(cg_output_open(out_path, &opt, &second, &state, &err), CG_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "another run is writing it"));
    opt.resume = 0;
    opt.overwrite = 1;
    ck_assert_int_eq(cg_output_open(out_path, &opt, &second, &state, &err), CG_ERR_IO);
    ck_assert_int_eq(put_molecule(first, opt.format, 5, &err), CG_OK);
    ck_assert_int_eq(put_molecule(first, opt.format, 5, &err), CG_ERR_INTERNAL); /* out of order */
    cg_output_close(first);
}
END_TEST

/* A full disk, simulated by file size limits that take effect in each of the three files. */
START_TEST(full_disk_can_be_resumed)
{
    const cg_container_format format = CG_CONTAINER_ZST;
    struct files wanted = reference_files(format);
    int status = 0, kinds = 0;

    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 20; limit < wanted.out.len; limit = limit * 4 / 3) {
        cg_error err = CG_ERROR_INIT;
        cg_output_options opt = options(format, 0);
        cg_output_state state;
        pid_t pid;

        remove_files();
        pid = fork();
        if (pid == 0) {
            struct rlimit r = { limit, limit };
            cg_status st;

            setrlimit(RLIMIT_FSIZE, &r);
            st = run(&opt, 0, &state, &err);
            _exit(st != CG_ERR_IO || !strstr(err.msg, "File too large") ? 1
                  : strstr(err.msg, manifest_path)                      ? 2
                  : strstr(err.msg, failed_path)                        ? 4
                                                                        : 8);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) > 1, "limit %ld: status %x",
                      (long)limit, status);
        kinds |= WEXITSTATUS(status);
        if (limit > 2000) {
            cg_reader *r = NULL;

            ck_assert_msg(!cg_reader_open(out_path, &r, &err), "%s", err.msg);
            ck_assert_msg(strstr(cg_reader_note(r), "no seek table") != NULL, "%s",
                          cg_reader_note(r));
            cg_reader_close(r);
        }
        opt = options(format, 1);
        ck_assert_msg(!run(&opt, 0, &state, &err), "%s", err.msg);
        ck_assert_str_eq(state.note, "");
        check_files(&wanted, "limit", limit);
    }
    ck_assert_msg((kinds & 2) && (kinds & 4), "kinds %d", kinds);
    finish_files(&wanted);
}
END_TEST

/* A molecule that fails after parts of it were written: the file is as without them. */
START_TEST(parts_of_a_failed_molecule_are_dropped)
{
    const cg_container_format format = (cg_container_format)_i;
    struct files wanted = reference_files(_i);
    cg_output_options opt = options(_i, 0);
    cg_error err = CG_ERROR_INIT;
    cg_output *out = NULL;
    cg_output_state state;
    cg_buf text = { 0 };

    remove_files();
    ck_assert_msg(!cg_output_open(out_path, &opt, &out, &state, &err), "%s", err.msg);
    for (int i = 0; i < N_MOLECULES; i++) {
        for (int k = 0; k < i % 3; k++) {
            cg_buf_puts(&text, "records\n");
            ck_assert_msg(!put_part(out, format, &text, &err), "%s", err.msg);
        }
        ck_assert_msg(!cg_output_drop_parts(out, &err), "%s", err.msg);
        ck_assert_msg(!put_molecule(out, format, i, &err), "%s", err.msg);
    }
    ck_assert_msg(!cg_output_finish(out, &err), "%s", err.msg);
    cg_output_close(out);
    check_files(&wanted, "dropped", 0);
    opt = (cg_output_options) { .format = format };
    ck_assert_int_eq(cg_output_open("/dev/null", &opt, &out, &state, &err), CG_OK);
    ck_assert_int_eq(cg_output_drop_parts(out, &err), CG_OK);
    cg_buf_puts(&text, "records\n");
    ck_assert_int_eq(put_part(out, format, &text, &err), CG_OK);
    ck_assert_int_eq(cg_output_drop_parts(out, &err), CG_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "'/dev/null': a molecule failed after some of its"));
    ck_assert_int_eq(cg_output_finish(out, &err), CG_ERR_INTERNAL);
    cg_output_close(out);
    cg_buf_finish(&text);
    finish_files(&wanted);
}
END_TEST

START_TEST(streams_have_no_manifest)
{
    cg_error err = CG_ERROR_INIT;
    cg_output_options opt = { .format = CG_CONTAINER_PLAIN, .resume = 1 };
    cg_output_state state;
    cg_output *out = NULL;
    char text[4096] = { 0 };
    int fd[2];

    ck_assert_int_eq(cg_output_open("-", &opt, &out, &state, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg, "--resume requires a regular file, '-' is none");
    opt.resume = 0;
    ck_assert_int_eq(cg_output_open("/dev/null", &opt, &out, &state, &err), CG_OK);
    ck_assert_int_eq(put_molecule(out, opt.format, 1, &err), CG_OK);
    ck_assert_int_eq(cg_output_finish(out, &err), CG_OK);
    cg_output_close(out);
    ck_assert_int_ne(access("/dev/null.manifest", F_OK), 0);
    fflush(stdout);
    ck_assert_int_eq(pipe(fd), 0);
    ck_assert_int_ge(dup2(fd[1], STDOUT_FILENO), 0);
    ck_assert_int_eq(cg_output_open("-", &opt, &out, &state, &err), CG_OK);
    ck_assert_int_eq(put_molecule(out, opt.format, 1, &err), CG_OK);
    ck_assert_int_eq(cg_output_finish(out, &err), CG_OK);
    cg_output_close(out);
    ck_assert_int_gt(read(fd[0], text, sizeof text - 1), 100);
    ck_assert(!strncmp(text, "mol_1\n", 6));
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(cg_output_open("-", &opt, &out, &state, &err), CG_OK);
    close(fd[0]);
    ck_assert_int_eq(put_molecule(out, opt.format, 1, &err), CG_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "Broken pipe"));
    cg_output_close(out);
}
END_TEST

/* A list of bad lines: the manifest does not grow with it, and a resumed run counts them all. */
START_TEST(molecules_without_records_share_lines_of_the_manifest)
{
    cg_output_options opt = options(CG_CONTAINER_ZST, 0);
    cg_output_state state;
    cg_error err = CG_ERROR_INIT;
    cg_output *out = NULL;
    cg_buf manifest;
    int n_lines = 0;

    remove_files();
    ck_assert_msg(cg_output_open(out_path, &opt, &out, &state, &err) == CG_OK, "%s", err.msg);
    for (int i = 0; i < 2500; i++) {
        cg_output_molecule m = { .index = i, .n_failed = 2, .failed_text = "x\n", .failed_len = 2 };

        ck_assert_msg(cg_output_put(out, &m, &err) == CG_OK, "%s", err.msg);
    }
    cg_output_close(out); /* killed: the last 500 have no line */
    opt = options(CG_CONTAINER_ZST, 1);
    ck_assert_msg(cg_output_open(out_path, &opt, &out, &state, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(state.next_index, 2000);
    ck_assert_int_eq(state.n_molecules, 2000);
    ck_assert_int_eq(state.n_molecules_failed, 2000);
    ck_assert_int_eq(state.n_failed, 4000);
    for (int i = 2000; i < 2500; i++) {
        cg_output_molecule m = { .index = i, .n_failed = 2, .failed_text = "x\n", .failed_len = 2 };

        ck_assert_msg(cg_output_put(out, &m, &err) == CG_OK, "%s", err.msg);
    }
    ck_assert_msg(cg_output_finish(out, &err) == CG_OK, "%s", err.msg);
    cg_output_close(out);
    ck_assert_msg(cg_output_open(out_path, &opt, &out, &state, &err) == CG_OK, "%s", err.msg);
    cg_output_close(out);
    ck_assert_int_eq(state.kind, CG_OUTPUT_COMPLETE);
    ck_assert_int_eq(state.n_molecules_failed, 2500);
    manifest = read_file(manifest_path);
    for (size_t i = 0; i < manifest.len; i++)
        n_lines += manifest.data[i] == '\n';
    cg_buf_finish(&manifest);
    ck_assert_int_eq(n_lines, 5); /* header, three lines, completion */
}
END_TEST

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "%s/confgen_test_output_XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(out_path, sizeof out_path, "%s/out", dir);
    snprintf(manifest_path, sizeof manifest_path, "%s.manifest", out_path);
    snprintf(failed_path, sizeof failed_path, "%s/failed.tsv", dir);
}

static void remove_dir(void)
{
    remove_files();
    rmdir(dir);
}

int main(void)
{
    Suite *s = suite_create("output");
    TCase *tc = tcase_create("output");
    SRunner *sr;
    int failed;

    tcase_add_unchecked_fixture(tc, make_dir, remove_dir);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, complete_output_is_not_changed, 0, N_FORMATS);
    tcase_add_loop_test(tc, killed_runs_are_completed, 0, N_FORMATS);
    tcase_add_loop_test(tc, every_interrupted_write_is_completed, 0, N_FORMATS);
    tcase_add_test(tc, every_interrupted_start_is_completed);
    tcase_add_loop_test(tc, damaged_files_resume_after_the_intact_prefix, 0, N_FORMATS);
    tcase_add_test(tc, damaged_manifests_do_no_harm);
    tcase_add_test(tc, other_settings_cannot_be_resumed);
    tcase_add_test(tc, existing_files_are_kept_without_overwrite);
    tcase_add_test(tc, foreign_files_are_kept);
    tcase_add_test(tc, two_runs_do_not_write_one_output);
    tcase_add_test(tc, full_disk_can_be_resumed);
    tcase_add_loop_test(tc, parts_of_a_failed_molecule_are_dropped, 0, N_FORMATS);
    tcase_add_test(tc, streams_have_no_manifest);
    tcase_add_test(tc, molecules_without_records_share_lines_of_the_manifest);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
