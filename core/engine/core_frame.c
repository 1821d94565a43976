/* SPDX-License-Identifier: MIT */
#include "engine/core_frame.h"

#include <math.h>
#include <string.h>

#include "base/vec3.h"
#include "eval/projection.h"
#include "sequence/coordinate.h"

int cg_core_tolerance(const cg_number_format *f, float *ret_tolerance)
{
    const double units = 2; /* a coordinate is rounded to half a unit */

    if (f->kind == CG_NUMBER_CODE || cg_number_is_coarse(f))
        return 0;
    *ret_tolerance = (float)(f->kind == CG_NUMBER_DECIMAL ? units * pow(10, -f->decimals)
                                                          : units / f->per_angstrom);
    return 1;
}

void cg_core_restore(const cg_kept_core *kept, double (*xyz)[3])
{
    const double(*to)[3] = cg_core_positions(kept->core);

    for (size_t i = 0; i < cg_core_n_atoms(kept->core); i++)
        memcpy(xyz[kept->atoms[i]], to[i], sizeof to[i]);
}

void cg_core_superpose(const cg_kept_core *kept, size_t n, double (*xyz)[3])
{
    const double(*to)[3] = cg_core_positions(kept->core);
    const size_t n_core = cg_core_n_atoms(kept->core);
    double products[9] = { 0 }, axes[3][3], from_mean[3] = { 0 }, to_mean[3] = { 0 };

    for (size_t i = 0; i < n_core; i++)
        for (int k = 0; k < 3; k++) {
            from_mean[k] += xyz[kept->atoms[i]][k] / (double)n_core;
            to_mean[k] += to[i][k] / (double)n_core;
        }
    for (size_t i = 0; i < n_core; i++)
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                products[3 * a + b] +=
                    (xyz[kept->atoms[i]][a] - from_mean[a]) * (to[i][b] - to_mean[b]);
    cg_view_rotation(products, axes);
    for (size_t i = 0; i < n; i++) {
        double v[3];

        cg_vec3d_between(from_mean, xyz[i], v);
        for (int k = 0; k < 3; k++)
            xyz[i][k] = to_mean[k] + cg_vec3d_dot(axes[k], v);
    }
    cg_core_restore(kept, xyz);
}
