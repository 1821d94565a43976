/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tok_testing.h"

static char dir[64];

static void enter_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/confgen_tok_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void path_of(char *out, size_t n, const char *name)
{
    snprintf(out, n, "%s/%s", dir, name);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    FILE *f;

    path_of(path, sizeof path, name);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static void leave_dir(void)
{
    static const char *const names[] = { "tokenizer.json", "vocab.json", "merges.txt",
                                         "tokenizer_config.json", "added_tokens.json" };
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        path_of(path, sizeof path, names[i]);
        if (unlink(path) && errno == EISDIR)
            rmdir(path);
    }
    ck_assert_int_eq(rmdir(dir), 0);
}

static void refused(cg_status status, const char *words)
{
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;

    ck_assert_msg(cg_tokenizer_load(dir, &t, &err) == status, "%s", err.msg);
    ck_assert_msg(strstr(err.msg, words) != NULL, "'%s' is not in: %s", words, err.msg);
    ck_assert_ptr_null(t);
}

START_TEST(missing_and_irregular_files)
{
    char path[128];

    enter_dir();
    refused(CG_ERR_IO, "found neither tokenizer.json nor vocab.json");
    write_file("vocab.json", "{\"a\":0}");
    refused(CG_ERR_IO, "merges.txt: cannot open: No such file");
    write_file("merges.txt", "");
    refused(CG_ERR_IO, "tokenizer_config.json: cannot open: No such file");
    write_file("tokenizer_config.json", "{\"tokenizer_class\":\"Qwen2Tokenizer\"}");
    refused(CG_ERR_UNSUPPORTED, "vocab.json: vocabulary has no token for byte 0x00");
    write_file("tokenizer.json", "");
    refused(CG_ERR_FORMAT, "tokenizer.json:1:0: ");
    path_of(path, sizeof path, "tokenizer.json");
    ck_assert_int_eq(truncate(path, (off_t)CG_TOKENIZER_FILE_MAX + 1), 0);
    refused(CG_ERR_LIMIT, "268435457 bytes");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    refused(CG_ERR_IO, "wanted a regular file");
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    refused(CG_ERR_IO, "wanted a regular file");
    leave_dir();
}
END_TEST

START_TEST(bad_directories)
{
    char name[5000];
    cg_tokenizer *t = NULL;
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_tokenizer_load("/nowhere/at/all", &t, &err), CG_ERR_IO);
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    ck_assert_int_eq(cg_tokenizer_load(name, &t, &err), CG_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "too long"));
    cg_tokenizer_destroy(NULL);
}
END_TEST

START_TEST(tokenizer_json_is_preferred)
{
    char *json = tok_json(&(tok_parts) { .vocab = ",\"ab\":256", .merges = "\"a b\"" });
    cg_error err = CG_ERROR_INIT;
    cg_tokenizer *t = NULL;

    enter_dir();
    write_file("tokenizer.json", json);
    write_file("vocab.json", "nonsense");
    ck_assert_msg(cg_tokenizer_load(dir, &t, &err) == CG_OK, "%s", err.msg);
    tok_encodes(t, NULL, "ab", 0, "256");
    cg_tokenizer_destroy(t);
    leave_dir();
    free(json);
}
END_TEST

START_TEST(vocabulary_view)
{
    cg_tokenizer *t = tok_make(&(tok_parts) {
        .vocab = ",\"\u0120a\":260,\"[S]\":256",
        .merges = "\"\u0120 a\"",
        .added = ADDED(256, "[S]", true, false) "," ADDED(258, " a", false, false) });
    const char *bytes = NULL;
    size_t len = 99;

    ck_assert_int_eq(cg_tokenizer_vocab_size(t), 261);
    ck_assert_int_eq(cg_tokenizer_token_bytes(t, 260, &bytes, &len), CG_OK);
    ck_assert_uint_eq(len, 2);
    ck_assert_mem_eq(bytes, " a", 2);
    ck_assert_int_eq(cg_tokenizer_token_bytes(t, 257, &bytes, &len),
                     CG_ERR_INPUT); /* an unused id */
    ck_assert_int_eq(cg_tokenizer_token_bytes(t, -1, &bytes, &len), CG_ERR_INPUT);
    ck_assert_int_eq(cg_tokenizer_token_bytes(t, 261, &bytes, &len), CG_ERR_INPUT);
    ck_assert_uint_eq(len, 2);
    ck_assert(cg_tokenizer_is_added(t, 256) && cg_tokenizer_is_special(t, 256));
    ck_assert(cg_tokenizer_is_added(t, 258) && !cg_tokenizer_is_special(t, 258));
    ck_assert(!cg_tokenizer_is_added(t, 260) && !cg_tokenizer_is_added(t, -5));
    ck_assert_int_eq(cg_tokenizer_token_id(t, "[S]", 3), 256);
    ck_assert_int_eq(cg_tokenizer_token_id(t, " a", 2), 258); /* added tokens first */
    ck_assert_int_eq(cg_tokenizer_token_id(t, "a", 1), 'a');
    ck_assert_int_eq(cg_tokenizer_token_id(t, "zz", 2), -1);
    ck_assert_int_eq(cg_tokenizer_token_id(t, "", 0), -1);
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(decoding)
{
    static const int32_t ids[] = { 256, 'a', 195, 169, 258, 0, 256 }, cut[] = { 195 },
                         bad[] = { 257 };
    cg_tokenizer *t = tok_make(&(tok_parts) {
        .added = ADDED(256, "[S]", true, false) "," ADDED(258, "<n>", false, false) });
    cg_error err = CG_ERROR_INIT;
    char *bytes = NULL;
    size_t len = 0;

    ck_assert_int_eq(cg_tokenizer_decode(t, ids, 7, 0, &bytes, &len, &err), CG_OK);
    ck_assert_uint_eq(len, 13);
    ck_assert_mem_eq(bytes, "[S]a\u00e9<n>\0[S]", 14);
    free(bytes);
    ck_assert_int_eq(cg_tokenizer_decode(t, ids, 7, CG_DECODE_SKIP_SPECIAL, &bytes, &len, &err),
                     CG_OK);
    ck_assert_uint_eq(len, 7);
    ck_assert_mem_eq(bytes, "a\u00e9<n>\0", 8);
    free(bytes);
    ck_assert_int_eq(cg_tokenizer_decode(t, cut, 1, 0, &bytes, &len, &err), CG_OK);
    ck_assert_uint_eq(len, 1);
    free(bytes);
    ck_assert_int_eq(cg_tokenizer_decode(t, NULL, 0, 0, &bytes, &len, &err), CG_OK);
    ck_assert_str_eq(bytes, "");
    free(bytes);
    bytes = NULL;
    ck_assert_int_eq(cg_tokenizer_decode(t, bad, 1, 0, &bytes, &len, &err), CG_ERR_INPUT);
    ck_assert_str_eq(err.msg, "token 0: id 257 is not in the vocabulary of 259");
    ck_assert_ptr_null(bytes);
    cg_tokenizer_destroy(t);
}
END_TEST

int main(void)
{
    const TTest *tests[] = { missing_and_irregular_files,
                             bad_directories,
                             tokenizer_json_is_preferred,
                             vocabulary_view,
                             decoding,
                             NULL };

    return tok_run("tokenizer", tests);
}
