"""A key follows what the code does, not how it is written down."""

import ast
import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from mss_bench.running.keys import meaning, source_hash

SOURCE = '''\
"""A method."""

from typing import TYPE_CHECKING

from mss_bench.core.parameters import param
from mss_bench.core.tracks import Audio
from mss_bench.dsp.stft import STFT
from mss_bench.separators import Separator

if TYPE_CHECKING:
    import numpy as np


class Own(Separator):
    """Half of everything."""

    name = "own"
    citation = "A. Author, A paper, 2020"
    gain: float = param(0.5, above=0, unit="dB", doc="How much.")
    kinds = ("a", "b")

    def separate(self, mixture, sample_rate, *, rng, **_):
        # half of it
        text = f"{self.gain:.{3}f} of {len(mixture)!r}" "and more" f"{sample_rate}"
        match mixture:
            case [first, *rest] if first is not None:
                pass
        return {"vocals": self.gain * mixture, **{}}
'''

GOLDEN = "a536c06125b3574839a518e18ab3adefe3d0fc9bc15bbc2934871df7f3ca5c8f"
"""Of `SOURCE`, the same with every version of Python."""


def hash_of(file: Path, text: str) -> str:
    """Return the hash of the class `Own` in a file of that text."""
    file.write_text(text)
    spec = importlib.util.spec_from_file_location(f"own_{abs(hash((file, text)))}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return source_hash(module.Own)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# half of it", "# fifty per cent"),
        ('"""Half of everything."""', '"""Half of each channel.\n\n    And more.\n    """'),
        ('"""A method."""\n\n', ""),
        ('("a", "b")', "(\n        'a',\n        'b',\n    )\n"),
        ("A paper, 2020", "The paper, 2021"),
        ('unit="dB", doc="How much."', 'doc="By how much.", metavar="G", flag="--gain", short="-g"'),
        ("    import numpy as np", "    import numpy\n    from mss_bench.dsp import nmf"),
    ],
)
def test_what_does_not_compute_changes_no_key(tmp_path, old, new):
    assert old in SOURCE
    assert hash_of(tmp_path / "own.py", SOURCE.replace(old, new)) == hash_of(tmp_path / "other.py", SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5", "0.25"),
        ("above=0", "above=1"),
        ("self.gain * mixture", "mixture / self.gain"),
        ('"b"', '"c"'),
        ("{3}", "{4}"),
        ("first is not None", "first is None"),
    ],
)
def test_what_computes_changes_the_key(tmp_path, old, new):
    assert old in SOURCE
    assert hash_of(tmp_path / "own.py", SOURCE.replace(old, new)) != hash_of(tmp_path / "other.py", SOURCE)


def test_an_imported_file_counts_by_its_content_and_not_by_its_place(tmp_path):
    moved = SOURCE.replace("mss_bench.core.tracks", "mss_bench.core.moved")
    assert meaning(ast.parse(moved)) == meaning(ast.parse(SOURCE))
    swapped = SOURCE.replace("dsp.stft import STFT", "dsp.median import running_median as STFT")
    assert hash_of(tmp_path / "own.py", swapped) != hash_of(tmp_path / "other.py", SOURCE)


def test_the_hash_is_the_same_with_every_version_of_python():
    text = json.dumps(meaning(ast.parse(SOURCE)))
    assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN
