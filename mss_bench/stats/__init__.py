"""Statistics on score tables; nothing here reads audio, and nothing but tables is read.

From a track table
    `aggregate` one number a method, target and metric, with counts; `matrix` the scores of one metric and target as a
    matrix tracks x methods; `compare` everything on a pair of methods.
On a matrix
    `verdicts` what is told apart, the best, and what may be: where every table, page and sentence takes them from;
    `intervals` confidence intervals; `significance` tests of all pairs by name, and Kendall's W; `effect` effect sizes;
    `ranking` ranks and critical differences; `power` how many tracks it takes; `mixed` a linear mixed model.
On a table listeners x songs
    `crossed` a t test with both at random.
Underneath
    `units` which tracks count and what stands in; `resample` bootstrap resamples; `signed_rank` Wilcoxon's test and the
    typical difference; `choices` the names of aggregations, tests and rules.

Every number is taken over the same tracks for all methods, every test is paired by track unless its name says
otherwise, and a matrix holds no gaps: bad input is refused by name and never comes out as NaN or as a first place.
"""
