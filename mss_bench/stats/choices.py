"""What statistics can be asked for, by name and in words; light, as the command line needs no more than the names."""

__all__ = ["AGGREGATIONS", "MISSING", "POSTHOC"]

AGGREGATIONS = {
    "median_of_medians": "median of medians (SiSEC), median over tracks of each track's value (its median over frames)",
    "mean_of_medians": "mean of medians, mean over tracks of each track's value (its median over frames)",
    "mean_of_means": "mean of means (MDX), mean over tracks of each track's value (its mean over frames)",
}
"""Names of the aggregations and what they are, in words."""

MISSING = {
    "floor": "on tracks where a method has no value the floor's, or its own worst where that is worse, stands in",
    "complete": "tracks on which every method has a value",
}
"""Rules for missing cells, in words."""

POSTHOC = {
    "conover": "Conover's test after Friedman's, paired by track",
    "nemenyi": "Nemenyi's test after Friedman's, paired by track",
    "wilcoxon": "Wilcoxon's signed-rank test, paired by track",
    "conover_iman": "Conover-Iman test after Kruskal-Wallis, not paired: only to reproduce a publication",
}
"""Names of the post hoc tests and what they are, in words."""
