/* SPDX-License-Identifier: MIT */
/*
 * Fails every allocation of RDKit and ours while a molecule is parsed and checked: the outcome is
 * CG_ERR_NOMEM or the result of an undisturbed call, never another result or a refusal.
 *
 * Some functions of RDKit assert on a failed malloc(). Each molecule is therefore tested in a child
 * that is started again behind the allocation that ended it; the program turns this end into exit
 * status 3 (tests/e2e/memory.sh).
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "alloc_fail.h"
#include "chem/molblock.h"
#include "check/checker.h"
#include "scratch.h"

static const char *const texts[] = { "CCO", "C/C=C/C", "C[C@@H]1C[C@H]1O", "c1cc[nH]c1" };

/* Shared with the children. */
struct progress {
    long next;      /* allocation to fail */
    long different; /* wrong results, the number of the last wrong allocation */
    long refused, last_wrong;
    cg_status status;
};

/* Parses, writes a molblock, checks a conformer of no good geometry; *ret_hash is of all results.
 */
static cg_status process(const char *smiles, XXH64_hash_t *ret_hash, cg_error *err)
{
    float xyz[32][3];
    cg_molecule *mol = NULL;
    cg_molblock *block = NULL;
    cg_checker *checker = NULL;
    cg_verdict verdict;
    cg_status st = cg_molecule_parse(smiles, strlen(smiles), &mol, err);

    for (int i = 0; i < 32; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] = (float)((i * 7 + k * 3) % 11) * 0.9F;
    if (st == CG_OK)
        st = cg_molblock_create(mol, &block, err);
    if (st == CG_OK)
        st = cg_checker_create(mol, &checker, err);
    if (st == CG_OK)
        st = cg_checker_run(checker, (const float(*)[3])xyz, &verdict, err);
    if (st == CG_OK) {
        const char *text = cg_molecule_smiles(mol, NULL);

        *ret_hash = XXH3_64bits_withSeed(text, strlen(text), verdict.failed * 4096 + verdict.done);
        *ret_hash ^= XXH3_64bits(verdict.detail, strlen(verdict.detail));
        *ret_hash += cg_molblock_bound(block, 0);
    }
    cg_checker_destroy(checker);
    cg_molblock_destroy(block);
    cg_molecule_destroy(mol);
    return st;
}

/* Fails the allocations from p->next on, one per call, or that one and all after it. */
static void fail_allocations(const char *smiles, XXH64_hash_t wanted, int all_after,
                             struct progress *p)
{
    for (;; p->next++) {
        cg_error err = CG_ERROR_INIT;
        XXH64_hash_t found = 0;
        cg_status st;

        atomic_store(&alloc_failed, 0);
        atomic_store(&fails_from_then_on, all_after);
        atomic_store(&countdown, p->next);
        st = process(smiles, &found, &err);
        atomic_store(&countdown, -1);
        atomic_store(&fails_from_then_on, 0);
        if (!atomic_load(&alloc_failed))
            _exit(0);
        if (st == CG_OK && found != wanted) {
            p->different++;
            p->last_wrong = p->next;
        } else if (st != CG_OK && st != CG_ERR_NOMEM) {
            p->refused++;
            p->last_wrong = p->next;
            p->status = st;
        }
    }
}

START_TEST(a_shortage_of_memory_is_reported_as_such)
{
    const char *smiles = texts[_i / 2];
    struct progress *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cg_error err = CG_ERROR_INIT;
    XXH64_hash_t wanted = 0;
    long n_ended = 0;

    ck_assert_ptr_ne(p, MAP_FAILED);
    prctl(PR_SET_DUMPABLE, 0); /* no core files */
    /* twice: the first call makes the allocations that libraries make only once */
    for (int i = 0; i < 2; i++)
        ck_assert_msg(process(smiles, &wanted, &err) == CG_OK, "%s", err.msg);
    for (;;) {
        int status = 0;
        pid_t child = fork();

        ck_assert_int_ge(child, 0);
        if (!child) {
            if (!freopen("/dev/null", "w", stderr)) /* RDKit's assertions */
                _exit(1);
            fail_allocations(smiles, wanted, _i % 2, p);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        if (WIFEXITED(status)) {
            ck_assert_int_eq(WEXITSTATUS(status), 0);
            break;
        }
        n_ended++;
        p->next++;
    }
    printf("# %s: %ld allocations%s, %ld ended by RDKit\n", smiles, p->next,
           _i % 2 ? ", with all after it" : "", n_ended);
    ck_assert_int_gt(p->next, 100);
    ck_assert_msg(!p->different && !p->refused,
                  "%s: %ld other results, %ld refusals, the last for allocation %ld: %s", smiles,
                  p->different, p->refused, p->last_wrong, cg_status_name(p->status));
    ck_assert_int_lt(n_ended, p->next / 20);
    munmap(p, sizeof *p);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("alloc");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_shortage_of_memory_is_reported_as_such, 0,
                        2 * sizeof texts / sizeof texts[0]);
    return run_suite("check_alloc", &tc, 1);
}
