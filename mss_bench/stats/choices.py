"""What statistics can be asked for, by name and in words; light, as the command line needs no more than the names."""

__all__ = ["AGGREGATIONS", "CORRECTIONS", "MISSING", "POSTHOC"]

AGGREGATIONS = {
    "median_of_medians": (
        "median of medians (SiSEC), median over songs of each song's value (median of its frames, if any)"
    ),
    "mean_of_medians": "mean of medians, mean over songs of each song's value (median of its frames, if any)",
    "mean_of_means": "mean of means (MDX), mean over songs of each song's value (mean of its frames, if any)",
}
"""Names of the aggregations and what they are, in words."""

MISSING = {
    "floor": "where a method failed the floor's value, or its own worst where that is worse, stands in",
    "complete": "songs on which every method has a value",
}
"""Rules for missing cells, in words."""

POSTHOC = {
    "wilcoxon": "Wilcoxon's signed-rank test of the differences of each pair",
    "maxt": "step-down maxT with joint sign flips of songs",
    "conover": "Conover's test after Friedman's, on ranks over all methods: only to reproduce a publication",
    "nemenyi": "Nemenyi's test after Friedman's, on ranks over all methods: only to reproduce a publication",
    "conover_iman": "Conover-Iman test after Kruskal-Wallis, not paired: only to reproduce a publication",
}
"""Names of the tests of pairs and what they are, in words; the first is the default."""

CORRECTIONS = {
    "holm": "Holm's correction",
    "bonferroni": "Bonferroni's correction",
    "bh": "Benjamini and Hochberg's correction: a share of false discoveries, not the chance of a single one",
    "none": "no correction",
}
"""Corrections for the number of pairs, in words."""
