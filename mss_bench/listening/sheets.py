"""Tables as people have them: text separated by commas, semicolons or tabs, in UTF-8 or UTF-16, and lists of JSON.

Comments (``#`` before the header), Excel's ``sep=;``, blank rows and columns, headers that come again where files were
joined, and the quotation marks of PHP are read as what they are. Decimal commas are numbers where the comma does not
separate columns; where it does, a quoted one is refused by name, as it may mark thousands, too, and so is a column that
has 5,1 and 4.222. Everything else that is not a table is refused by what it is.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mss_bench.errors import RatingsError

__all__ = ["RatingsError", "Sheet", "comma_hint", "number", "read_sheet", "table_bytes"]

_SEPARATORS = ",;\t"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # float() takes 7_0, inf and nan, too
_MOST_ROWS, _MOST_MB = 500_000, 200  # read as texts, such a table takes half a gigabyte
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+", re.ASCII)
_PHP_QUOTE = re.compile(r'\\"(?=[^,;\t\r\n])')  # fputcsv does not double a mark after a backslash
_KINDS = {
    b"SQLite format 3": "a database; export the ratings as CSV from it",
    b"PK\x03\x04": "a workbook of Excel or LibreOffice, or an archive; save its sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old workbook of Excel; save its sheet as CSV",
    b"PAR1": "a Parquet file; write it as CSV",
    b"\x1f\x8b": "compressed; unpack it first",
}


@dataclass(frozen=True)
class Sheet:
    """A table of texts as it was written.

    Parameters
    ----------
    source : Path
    header : list of str
    rows : list of dict of str to str
    places : list of str
        File and line of each row, for messages.
    decimal_comma : bool
        Whether a comma in a number is a decimal sign.
    open_end : bool
        Whether the last row ends without an end of line, so that its last number may have been cut.
    raw : object
        What a JSON file holds; None of other files.
    """

    source: Path
    header: list[str]
    rows: list[dict[str, str]]
    places: list[str]
    decimal_comma: bool = False
    open_end: bool = False
    raw: Any = None

    def plain(self, text: str) -> str:
        """Return a number with its decimal sign as a point; any other text as it is."""
        return text.replace(",", ".") if self.decimal_comma and _DECIMAL_COMMA.fullmatch(text) else text


def comma_hint(text: str) -> str:
    """Return what to say of a comma in what should be a number: between commas it may mark decimals or thousands."""
    return "; write it with a decimal point, without marks of thousands" if re.search(r"\d,\d", text) else ""


def number(text: str) -> float:
    """Read a number as people write it; ValueError for anything else, such as ``7_0``."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def read_sheet(path: str | Path) -> Sheet:
    """Read a table; its separator is the one that its first line has most of.

    Raises
    ------
    RatingsError
        No such file, no table of text, no rows, a row of another length than the header, a column twice, an open
        quotation mark.
    """
    path = Path(path)
    text = _decoded(path)
    if text.lstrip()[:1] in ("[", "{"):
        return _of_json(path, text)
    separator, skipped = "", 0
    told = re.match(r"(?i)sep=([,;\t])[^\S\r\n]*\r?\n", text)
    if told:
        separator, skipped, text = told[1], 1, text[told.end() :]
    while text.startswith("#"):  # comments
        skipped, text = skipped + 1, text.partition("\n")[2]
    separator = separator or max(_SEPARATORS, key=text.split("\n", 1)[0].count)
    rows = _parsed(path, text, separator, skipped)
    header, kept = _columns(path, rows)
    records, places = [], []
    last = rows[-1][0] if rows else 0
    for line, fields in rows[1:]:
        if fields == rows[0][1] or (len(fields) != len(rows[0][1]) and fields[0].startswith("#")):
            continue  # the header of a file that was joined to this one, and a comment
        if len(fields) != len(rows[0][1]):
            raise RatingsError(f"{path}:{line}: {_wrong_length(fields, rows[0][1], cut=line == last)}")
        records.append({name: fields[place] for name, place in zip(header, kept, strict=True)})
        places.append(f"{path}:{line}")
    if not records:
        raise RatingsError(f"{path} holds no rows: it has {'a header alone' if header else 'no header'}")
    if separator != "," and re.search(r"\d\.\d{3}(?!\d)", text):
        _refuse_thousands(header, records, places)
    return Sheet(path, header, records, places, separator != ",", not text.endswith(("\n", "\r")))


def table_bytes(path: Path) -> bytes:
    """Read the file of a table, unless it is larger than any that people collect.

    Raises
    ------
    RatingsError
        It cannot be read, or has more than half a million lines.
    """
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= _MOST_MB * 1_000_000 else b""
    except OSError as error:
        raise RatingsError(f"{path} cannot be read: {error.strerror or error}") from error
    lines = raw.count(b"\n")
    if (not raw and size) or lines > _MOST_ROWS:
        much = f"{lines:,} lines" if raw else f"{size / 1e6:,.0f} MB"
        raise RatingsError(
            f"{path} has {much}, expected at most {_MOST_ROWS:,} lines and {_MOST_MB} MB; split it, or leave out "
            "rows that are not needed"
        )
    return raw


def _decoded(path: Path) -> str:
    raw = table_bytes(path)
    for start, kind in _KINDS.items():
        if raw.startswith(start):
            raise RatingsError(f"{path} is {kind}")
    try:
        # With the byte order marks that Excel writes.
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise RatingsError(f"{path} is not UTF-8 (byte {error.start}); save it again as CSV in UTF-8") from error
    if "\0" in text:
        raise RatingsError(f"{path} is no text: it holds bytes of zero; save it again as CSV in UTF-8")
    return text


def _parsed(path: Path, text: str, separator: str, skipped: int) -> list[tuple[int, list[str]]]:
    """Return the rows of a text, with PHP's quotation marks read as such where the rows are not alike otherwise."""
    readings = [text]
    if '\\"' in text:  # before a separator such a mark may end the text, after a backslash, or belong to it
        readings += [_PHP_QUOTE.sub(r'\\""', text), text.replace('\\"', '\\""')]
    parsed: list[list[tuple[int, list[str]]]] = []
    errors: list[csv.Error] = []
    for reading in readings:
        try:
            parsed.append(list(_rows(reading, separator, skipped)))
        except csv.Error as error:
            errors.append(error)
    if not parsed:
        raise RatingsError(
            f"{path}: {errors[0]}: a quotation mark is open or stands alone; the file was cut off, or edited by hand"
        )
    return next((rows for rows in parsed if len({len(fields) for _, fields in rows}) == 1), parsed[0])


def _rows(text: str, separator: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the fields of each row that has any."""
    # Not splitlines, which ends a line at U+2028 and other characters that names may hold.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    for fields in reader:
        stripped = [field.strip() for field in fields]
        if any(stripped):
            yield reader.line_num + skipped, stripped


def _columns(path: Path, rows: list[tuple[int, list[str]]]) -> tuple[list[str], list[int]]:
    """Return the names of the columns and their places; without those that have neither a name nor any content."""
    if not rows:
        return [], []
    line, names = rows[0]
    twice = sorted(name for name, count in Counter(names).items() if count > 1 and name)
    if twice:
        raise RatingsError(f"{path}:{line}: the column {twice[0]!r} is there twice")
    nameless = {place for place, name in enumerate(names) if not name}
    for place in nameless:
        if any(place < len(fields) and fields[place] for _, fields in rows[1:]):
            raise RatingsError(f"{path}:{line}: column {place + 1} has no name; name it, or take it out")
    kept = [place for place in range(len(names)) if place not in nameless]
    return [names[place] for place in kept], kept


def _refuse_thousands(header: list[str], records: list[dict[str, str]], places: list[str]) -> None:
    """Refuse a column with decimal commas in which a point may mark decimals or thousands."""
    for name in header:
        commas = [row[name] for row in records if _DECIMAL_COMMA.fullmatch(row[name])]
        points = [i for i, row in enumerate(records) if commas and _THOUSANDS.fullmatch(row[name])]
        if points:
            raise RatingsError(
                f"{places[points[0]]}: {name} is {records[points[0]][name]!r} here and {commas[0]!r} elsewhere: a "
                "point may be a decimal sign or mark thousands; write all numbers of a file with one decimal sign"
            )


def _wrong_length(fields: list[str], header: list[str], *, cut: bool) -> str:
    told = f"{len(fields)} fields, expected {len(header)} as in the first line"
    if len(set(fields) & set(header)) > len(header) // 2:
        return f"{told}: another header; files with different columns were joined, import each of them by itself"
    if cut and len(fields) < len(header):
        return f"{told}; the file was cut off there, take it anew from where it was collected"
    return f"{told}: a separator stands in a text without quotation marks, or the columns changed on the way"


def _of_json(path: Path, text: str) -> Sheet:
    """Read a list of flat objects; of other JSON the content alone is kept."""

    def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(names := dict(pairs)) < len(pairs):
            twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
            raise RatingsError(f"{path}: {twice!r} is there twice in one object; which of the two holds?")
        return names

    try:
        raw = json.loads(text, object_pairs_hook=each_once)
    except (ValueError, RecursionError) as error:
        raise RatingsError(f"{path} is no whole JSON: {error}") from None
    flat = isinstance(raw, list) and all(isinstance(record, dict) for record in raw)
    records = raw if flat else []
    header = list(dict.fromkeys(str(name) for record in records for name in record))
    rows = [{name: _text(record.get(name)) for name in header} for record in records]
    places = [f"{path}: record {number}" for number in range(1, len(rows) + 1)]
    return Sheet(path, header, rows, places, raw=raw)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return "" if value is None else str(value).strip()
