"""Looking into a ``.pt2`` file before PyTorch opens it.

`torch.export.load` unpickles what a file says is pickled, loads the compiled libraries in it, evaluates the text of its
symbolic shapes and calls the functions that it names. A plain exported network needs none of that beyond tensors,
arithmetic and PyTorch's own operators; whatever else is in a file is refused here.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mss_bench.errors import ConfigError
from mss_bench.separators.deep.adapter import pickle_reason

__all__ = ["checked_archive"]

# Where torch.export.save puts tensors, graphs and notes. Compiled libraries and pickled constants have other places.
_PLACES = re.compile(
    r"(data/weights/(weight_\d+|[\w.]+_weights_config\.json)|data/constants/(tensor_\d+|[\w.]+_constants_config\.json)"
    r"|data/sample_inputs/[\w.]+\.pt|models/[\w.]+\.json|archive_format|archive_version|byteorder|\.data/\w+"
    r"|\.format_version|extra/.*)"
)
# What a graph may call: PyTorch's operators and arithmetic on sizes. torch.export resolves any dotted name otherwise.
_TARGET = re.compile(r"(torch\.ops\.(aten|prims|higher_order)(\.\w+)+|_operator\.\w+|math\.\w+|torch\.sym_\w+)")
# What SymPy's text of a size is made of, which is evaluated.
_SYMPY = {
    "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Mod", "Max", "Min", "Abs", "floor", "ceiling",
    "FloorDiv", "CeilDiv", "CleanDiv", "PythonMod", "ModularIndexing", "IntTrueDiv", "FloatTrueDiv", "ToFloat",
    "TruncToInt", "RoundToInt", "FloorToInt", "CeilToInt", "Equality", "Unequality", "Eq", "Ne", "Lt", "Le", "Gt", "Ge",
    "And", "Or", "Not", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan", "Where", "Identity", "oo",
    "int_oo", "True", "False", "positive", "nonnegative", "integer",
}  # fmt: skip


def checked_archive(torch: Any, file: Path) -> io.BytesIO:
    """Return the content of an exported program that holds no code, for `torch.export.load`.

    Parameters
    ----------
    torch : module
    file : Path

    Raises
    ------
    ConfigError
        It is no such file, or holds something that would run.
    """
    clean = io.BytesIO()
    try:
        # Written anew, so that what was looked at is what is opened, however the file was put together.
        with zipfile.ZipFile(file) as archive, zipfile.ZipFile(clean, "w") as copy:
            for name in archive.namelist():
                content = archive.read(name)
                _check_member(torch, file, name.partition("/")[2], content)
                copy.writestr(name, content)
    except (OSError, zipfile.BadZipFile, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{file} is not an exported program: {error}; expected a file of torch.export.save"
        ) from error
    clean.seek(0)
    return clean


def _check_member(torch: Any, file: Path, name: str, content: bytes) -> None:
    if not _PLACES.fullmatch(name):
        _refuse(file, f"it holds {name!r}, which is not part of a plain exported network")
    if name.endswith("_config.json"):
        if any(key == "use_pickle" and value for key, value in _items(json.loads(content))):
            _refuse(file, f"{name} says that tensors are pickled")
    elif name.startswith("data/sample_inputs/"):
        try:
            torch.load(io.BytesIO(content), weights_only=True)
        except Exception as error:  # whatever is wrong with it, it would be unpickled next
            _refuse(file, f"{name} is a pickle that holds more than tensors ({pickle_reason(error)})")
    elif name.startswith("models/"):
        for key, value in _items(json.loads(content)):
            if key == "target" and isinstance(value, str) and "." in value and not _TARGET.fullmatch(value):
                _refuse(file, f"it calls {value}")
            if key == "expr_str":
                _check_expression(file, str(value))


def _check_expression(file: Path, text: str) -> None:
    """Refuse a symbolic size, text that is evaluated, with more in it than names of symbols and arithmetic."""
    plain = re.sub(r"'[a-zA-Z]+\d*'", "", text)
    names = set(re.findall(r"[^\W\d]\w*", plain))
    unknown = {n for n in names - _SYMPY if not re.fullmatch(r"[a-z]\d+|u\d+", n)}
    if unknown or not re.fullmatch(r"[\w\s+\-*/%()<>=!,.&|~]*", plain):
        _refuse(file, f"a size in it is {text[:80]!r}")


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield all keys and values of nested mappings and lists."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _items(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _items(inner)


def _refuse(file: Path, why: str) -> None:
    raise ConfigError(
        f"{file} is refused, since opening it could run code: {why}; export the network again with plain tensors, or "
        "to ONNX"
    )
