/* SPDX-License-Identifier: MIT */
/**
 * @file chart.h  Small charts in SVG: axes with round numbers, lines, points, bars, rules.
 *
 * A chart is one <svg> element for the middle of a page, without ids, scripts and colours: the page
 * styles the classes. Those that a chart sets by itself are `chart`, `grid`, `axis`, `tick` and
 * `name`; a mark has the class that the caller gives. Details on hover are <title> elements.
 * Values that are not finite are not drawn; what lies beyond an axis is cut off at the plot's edge.
 *
 * Texts that are marked "escaped" must have gone through cg_html_put_text().
 */
#ifndef CG_EVAL_CHART_H
#define CG_EVAL_CHART_H

#include "base/buf.h"

/** Where values fall and which of them get a tick. */
typedef struct cg_chart_axis {
    double low, high; /* low < high, both multiples of step */
    double step;      /* between ticks */
    double factor;    /* of the figures at the ticks: 1, or 100 for shares in per cent; 0 is 1 */
    const char *name; /* escaped, with the unit */
} cg_chart_axis;

/**
 * The smallest axis of round numbers (1, 2, 2.5 or 5 times a power of ten apart) over [low, high].
 * @param ticks  about so many steps, >= 1
 * Without finite bounds it is 0 to 1; bounds that are equal are spread.
 */
cg_chart_axis cg_chart_axis_over(double low, double high, int ticks, const char *name);

/** A chart being drawn. Its fields are read only; units are those of the viewBox. */
typedef struct cg_chart {
    cg_buf *out; /* borrowed */
    cg_chart_axis x, y;
    double left, right, top, bottom; /* the plot, y down */
} cg_chart;

enum { CG_CHART_WIDTH = 520, CG_CHART_HEIGHT = 310 };

/**
 * Open the element; grid, ticks and names of the axes.
 * @param label  escaped: what the chart shows, for those who cannot see it
 */
void cg_chart_begin(cg_chart *chart, cg_buf *out, const cg_chart_axis *x, const cg_chart_axis *y,
                    const char *label);
void cg_chart_end(cg_chart *chart);

/** Place of a value, cut off at the plot's edge. The value must be finite. */
double cg_chart_x(const cg_chart *chart, double value);
double cg_chart_y(const cg_chart *chart, double value);

/** A line through n points; a point that is not finite interrupts it. */
void cg_chart_line(cg_chart *chart, const double *x, const double *y, size_t n, const char *cls);
/** A straight line between two points, e.g. the diagonal. */
void cg_chart_segment(cg_chart *chart, double x0, double y0, double x1, double y1, const char *cls);
/** A dot of radius r with `tip` (escaped; NULL: none) on hover. */
void cg_chart_point(cg_chart *chart, double x, double y, double r, const char *cls,
                    const char *tip);
/** A bar from the x axis up to y, between x0 and x1. */
void cg_chart_bar(cg_chart *chart, double x0, double x1, double y, const char *cls,
                  const char *tip);
/** A vertical rule over the whole plot with `label` (escaped) above it, reaching to the left of it
 * where `leftwards` is set, so that two rules that stand close can be told apart. */
void cg_chart_rule(cg_chart *chart, double x, const char *cls, int leftwards, const char *label);
/** A text (escaped) at a value, moved by dx and dy; anchor "start", "middle" or "end". */
void cg_chart_text(cg_chart *chart, double x, double y, double dx, double dy, const char *anchor,
                   const char *cls, const char *text);

#endif
