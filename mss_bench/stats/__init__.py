"""Statistics on score tables; nothing here reads audio, and nothing but tables is read.

From a track table
    `aggregate` one number a method, target and metric, with counts; `matrix` the scores of one metric and target as a
    matrix tracks x methods; `compare` everything on a pair of methods.
On a matrix
    `significance` Friedman's test and post hoc tests; `intervals` bootstrap confidence intervals; `effect` effect
    sizes; `ranking` ranks, groups of ties, critical differences; `power` how many tracks it takes; `mixed` a linear
    mixed model.
Of two variables
    `correlation` coefficients, on resamples too, and tests of two that share a variable.
Underneath
    `units` which tracks count and what stands in; `resample` bootstrap resamples; `signed_rank` Wilcoxon's
    test; `choices` the names of aggregations, tests and rules.

Every number is taken over the same tracks for all methods, every test is paired by track unless its name says
otherwise, and a matrix holds no gaps: bad input is refused by name and never comes out as NaN or as a first place.
"""
