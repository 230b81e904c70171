"""Makes demo_sha256.json anew; only after a change of the audio that raised GENERATOR_VERSION.

Run: python tests/data/make_demo_sha256.py
"""

import importlib.util
import json
from pathlib import Path

from mss_bench.datasets import demo

HERE = Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("test_demo", HERE.parent / "datasets" / "test_demo.py")
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
songs = {f"{s}/{i}/{v}": tests.sha256_of(demo.render(s, i, v)) for s, i, v in tests.HASHED}
content = {
    "dataset": demo.DATASET_ID,
    "hashed": "interleaved little-endian 16-bit samples of the mixture and each stem",
    "songs": songs,
}
(HERE / "demo_sha256.json").write_text(json.dumps(content, indent=1) + "\n")
