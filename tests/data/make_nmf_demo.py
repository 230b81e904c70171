"""Makes mss_bench/separators/nmf_demo.npz anew, the dictionary of the demo's train split.

Run: python tests/data/make_nmf_demo.py [FILE]
"""

import sys

from mss_bench.datasets.catalog import load_catalog
from mss_bench.separators.nmf_supervised import DEMO, learn

SONGS = 6

if __name__ == "__main__":
    tracks = load_catalog()["demo"].tracks("train")[:SONGS]
    learn(tracks).save(sys.argv[1] if len(sys.argv) > 1 else DEMO)
