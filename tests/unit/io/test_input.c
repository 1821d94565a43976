/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/error.h"
#include "io/input.h"

/* All records of an input as text: "line|smiles|name|k" and its notes, or "line!reason" each, a
 * newline after. */
static char *records(cg_input *in)
{
    cg_error err = CG_ERROR_INIT;
    cg_buf b = { 0 };
    cg_input_record r;
    int64_t index = 0;
    int more;

    for (;; index++) {
        cg_status st = cg_input_next(in, &r, &more, &err);

        if (st != CG_OK) {
            cg_buf_printf(&b, "END %d %s\n", st, err.msg);
            break;
        }
        if (!more)
            break;
        ck_assert_int_eq(r.index, index);
        ck_assert_uint_eq(r.smiles_len, strlen(r.smiles));
        ck_assert_uint_eq(r.name_len, strlen(r.name));
        if (r.status != CG_OK) {
            ck_assert(r.status == CG_ERR_INPUT || r.status == CG_ERR_LIMIT ||
                      r.status == CG_ERR_UNSUPPORTED);
            cg_buf_printf(&b, "%lld!%s\n", (long long)r.line, r.reason);
        } else {
            ck_assert_str_eq(r.reason, "");
            cg_buf_printf(&b, "%lld|%s|%s|%lld%s%s\n", (long long)r.line, r.smiles, r.name,
                          (long long)r.count, r.notes & CG_INPUT_NOTE_DROPPED ? "|dropped" : "",
                          r.notes & CG_INPUT_NOTE_STEREO_GROUP ? "|group" : "");
        }
    }
    cg_input_close(in);
    return b.data;
}

static void check_text(const char *name, const char *text, size_t len, cg_input_options o,
                       const char *wanted)
{
    cg_error err = CG_ERROR_INIT;
    cg_input *in = NULL;
    cg_status st = cg_input_open_memory(name, text, len, &o, &in, &err);
    char *got;

    ck_assert_msg(st == CG_OK, "%s", err.msg);
    got = records(in);
    if (!got || strcmp(got, wanted))
        ck_abort_msg("got:\n%.2000s\nwanted:\n%.2000s", got ? got : "", wanted);
    free(got);
}

#define SMI(...)                                                                                   \
    {                                                                                              \
        .format = CG_INPUT_SMI, __VA_ARGS__                                                        \
    }
#define TSV                                                                                        \
    {                                                                                              \
        .format = CG_INPUT_TSV                                                                     \
    }
#define CSV                                                                                        \
    {                                                                                              \
        .format = CG_INPUT_CSV                                                                     \
    }

static const struct {
    cg_input_options options;
    const char *text, *wanted;
} cases[] = {
    /* columns */
    { SMI(), "C#N\thcn\t3\nCCO\tmy name \t 12 \tmore\nC\n",
      "1|C#N|hcn|3\n2|CCO|my name|12\n3|C||-1\n" },
    /* without tabs, all that follows is the name: a number at its end is no count */
    { SMI(), "CCO ethanol 5\nCCO acetic acid\nCCO Compound 3\nCCO  x  8 \n CC\nCCO 2.0\n",
      "1|CCO|ethanol 5|-1\n2|CCO|acetic acid|-1\n3|CCO|Compound 3|-1\n4|CCO|x  8|-1\n5|CC||-1\n"
      "6|CCO|2.0|-1\n" },
    { SMI(), "CCO vitamin\t9\nCCO\t\t9\nCCO \t a \t\nCCO 5\n",
      "1|CCO|vitamin|9\n2|CCO||9\n3|CCO|a|-1\n4|CCO|5|-1\n" },
    /* line ends, byte order mark, no last line end */
    { SMI(),
      "\xef\xbb\xbf"
      "CC\ta\t1\r\nCO\tb\t2\r\r\nCN",
      "1|CC|a|1\n2|CO|b|2\n3|CN||-1\n" },
    /* comments and headers */
    { SMI(), "# list\nSMILES name k\nC\n#C\nO oxygen 4\nN a b 4\n",
      "3|C||-1\n5|O|oxygen|4\n6!t:6: the line has 4 fields separated by blanks, its header has 3 "
      "columns; separate the columns by tabs\n" },
    { SMI(),
      "\xef\xbb\xbf"
      "smiles\tid\nC\nO\twater 2\t3\n",
      "2|C||-1\n3|O|water 2|-1\n" },
    { SMI(), "smiles name\nCC Compound 3\nCC |a:1| b c\n", "2|CC|Compound 3|-1\n3|CC|b c|-1\n" },
    { SMI(), "chembl_id\tcanonical_smiles\tn_conformers\nX1\tCC\t4\nX 2\tCO\t\nX3\n",
      "2|CC|X1|4\n3|CO|X 2|-1\n4!t:4: no SMILES: its column is empty\n" },
    { SMI(), "smiles\tname\tk\nCC |a:1,f:0|\tx\t2\n", "2|CC|x|2|dropped\n" },
    { SMI(), "CC\tsmiles\nCO\tid\n", "1|CC|smiles|-1\n2|CO|id|-1\n" },
    { SMI(.header = CG_INPUT_HEADER_NO), "smiles\nC\n", "1|smiles||-1\n2|C||-1\n" },
    { SMI(.header = CG_INPUT_HEADER_YES), "C\nO\n", "2|O||-1\n" },
    { SMI(), "smilesx\n", "1|smilesx||-1\n" },
    /* empty lines are skipped */
    { SMI(), "\nC\n\n  \nO\n\n\n \t \n", "2|C||-1\n5|O||-1\n" },
    { SMI(), "C\n\n# end\n", "1|C||-1\n" },
    { SMI(), "\r\n \nsmiles\n\nC\n", "5|C||-1\n" },
    /* bad lines */
    { SMI(),
      "C\ta\t0\nC\ta\t1000001\nC\ta\t1000000\nC\ta\t46.07\nC\ta\t-3\n"
      "C\ta\t99999999999999999999\n",
      "1|C|a|-2\n2|C|a|-2\n3|C|a|1000000\n4|C|a|-2\n5|C|a|-2\n6|C|a|-2\n" },
    { SMI(), "\tname\t3\nC\x01\nC\rO\nCC\xc3\xa9 x\nC\tcaf\xc3\xa9\n",
      "1!t:1: no SMILES: its column is empty\n"
      "2!t:2: control character (byte 0x01) in column 2, wanted text\n"
      "3!t:3: control character (byte 0x0d) in column 2, wanted text; tr '\\r' '\\n' converts "
      "lines "
      "that end with it\n"
      "4!t:4: byte 0xc3 at position 3 of the SMILES, wanted printable ASCII\n"
      "5|C|caf\xc3\xa9|-1\n" },
    /* .csv */
    { CSV, "smiles,n_conformers,corrected_smiles\nCC,3,\nCC,4,CO\nCC,,\n",
      "2|CC||3\n3|CO||4\n4|CC||-1\n" },
    { CSV, "id,smiles,mw\nX7,CC,30.07\n,CO,32\n", "2|CC|X7|-1\n3|CO||-1\n" },
    { CSV, "molecule_chembl_id,pref name,canonical_smiles\nCHEMBL545,,CCO\n,alcohol,CO\n",
      "2|CCO|CHEMBL545|-1\n3|CO|alcohol|-1\n" },
    { CSV, "canonical_smiles,SMILES,Title,Name\nC,CC,a,\nO,OO,,b\n", "2|CC|a|-1\n3|OO|b|-1\n" },
    { CSV, "isomeric-smiles,canonical smiles\nC,CC\n", "2|C||-1\n" },
    { CSV, "#name,drug_smiles,other_smiles,k\na,C,CC,3\n", "2|C|a|3\n" },
    { CSV, "\"ChEMBL ID\";\"Name\";\"Smiles\"\n\"CHEMBL1\";\"a, b; c\";\"CCO\"\n\"CHEMBL2\";;C\n",
      "2|CCO|a, b; c|-1\n3|C|CHEMBL2|-1\n" },
    { CSV, "smiles\tname\nC\ta, b\n", "2|C|a, b|-1\n" },
    { CSV, "smiles,name\n\"CC(O)C(F)Cl |o1:1,3|\",x\nCC |f:0.1|,\"  y \"\nC,\"   \"\n",
      "2|CC(O)C(F)Cl|x|-1|group\n3|CC|  y |-1|dropped\n4|C||-1\n" },
    { TSV, "Name\tSMILES\n\"5\"\" nail\"\tCC\n\"a\tb\"\tCO\nc, d\tC\n",
      "2|CC|5\" nail|-1\n3|CO|a\tb|-1\n4|C|c, d|-1\n" },
    { TSV, "CC\tethane 2\t3\n#C\nO\t5\" nail\n", "1|CC|ethane 2|3\n3|O|5\" nail|-1\n" },
    { CSV, "\xef\xbb\xbfNAME, Smiles ,x\r\n\"a, \"\"b\"\"\",CC,1\r\n\"two\r\nlines\",CO,\r\n",
      "2|CC|a, \"b\"|-1\n3|CO|two\nlines|-1\n" },
    { CSV, "corrected_smiles\nCC\n\nCO\n\n", "2|CC||-1\n4|CO||-1\n" },
    { CSV, "smiles,name\nCC\nCO,a,b\n,x\n\"C C\",x\nCN,y\n",
      "2!t:2: the row has 1 fields, the header has 2\n"
      "3!t:3: the row has 3 fields, the header has 2\n"
      "4!t:4: no SMILES: its column is empty\n"
      "5!t:5: byte 0x20 at position 2 of the SMILES, wanted printable ASCII\n6|CN|y|-1\n" },
    { CSV, "smiles,n_conformers\nCC,x\nCC,5\n", "2|CC||-2\n3|CC||5\n" },
    /* an unclosed quote costs only its own line */
    { CSV, "smiles,name\nCC,\"a\nCO,b\nCN,c\n", "2!t:2: quote not closed\n3|CO|b|-1\n4|CN|c|-1\n" },
    { CSV, "smiles,name\nCC,\"a\nCO,\"b\nCN,c\n",
      "2!t:2: unexpected quote within a field in quotes (line 3), wanted quotes in it "
      "doubled\n3!t:3: quote not closed\n4|CN|c|-1\n" },
    { CSV, "smiles,name\nCC,\"5\" nail\"\nCO,b\n",
      "2!t:2: unexpected quote within a field in quotes (line 2), wanted quotes in it doubled\n"
      "3|CO|b|-1\n" },
    /* a quote in a field that does not start with one */
    { CSV, "smiles,name\nCC,5\" nail\nCO,a\"\"b\"\nC,\"x, y\"\n",
      "2|CC|5\" nail|-1\n3|CO|a\"\"b\"|-1\n4|C|x, y|-1\n" },
    { TSV, "smiles\tname\nCC\t2,2':6',2\"-terpyridine\n", "2|CC|2,2':6',2\"-terpyridine|-1\n" },
    /* format by the first line */
    { { 0 }, "name,\"smiles\"\na,CC\n", "2|CC|a|-1\n" },
    { { 0 }, "CC a,smiles2\n", "1|CC|a,smiles2|-1\n" },
    { { 0 }, "ID;Smiles\na;CC\n", "2|CC|a|-1\n" },
    { { 0 }, "ID\tSmiles\na 1\tCC\n", "2|CC|a 1|-1\n" },
    /* CXSMILES extensions */
    { SMI(), "CC(O)C(F)Cl |o1:1,3|\tcx3\nCC(O)F |&1:1|\tracemate\t7\nCC\t|r|\tx\t2\n",
      "1|CC(O)C(F)Cl|cx3|-1|group\n2|CC(O)F|racemate|7|group\n3|CC|x|2|group\n" },
    { SMI(), "CCO |(1,2,;3,4,;,,),atomProp:0.a.b:1.c.d| two words 3\nCCO ||\nCC |$;$,a:1|\tz\n",
      "1|CCO|two words 3|-1|dropped\n2|CCO||-1\n3|CC|z|-1\n" },
    { SMI(), "CC |$_AV:1;2$,w:0.0,o1:1,SgD:0,1:a:b::::,&2:0|\n", "1|CC||-1|dropped|group\n" },
    { SMI(), "CCO |$A;;$| cx2\nCC |$R1;$|\tx\n",
      "1!t:1: the CXSMILES extension has '$A;;$' (atom labels or R groups), which is not served: "
      "the "
      "SMILES alone is another molecule\n2!t:2: the CXSMILES extension has '$R1;$' (atom labels or "
      "R "
      "groups), which is not served: the SMILES alone is another molecule\n" },
    { SMI(), "CC |^1:0|\nCC\t|wU:1.0|\tx\nCC |a:1,new:3|\nCC |t:0,2,c:4|\n",
      "1!t:1: the CXSMILES extension has '^1:0' (radicals), which is not served: the SMILES alone "
      "is "
      "another molecule\n2!t:2: the CXSMILES extension has 'wU:1.0' (wedge bonds, whose "
      "configuration the SMILES lacks), which is not served: the SMILES alone is another molecule\n"
      "3!t:3: the CXSMILES extension has 'new:3' (of a kind that is not known), which is not "
      "served: "
      "the SMILES alone is another molecule\n4!t:4: the CXSMILES extension has 't:0,2' (double "
      "bond "
      "configurations; write them with / and \\ in the SMILES, none in rings below 8 atoms), "
      "which is not served: the SMILES "
      "alone is another molecule\n" },
    { SMI(), "CC |o1:1 x\nCC a|b\nCC\ta |b|\n",
      "1!t:1: found '|o1:1 x' after the SMILES, wanted a CXSMILES extension that ends with '|'\n"
      "2|CC|a|b|-1\n3|CC|a |b||-1\n" },
};

START_TEST(lines_are_read)
{
    check_text("t", cases[_i].text, strlen(cases[_i].text), cases[_i].options, cases[_i].wanted);
}
END_TEST

START_TEST(rows_have_a_bounded_number_of_lines)
{
    cg_buf text = { 0 }, wanted = { 0 };

    cg_buf_puts(&text, "smiles,name\nCC,\"a\n");
    cg_buf_puts(&wanted, "2!t:2: quote not closed within 16 lines\n");
    for (int i = 3; i < 100; i++) {
        cg_buf_printf(&text, "CO,n%d\n", i);
        cg_buf_printf(&wanted, "%d|CO|n%d|-1\n", i, i);
    }
    check_text("t", text.data, text.len, (cg_input_options)CSV, wanted.data);
    cg_buf_finish(&text);
    cg_buf_finish(&wanted);
}
END_TEST

/* Lines around the bound, one of 5 MB, then a good one. */
START_TEST(long_lines_are_reported_with_their_length)
{
    cg_buf text = { 0 }, wanted = { 0 };
    char *c = malloc(5000000);

    memset(c, 'C', 5000000);
    cg_buf_put(&text, c, 65536);
    cg_buf_puts(&text, "\r\n");
    cg_buf_put(&text, c, 65537);
    cg_buf_puts(&text, "\n");
    cg_buf_put(&text, c, 5000000);
    cg_buf_puts(&text, "\nCO\tok\t1\n");
    cg_buf_puts(&wanted, "1|");
    cg_buf_put(&wanted, c, 65536);
    cg_buf_puts(&wanted, "||-1\n2!t:2: the line has 65537 bytes, wanted at most 65536\n"
                         "3!t:3: the line has 5000000 bytes, wanted at most 65536\n4|CO|ok|1\n");
    check_text("t", text.data, text.len, (cg_input_options)SMI(), wanted.data);
    /* The same in a .csv. */
    cg_buf_clear(&text);
    cg_buf_clear(&wanted);
    cg_buf_puts(&text, "smiles,name\n\"");
    cg_buf_put(&text, c, 5000000);
    cg_buf_puts(&text, "\nCO,ok\nCC,\"");
    cg_buf_put(&text, c, 40000);
    cg_buf_puts(&text, "\n");
    cg_buf_put(&text, c, 40000);
    cg_buf_puts(&text, "\"\nCN,ok\n");
    cg_buf_puts(&wanted, "2!t:2: the line has 5000001 bytes, wanted at most 65536\n3|CO|ok|-1\n"
                         "4!t:4: the row has more than 65536 bytes\n"
                         "5!t:5: the row has 1 fields, the header has 2\n6|CN|ok|-1\n");
    check_text("t", text.data, text.len, (cg_input_options)CSV, wanted.data);
    free(c);
    cg_buf_finish(&text);
    cg_buf_finish(&wanted);
}
END_TEST

/* ---- records of several lines --------------------------------------------------------------- */

/* cg_block_smiles_fn: the lines, with '/' between them. */
static cg_status join_lines(const char *block, cg_buf *ret_smiles, cg_error *err)
{
    if (strstr(block, "refused"))
        return cg_fail(err, CG_ERR_INPUT, "it is refused");
    if (strstr(block, "memory"))
        return cg_fail_nomem(err, "join_lines");
    for (; *block; block++)
        cg_buf_putc(ret_smiles, *block == '\n' ? '/' : *block);
    return CG_OK;
}

#define BLOCKS(format_)                                                                            \
    {                                                                                              \
        .format = format_, .smiles_of_block = join_lines                                           \
    }

static const struct {
    cg_input_options options;
    const char *text, *wanted;
} blocks[] = {
    { BLOCKS(CG_INPUT_SDF), "a b \n\n\nx\nM  END\n>  <k>\n5\n\n$$$$\n\n\n\ny\nM  END\n$$$$\n\n \n",
      "1|a b ///x/M  END/|a b|-1\n10|///y/M  END/||-1\n" },
    { BLOCKS(CG_INPUT_SDF), "M  END\n\n\nM  END\nz\r\nM  END\r\n",
      "1|M  END///M  END/z/M  END/|M  END|-1\n" },
    { BLOCKS(CG_INPUT_SDF),
      "a\n$$$$\nrefused\n\n\n\nM  END\n$$$$\nb\n\t\n\001\n\nM  END\n$$$$\n$$$$\n",
      "1!t:1: record 1: found no line 'M  END'\n3!t:3: record 2: it is refused\n"
      "9!t:9: record 3: control character (byte 0x01) in line 11, wanted text\n"
      "15!t:15: record 4: found no line 'M  END'\n" },
    { BLOCKS(CG_INPUT_SDF), "a\n\n\n\nM  END\n$$$$\nmemory\n\n\n\nM  END\n",
      "1|a////M  END/|a|-1\nEND 301 t:7: join_lines: out of memory\n" },
    { BLOCKS(CG_INPUT_AUTO), "a\n\n\n 0 0 V2000\nM  END\n", "1|a/// 0 0 V2000/M  END/|a|-1\n" },
    { BLOCKS(CG_INPUT_AUTO), "CC a\nCC b\nCC c\n", "1|CC|a|-1\n2|CC|b|-1\n3|CC|c|-1\n" },
    { BLOCKS(CG_INPUT_AUTO), "# x\n#\n@<TRIPOS>MOLECULE\n a\n", "3|@<TRIPOS>MOLECULE/ a/|a|-1\n" },
    { BLOCKS(CG_INPUT_MOL2),
      "# x\n@<TRIPOS>MOLECULE\na\nb\n@<TRIPOS>MOLECULE\n*****\n@<TRIPOS>MOLECULE\nrefused",
      "2|@<TRIPOS>MOLECULE/a/b/|a|-1\n5|@<TRIPOS>MOLECULE/*****/||-1\n7!t:7: record 3: it is "
      "refused\n" },
};

START_TEST(blocks_are_read)
{
    check_text("t", blocks[_i].text, strlen(blocks[_i].text), blocks[_i].options,
               blocks[_i].wanted);
}
END_TEST

static const struct {
    cg_input_options options;
    const char *text;
    size_t len;
    cg_status status;
    const char *reason;
} refused[] = {
    { SMI(), "", 0, CG_ERR_FORMAT, "'t' is empty" },
    { SMI(), "\xef\xbb\xbf", 3, CG_ERR_FORMAT, "'t' holds no molecule line" },
    { SMI(), "# only\n\n", 8, CG_ERR_FORMAT, "'t' holds no molecule line" },
    { SMI(), "\n\n", 2, CG_ERR_FORMAT, "'t' holds no molecule line" },
    { SMI(), "smiles\n", 7, CG_ERR_FORMAT, "'t' holds no molecule line" },
    { SMI(), "CC\0C\n", 5, CG_ERR_FORMAT, "binary file (a NUL byte at offset 2)" },
    { SMI(),
      "\xff\xfe"
      "C\0",
      4, CG_ERR_FORMAT, "UTF-16" },
    { SMI(), "PK\x03\x04zzz", 7, CG_ERR_FORMAT, "a zip archive" },
    { SMI(), "\x1f\x8b\x08\x00", 4, CG_ERR_FORMAT, "gzip data are cut off after 4 bytes" },
    { SMI(), "\x1f\x8b\x09\x00zzzzzzzzzz", 14, CG_ERR_FORMAT, "damaged gzip data" },
    { SMI(), "\x28\xb5\x2f\xfd", 4, CG_ERR_FORMAT, "zstd data are cut off after 4 bytes" },
    { SMI(), "\x28\xb5\x2f\xfd\x20\x01\x07\x00\x00\x00", 10, CG_ERR_FORMAT, "damaged zstd data" },
    { CSV, "name,k\nCC,1\n", 12, CG_ERR_FORMAT,
      "t:1: the header 'name,k' has no column of SMILES" },
    { CSV, "smiles:k\nCC:1\n", 14, CG_ERR_FORMAT, "the header 'smiles:k' has no column" },
    { SMI(), "id\tsmiles\tID\nx\tC\ty\n", 20, CG_ERR_FORMAT,
      "t:1: the header names the column 'id' twice" },
    { { .format = CG_INPUT_TSV, .header = CG_INPUT_HEADER_YES },
      "a\tb\n",
      4,
      CG_ERR_FORMAT,
      "(columns are separated by tabs; the first line names them)" },
    { CSV, "smiles,Smiles\n", 14, CG_ERR_FORMAT, "names the column 'smiles' twice" },
    { CSV, "\"smiles\nCC\n", 11, CG_ERR_FORMAT, "quote not closed (in the header line)" },
    { CSV, "smiles\n", 7, CG_ERR_FORMAT, "'t' holds no molecule line" },
    { { .format = CG_INPUT_CSV, .header = CG_INPUT_HEADER_NO },
      "CC\n",
      3,
      CG_ERR_USAGE,
      "found --header no for a .csv file, wanted auto or yes" },
    { { .format = CG_INPUT_SDF }, "a\n", 2, CG_ERR_USAGE, "wanted a list of SMILES" },
    { { .format = CG_INPUT_SDF, .smiles_of_block = join_lines },
      "\n",
      1,
      CG_ERR_FORMAT,
      "'t' holds no molecule" },
    { { .format = CG_INPUT_MOL2, .smiles_of_block = join_lines },
      "C\n",
      2,
      CG_ERR_FORMAT,
      "'t' holds no molecule" },
    { { .format = CG_INPUT_SDF, .header = CG_INPUT_HEADER_YES, .smiles_of_block = join_lines },
      "a\n",
      2,
      CG_ERR_USAGE,
      "found --header" },
};

START_TEST(bad_files_are_refused_on_opening)
{
    cg_error err = CG_ERROR_INIT;
    cg_input *in = NULL;

    ck_assert_int_eq(cg_input_open_memory("t", refused[_i].text, refused[_i].len,
                                          &refused[_i].options, &in, &err),
                     refused[_i].status);
    ck_assert_msg(strstr(err.msg, refused[_i].reason) != NULL, "%s", err.msg);
    ck_assert_ptr_null(in);
}
END_TEST

START_TEST(nul_in_a_list_is_a_bad_line)
{
    const char text[] = "CCO\tfirst\nCCO\tna\0me\nCCO\tlast\n";

    check_text("t", text, sizeof text - 1, (cg_input_options)SMI(),
               "1|CCO|first|-1\n2!t:2: control character (byte 0x00) in column 7, wanted text\n"
               "3|CCO|last|-1\n");
}
END_TEST

START_TEST(nul_later_in_the_file_is_a_bad_line)
{
    char text[70000];

    memset(text, '\n', sizeof text);
    for (size_t i = 0; i < 69990; i += 2)
        text[i] = 'C';
    text[69994] = '\0';
    {
        cg_error err = CG_ERROR_INIT;
        cg_input_options o = SMI();
        cg_input *in = NULL;
        char *got;

        ck_assert_int_eq(cg_input_open_memory("t", text, sizeof text, &o, &in, &err), CG_OK);
        got = records(in);
        ck_assert_ptr_nonnull(strstr(got, "t:35000: control character (byte 0x00) in column 1"));
        free(got);
    }
}
END_TEST

START_TEST(columns_of_a_header_are_described)
{
    static const struct {
        cg_input_options options;
        const char *text, *wanted;
    } notes[] = {
        { SMI(), "C\tname\n", "" },
        { CSV, "id,corrected_smiles,Canonical SMILES,name,k\n1,C,C,a,2\n",
          "SMILES from column 'corrected_smiles', else 'Canonical SMILES', names from 'name', else "
          "'id', k from 'k'" },
        { CSV, "smiles,mw\nC,16\n",
          "SMILES from column 'smiles'; no column has names (name, id, ..._id, title or ..._name): "
          "molecules are named mol_000000 and so on" },
        { SMI(.header = CG_INPUT_HEADER_YES), "a b\nC x\n",
          "the header names no column of SMILES: the columns are SMILES, name, k" },
    };

    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_input *in = NULL;

        ck_assert_int_eq(cg_input_open_memory("t", notes[i].text, strlen(notes[i].text),
                                              &notes[i].options, &in, &err),
                         CG_OK);
        ck_assert_str_eq(cg_input_columns_note(in), notes[i].wanted);
        cg_input_close(in);
    }
}
END_TEST

/* ---- files ------------------------------------------------------------------------------ */

static char dir[] = "/tmp/confgen_test_input_XXXXXX";
static char path[4096];

static const char *in_dir(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t len)
{
    FILE *f = fopen(in_dir(name), "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void gzip_into(cg_buf *out, const char *text)
{
    z_stream z = { 0 };

    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cg_buf_reserve(out, 1 << 16);
    z.next_in = (Bytef *)text;
    z.avail_in = (uInt)strlen(text);
    z.next_out = (Bytef *)out->data + out->len;
    z.avail_out = 1 << 16;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len += z.total_out;
    deflateEnd(&z);
}

static void zstd_into(cg_buf *out, const char *text)
{
    size_t n;

    cg_buf_reserve(out, 1 << 16);
    n = ZSTD_compress(out->data + out->len, 1 << 16, text, strlen(text), 3);
    ck_assert(!ZSTD_isError(n));
    out->len += n;
}

static char *read_path(const char *name)
{
    cg_error err = CG_ERROR_INIT;
    cg_input *in = NULL;

    ck_assert_msg(cg_input_open(in_dir(name), NULL, &in, &err) == CG_OK, "%s", err.msg);
    return records(in);
}

/* Two gzip members or zstd frames, complete and truncated at every byte. */
START_TEST(compressed_files_are_read_and_truncation_is_reported)
{
    const char *first = "smiles,name\nCC,a\nCO,b\n", *second = "CN,c\n";
    cg_buf data = { 0 }, tsv = { 0 };
    char *got;

    if (_i)
        zstd_into(&data, first), zstd_into(&data, second);
    else
        gzip_into(&data, first), gzip_into(&data, second);
    /* The name determines .csv, the first bytes the compression. */
    write_file(_i ? "x.csv.zst" : "x.csv.gz", data.data, data.len);
    got = read_path(_i ? "x.csv.zst" : "x.csv.gz");
    ck_assert_str_eq(got, "2|CC|a|-1\n3|CO|b|-1\n4|CN|c|-1\n");
    free(got);
    cg_buf_clear(&tsv);
    (_i ? zstd_into : gzip_into)(&tsv, "name\tsmiles\na\tCC\n");
    write_file("t.tsv.zst", tsv.data, tsv.len);
    got = read_path("t.tsv.zst");
    ck_assert_str_eq(got, "2|CC|a|-1\n");
    free(got);
    cg_buf_finish(&tsv);
    write_file("x.csv", data.data, data.len);
    got = read_path("x.csv");
    ck_assert_str_eq(got, "2|CC|a|-1\n3|CO|b|-1\n4|CN|c|-1\n");
    free(got);
    for (size_t cut = 4; cut < data.len; cut++) {
        cg_error err = CG_ERROR_INIT;
        cg_input_options o = CSV;
        cg_input *in = NULL;
        cg_status st = cg_input_open_memory("t", data.data, cut, &o, &in, &err);

        if (st == CG_OK) {
            got = records(in);
            /* A file truncated between its two members is valid. */
            ck_assert_msg(strstr(got, "cut off") || strstr(got, "3|CO|b|-1\n"), "cut at %zu: %s",
                          cut, got);
            free(got);
        } else {
            ck_assert_int_eq(st, CG_ERR_FORMAT);
            ck_assert_msg(strstr(err.msg, "cut off") != NULL, "cut at %zu: %s", cut, err.msg);
        }
    }
    cg_buf_finish(&data);
}
END_TEST

START_TEST(errors_name_the_path)
{
    cg_error err = CG_ERROR_INIT;
    cg_input *in = NULL;

    ck_assert_int_eq(cg_input_open(in_dir("none.smi"), NULL, &in, &err), CG_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "none.smi': cannot open: No such file"));
    ck_assert_int_eq(cg_input_open(dir, NULL, &in, &err), CG_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.msg, "is a directory"));
    /* the name alone is refused, whether or not there is such a file */
    ck_assert_int_eq(cg_input_open(in_dir("x.sdf"), NULL, &in, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "x.sdf': wanted a list of SMILES"));
    ck_assert_int_eq(cg_input_open(in_dir("x.pdb"), NULL, &in, &err), CG_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "x.pdb': cannot determine the input format"));
    write_file("empty.smi", "", 0);
    ck_assert_int_eq(cg_input_open(in_dir("empty.smi"), NULL, &in, &err), CG_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "empty.smi' is empty"));
    if (geteuid() != 0) { /* root may read everything */
        write_file("secret.smi", "C\n", 2);
        chmod(in_dir("secret.smi"), 0);
        ck_assert_int_eq(cg_input_open(in_dir("secret.smi"), NULL, &in, &err), CG_ERR_IO);
        ck_assert_ptr_nonnull(strstr(err.msg, "Permission denied"));
    }
    ck_assert_ptr_null(in);
}
END_TEST

/* Makes standard input a pipe into which a child writes single bytes; with `stays`, it then waits
 * for the end of the test. */
static pid_t feed(const char *data, size_t len, int stays)
{
    int fd[2];
    pid_t pid;

    ck_assert_int_eq(pipe(fd), 0);
    pid = fork();
    if (pid == 0) {
        for (size_t i = 0; i < len; i++)
            if (write(fd[1], data + i, 1) != 1)
                _exit(1);
        if (stays)
            pause();
        _exit(0);
    }
    close(fd[1]);
    ck_assert_int_ge(dup2(fd[0], STDIN_FILENO), 0);
    return pid;
}

START_TEST(standard_input_is_read)
{
    cg_error err = CG_ERROR_INIT;
    cg_input *in = NULL;
    cg_buf data = { 0 };
    char *got;

    zstd_into(&data, "smiles name\nCC a 4\n");
    feed(data.data, data.len, 0);
    ck_assert_msg(cg_input_open("-", NULL, &in, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(cg_input_format_of(in), CG_INPUT_SMI);
    ck_assert_str_eq(cg_input_columns_note(in), "SMILES from column 'smiles', names from 'name'");
    got = records(in);
    ck_assert_str_eq(got, "2|CC|a 4|-1\n");
    free(got);
    cg_buf_finish(&data);
}
END_TEST

/* A molblock shows in its fourth line only. */
START_TEST(molblocks_of_a_slow_pipe_are_found)
{
    static const char sdf[] =
        "ethanol\n  x\n\n  1  0  0     0  0              1 V2000\nM  END\n$$$$\n";
    const cg_input_options options = { .smiles_of_block = join_lines };
    cg_error err = CG_ERROR_INIT;
    cg_input *in = NULL;
    char *got;

    feed(sdf, sizeof sdf - 1, 0);
    ck_assert_msg(cg_input_open("-", &options, &in, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(cg_input_format_of(in), CG_INPUT_SDF);
    got = records(in);
    ck_assert_ptr_nonnull(strstr(got, "|ethanol|"));
    free(got);
}
END_TEST

static const char *const first_lines[] = { "C[C@H](N)O\n", "CCO ethanol\r\n", "smiles\nC\n",
                                           "smiles,name\nC,a\n" };

/* A list whose writer waits for the answer to its first molecule is read: nothing waits for more.
 */
START_TEST(first_line_of_a_list_is_enough)
{
    const cg_input_options options = { .smiles_of_block = join_lines };
    const char *text = first_lines[_i];
    cg_error err = CG_ERROR_INIT;
    cg_input *in = NULL;
    cg_input_record r;
    int more = 0;
    pid_t pid = feed(text, strlen(text), 1);

    ck_assert_msg(cg_input_open("-", &options, &in, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_ne(cg_input_format_of(in), CG_INPUT_SDF);
    if (cg_input_format_of(in) == CG_INPUT_SMI) {
        ck_assert_int_eq(cg_input_next(in, &r, &more, &err), CG_OK);
        ck_assert_int_eq(more, 1);
    }
    cg_input_close(in);
    kill(pid, SIGKILL);
}
END_TEST

static void make_dir(void)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
    static const char *const names[] = { "x.csv.zst",  "x.csv.gz",  "x.csv",
                                         "a.smi",      "b.smi",     "c.smi",
                                         "secret.smi", "empty.smi", "t.tsv.zst" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_dir(names[i]));
    rmdir(dir);
}

int main(void)
{
    Suite *s = suite_create("input");
    TCase *tc = tcase_create("input");
    SRunner *sr;
    int failed;

    tcase_add_unchecked_fixture(tc, make_dir, remove_dir);
    tcase_add_loop_test(tc, lines_are_read, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tc, rows_have_a_bounded_number_of_lines);
    tcase_add_test(tc, long_lines_are_reported_with_their_length);
    tcase_add_loop_test(tc, blocks_are_read, 0, sizeof blocks / sizeof *blocks);
    tcase_add_loop_test(tc, bad_files_are_refused_on_opening, 0, sizeof refused / sizeof *refused);
    tcase_add_test(tc, nul_in_a_list_is_a_bad_line);
    tcase_add_test(tc, columns_of_a_header_are_described);
    tcase_add_test(tc, nul_later_in_the_file_is_a_bad_line);
    tcase_add_loop_test(tc, compressed_files_are_read_and_truncation_is_reported, 0, 2);
    tcase_add_test(tc, errors_name_the_path);
    tcase_add_test(tc, standard_input_is_read);
    tcase_add_test(tc, molblocks_of_a_slow_pipe_are_found);
    tcase_add_loop_test(tc, first_line_of_a_list_is_enough, 0,
                        sizeof first_lines / sizeof *first_lines);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
