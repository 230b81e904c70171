"""Scripts for `mss_bench.separators.external`: one file each, which another interpreter runs."""
