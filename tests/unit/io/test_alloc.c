/* SPDX-License-Identifier: MIT */
/* Fails every allocation once while reading input and writing, resuming and reading output: each
 * call must report an error, leak nothing, and leave an output that can still be completed. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "io/input.h"
#include "io/output.h"
#include "io/reader.h"
#include "io/record.h"

static char dir[64];
static char out_path[128], manifest_path[160], failed_path[128];

typedef cg_status (*operation)(cg_error *err);

static cg_status read_list(cg_error *err)
{
    static const char text[] = "smiles,name\nCC,\"a\nb\"\n\nCO,\"open\nCN,c\n";
    cg_input_record r;
    cg_input *in = NULL;
    int more = 1;
    cg_status st = cg_input_open_memory("t", text, sizeof text - 1, NULL, &in, err);

    while (st == CG_OK && more)
        st = cg_input_next(in, &r, &more, err);
    cg_input_close(in);
    return st;
}

static cg_status open_output(int resume, cg_output **out, cg_output_state *state, cg_error *err)
{
    static const cg_fingerprint_item items[] = { { "seed", "1", NULL } };
    const cg_output_options opt = { .format = CG_CONTAINER_ZST,
                                    .resume = resume,
                                    .overwrite = !resume,
                                    .failed_path = failed_path,
                                    .fingerprint = items,
                                    .n_fingerprint = 1 };

    return cg_output_open(out_path, &opt, out, state, err);
}

static cg_status put(cg_output *out, int64_t first, cg_error *err)
{
    static const double xyz[][3] = { { 0, 0, 0 } };
    static const char *const elements[] = { "C" };
    const cg_record_conformer c = {
        .name = "n", .smiles = "C", .n_atoms = 1, .elements = elements, .xyz = xyz, .decimals = 3
    };
    cg_status st = CG_OK;

    for (int64_t i = first; st == CG_OK && i < 3; i++) {
        cg_buf text = { 0 }, failed = { 0 };
        cg_output_molecule m = { .index = i, .n_records = 1, .n_failed = 1 };

        cg_failure_write(i, "n", "C", 0, "why", NULL, &failed);
        st = cg_buf_check(&failed, "failures", err);
        if (st == CG_OK)
            st = cg_record_write(CG_RECORD_JSON, &c, &text, err);
        m.bytes = text.data;
        m.len = text.len;
        m.failed_text = failed.data;
        m.failed_len = failed.len;
        if (st == CG_OK)
            st = cg_output_put(out, &m, err);
        cg_buf_finish(&text);
        cg_buf_finish(&failed);
    }
    return st;
}

static cg_status write_output(int resume, cg_error *err)
{
    cg_output_state state;
    cg_output *out = NULL;
    cg_status st = open_output(resume, &out, &state, err);

    if (st == CG_OK)
        st = put(out, state.next_index, err);
    if (st == CG_OK)
        st = cg_output_finish(out, err);
    cg_output_close(out);
    return st;
}

static cg_status write_new(cg_error *err)
{
    return write_output(0, err);
}

static cg_status write_resumed(cg_error *err)
{
    return write_output(1, err);
}

static cg_status read_output(cg_error *err)
{
    cg_reader *r = NULL;
    cg_buf b = { 0 };
    size_t i;
    cg_status st = cg_reader_open(out_path, &r, err);

    if (st == CG_OK)
        st = cg_reader_find(r, "n", 0, &i, err);
    for (i = 0; st == CG_OK && i < cg_reader_count(r); i++)
        st = cg_reader_read(r, i, 0, &b, err);
    if (st == CG_OK && cg_record_count(CG_RECORD_JSON, b.data, b.len) != 3)
        st = CG_ERR_INTERNAL; /* no assertion here: it allocates */
    cg_buf_finish(&b);
    cg_reader_close(r);
    return st;
}

static const struct {
    const char *name;
    operation run;
    int completes; /* the output can be completed after a failure */
} operations[] = {
    { "read list", read_list, 0 },
    { "write", write_new, 1 },
    { "resume", write_resumed, 1 },
    { "read output", read_output, 0 },
};

START_TEST(every_allocation_failure_is_reported)
{
    cg_error err = CG_ERROR_INIT;
    long n;

    /* Creates a complete output, and makes the allocations that libraries make only once. */
    ck_assert_msg(!write_new(&err), "%s", err.msg);
    ck_assert_msg(!operations[_i].run(&err), "%s", err.msg);
    for (n = 0;; n++) {
        long before = atomic_load(&live);
        cg_status st;

        err = (cg_error)CG_ERROR_INIT;
        if (operations[_i].run == write_resumed) /* without the seek table and one molecule */
            ck_assert_int_eq(truncate(out_path, 200), 0);
        atomic_store(&alloc_failed, 0);
        atomic_store(&countdown, n);
        st = operations[_i].run(&err);
        atomic_store(&countdown, -1);
        ck_assert_msg(atomic_load(&live) == before, "%s, allocation %ld: %ld blocks leaked",
                      operations[_i].name, n, atomic_load(&live) - before);
        if (!atomic_load(&alloc_failed)) {
            ck_assert_msg(st == CG_OK, "%s: %s", operations[_i].name, err.msg);
            break;
        }
        /* CG_OK: a library recovered from the failure. */
        ck_assert_msg(st == CG_OK || (err.code == st && err.msg[0]), "%s, allocation %ld: %d",
                      operations[_i].name, n, st);
        if (operations[_i].completes) {
            ck_assert_msg(!write_resumed(&err), "%s, allocation %ld: %s", operations[_i].name, n,
                          err.msg);
            ck_assert_msg(!read_output(&err), "%s, allocation %ld: %s", operations[_i].name, n,
                          err.msg);
        }
    }
    ck_assert_int_gt(n, 5);
}
END_TEST

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "%s/confgen_test_io_alloc_XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(out_path, sizeof out_path, "%s/out.json.zst", dir);
    snprintf(manifest_path, sizeof manifest_path, "%s.manifest", out_path);
    snprintf(failed_path, sizeof failed_path, "%s/failed.tsv", dir);
}

static void remove_dir(void)
{
    unlink(out_path);
    unlink(manifest_path);
    unlink(failed_path);
    rmdir(dir);
}

int main(void)
{
    Suite *s = suite_create("allocation failures");
    TCase *tc = tcase_create("input and output");
    SRunner *sr;
    int n_failed;

    tcase_add_unchecked_fixture(tc, make_dir, remove_dir);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, every_allocation_failure_is_reported, 0,
                        sizeof operations / sizeof *operations);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed != 0;
}
