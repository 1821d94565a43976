/* SPDX-License-Identifier: MIT */
/* Words that a misspelt one may have been meant to be. */
#include <string.h>

#include "commands.h"

enum { MAX_WORD = 32 };

static int min_of(int a, int b)
{
    return a < b ? a : b;
}

/* Letters to insert, remove, replace or swap with their neighbour to make b of a (optimal string
 * alignment); MAX_WORD for longer texts. */
static int edits(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    int d[MAX_WORD + 1][MAX_WORD + 1];

    if (n > MAX_WORD || m > MAX_WORD)
        return MAX_WORD;
    for (size_t i = 0; i <= n; i++)
        d[i][0] = (int)i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = (int)j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            d[i][j] = min_of(min_of(d[i - 1][j], d[i][j - 1]) + 1,
                             d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = min_of(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[n][m];
}

const char *nearest_word(const char *text, const char *const *words, size_t n)
{
    const char *nearest = NULL;
    int fewest = 3;

    for (size_t i = 0; i < n; i++) {
        const int found = edits(text, words[i]);

        /* more than half of the letters make any word of any other */
        if (found < fewest && 2 * found <= (int)strlen(words[i])) {
            nearest = words[i];
            fewest = found;
        }
    }
    return nearest;
}
