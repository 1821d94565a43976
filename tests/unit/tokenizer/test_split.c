/* SPDX-License-Identifier: MIT */
#include "tok_testing.h"

#define INVERTED(pattern, behavior)                                                                \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" pattern "\"},\"behavior\":\"" behavior         \
    "\",\"invert\":true}"

static void splits(const char *pre_tokenizer, const char *text, const char *want)
{
    cg_tokenizer *t = tok_make(&(tok_parts) { .pre_tokenizer = pre_tokenizer });

    tok_pretokens(t, text, want);
    cg_tokenizer_destroy(t);
}

/* The ranges are those of the reference implementation for the same steps. */
START_TEST(behaviors)
{
    splits(SEQUENCE(SPLIT("-", "Isolated") "," BYTE_LEVEL), "a--b-c", "0:1 1:2 2:3 3:4 4:5 5:6");
    splits(SEQUENCE(SPLIT("-", "Removed") "," BYTE_LEVEL), "a--b-c", "0:1 3:4 5:6");
    splits(SEQUENCE(SPLIT("-", "MergedWithPrevious") "," BYTE_LEVEL), "a--b-c", "0:2 2:3 3:5 5:6");
    splits(SEQUENCE(SPLIT("-", "MergedWithNext") "," BYTE_LEVEL), "a--b-c", "0:1 1:2 2:4 4:6");
    splits(SEQUENCE(SPLIT("-", "Contiguous") "," BYTE_LEVEL), "a--b-c", "0:1 1:3 3:4 4:5 5:6");
}
END_TEST

START_TEST(behaviors_inverted)
{
    splits(SEQUENCE(INVERTED("[a-c]+", "Isolated") "," BYTE_LEVEL), "ab--c", "0:2 2:4 4:5");
    splits(SEQUENCE(INVERTED("[a-c]+", "Removed") "," BYTE_LEVEL), "ab--c", "0:2 4:5");
    splits(SEQUENCE(INVERTED("[a-c]", "Contiguous") "," BYTE_LEVEL), "ab--c", "0:2 2:4 4:5");
    splits(SEQUENCE(INVERTED("[a-c]", "MergedWithPrevious") "," BYTE_LEVEL), "ab--c",
           "0:1 1:4 4:5");
}
END_TEST

START_TEST(steps_apply_within_pieces_of_the_previous_step)
{
    splits(SEQUENCE(SPLIT("-", "Isolated") "," SPLIT("^.", "Isolated") "," BYTE_LEVEL), "ab-cd",
           "0:1 1:2 2:3 3:4 4:5");
    splits(SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":true}," BYTE_LEVEL), "a12",
           "0:1 1:2 2:3");
    splits(SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":false}," BYTE_LEVEL), "a12b",
           "0:1 1:3 3:4");
    splits(SEQUENCE(SEQUENCE(SPLIT("-", "Isolated")) "," BYTE_LEVEL), "a-", "0:1 1:2");
    splits("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"String\":"
           "\".\"},\"behavior\":\"Removed\",\"invert\":false}," BYTE_LEVEL "]}",
           "a.b", "0:1 2:3");
}
END_TEST

START_TEST(byte_level_step)
{
    splits(BYTE_LEVEL, "it's 2 now", "0:10");
    splits("{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true}",
           "it's  2 now!", "0:2 2:4 4:5 5:7 7:11 11:12");
    /* the prepended blank covers no text */
    splits("{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":true}", "it is",
           "0:2 2:5");
}
END_TEST

START_TEST(prefix_space)
{
    const char *pre = "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":false}";
    cg_tokenizer *t = tok_make(&(tok_parts) {
        .pre_tokenizer = pre, .vocab = ",\"\u0120a\":256", .merges = "\"\u0120 a\"" });

    tok_encodes(t, NULL, "ab", CG_ENCODE_SPANS, "256:0:1 98:1:2");
    tok_encodes(t, NULL, " ab", CG_ENCODE_SPANS, "256:0:2 98:2:3");
    tok_encodes(t, NULL, "b", CG_ENCODE_SPANS, "32:0:0 98:0:1");
    cg_tokenizer_destroy(t);
}
END_TEST

START_TEST(empty_results)
{
    splits(BYTE_LEVEL, "", "");
    splits(SEQUENCE(SPLIT("a", "Removed") "," BYTE_LEVEL), "aaa", "");
}
END_TEST

int main(void)
{
    const TTest *tests[] = { behaviors,
                             behaviors_inverted,
                             steps_apply_within_pieces_of_the_previous_step,
                             byte_level_step,
                             prefix_space,
                             empty_results,
                             NULL };

    return tok_run("tok_split", tests);
}
