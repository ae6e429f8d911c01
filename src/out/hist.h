#ifndef JB_OUT_HIST_H
#define JB_OUT_HIST_H
/* Histograms drawn with bars (LANGUAGE: section 15.1). */
#include "model/value.h"

/*
 * One line per bucket, from the first to the last that is not empty. Counts are divided by div when
 * it is over 1, unless the steps are equal (lhist).
 */
void hist_print(struct buf *out, const struct value *hist, int64_t div);
/*
 * What stands before a bucket's count: "[1K, 2K)". Bounds get suffixes as the whole histogram's
 * shape asks.
 */
void hist_label(struct buf *out, const struct value *hist, const struct bucket *bucket);

#endif
