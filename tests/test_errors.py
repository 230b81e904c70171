"""Names that a mistyped one may have meant."""

import pytest

from mss_bench.errors import UnknownNameError, nearest


@pytest.mark.parametrize(
    ("typed", "known", "found"),
    [
        ("rnu", "run", True),
        ("hpsss", "hpss", True),
        ("seperators", "separators", True),
        ("siez", "size", True),
        ("ham", "hamming", True),
        ("--max-trakcs", "--max-tracks", True),
        ("--fast-fail", "--fail-fast", True),
        ("foo", "root", False),
        ("--groups", "--out", False),
        ("nested", "stems", False),
        ("quiet", "subset", False),
    ],
)
def test_only_what_is_much_alike_is_suggested(typed: str, known: str, found: bool) -> None:
    assert nearest(typed, [known]) == [known] * found


def test_a_name_is_listed_once() -> None:
    assert str(UnknownNameError("metric", "zzz", ["2f", "SDR", "2f"])) == "unknown metric 'zzz'; known: 2f, SDR"
