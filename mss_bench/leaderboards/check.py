"""Check a bundle that somebody submits to a board: what a continuous integration runs, and a reviewer reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mss_bench.core.names import eye_key
from mss_bench.core.schema import does_nothing
from mss_bench.core.text import harmless
from mss_bench.errors import ConfigError, MssBenchError
from mss_bench.leaderboards.board import (
    Board,
    Entry,
    entry_names,
    file_stem,
    has_other_numbers,
    read_board,
    read_entry,
)
from mss_bench.leaderboards.bundle import Bundle, read_bundle
from mss_bench.leaderboards.completeness import changed_by, completeness, lacks
from mss_bench.leaderboards.plausibility import implausible, same_numbers, unjudged
from mss_bench.leaderboards.verify import verify_board
from mss_bench.report.leakage import overlap

__all__ = ["Point", "board_of", "check_bundle", "markdown", "text", "worst"]

Level = Literal["error", "warning", "ok"]

_SIGNS = {"error": "❌", "warning": "⚠️", "ok": "✅"}
_ORDER = ("error", "warning", "ok")
_MOST_TEXT = 500  # of one line in a comment


@dataclass(frozen=True)
class Point:
    """One thing that was looked at.

    Parameters
    ----------
    level : {"error", "warning", "ok"}
        ``error``: not to be accepted. ``warning``: for a person to look at.
    check : str
        What was looked at.
    method : str
        The entry; empty for the whole bundle.
    message : str
    """

    level: Level
    check: str
    method: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """Return the parts by name."""
        return asdict(self)


def check_bundle(path: Path, board: Board | None = None) -> tuple[list[Point], Bundle | None]:
    """Check a bundle against a board.

    Parameters
    ----------
    path : Path
    board : Board, optional
        By default as the bundle has it, without other entries.

    Returns
    -------
    points : list of Point
    bundle : Bundle or None
        None where it cannot be read.
    """
    try:
        bundle = read_bundle(path)
        with bundle.unpacked() as folder:
            own = bundle.board(folder, board)
            bundle.refuse_too_many(own)
            problems = verify_board(own)
            names = entry_names(own)
            entries = [] if problems else [read_entry(own, name) for name in names]
            told = read_board(folder)
    except MssBenchError as error:
        return [Point("error", "bundle", "", str(error))], None
    if not names:
        return [Point("error", "bundle", "", f"{path} has no entries")], bundle
    count = f"{len(names)} entr{'y' if len(names) == 1 else 'ies'}"
    points = [Point("ok", "bundle", "", f"{len(bundle.files)} files, as their checksums say; {count}")]
    points += [Point("error", "numbers", "", problem) for problem in problems]
    if entries:
        points.append(Point("ok", "numbers", "", "every aggregate follows from the scores of the songs"))
    if board is None:
        points.append(Point("warning", "board", "", "checked by the bundle's own copy of the board; give --board"))
    else:
        points += _of_board(board, told)
    others = [] if board is None else [read_entry(board, name) for name in entry_names(board)]
    for entry in entries:
        points += _of_entry(board or told, bundle, entry, others)
    return points, bundle


def worst(points: Sequence[Point]) -> Level:
    """Return the worst level of some points."""
    levels = {point.level for point in points}
    return next((level for level in _ORDER if level in levels), "ok")


def text(points: Sequence[Point]) -> list[str]:
    """Return points as lines, errors first."""
    ordered = sorted(points, key=lambda point: _ORDER.index(point.level))
    return [
        f"{p.level}: {p.check}: {f'{p.method}: ' if p.method else ''}{p.message}" for p in ordered
    ]  # fmt: skip


def markdown(path: Path, points: Sequence[Point]) -> str:
    """Return points as the comment of a pull request; nothing in it is a link, a mention or HTML."""
    counts = {level: sum(point.level == level for point in points) for level in _ORDER}
    verdict = {
        "error": "cannot be accepted as it is", "warning": "is for a person to look at", "ok": "passes every check",
    }[worst(points)]  # fmt: skip
    lines = [f"### {_code(path.name)} {verdict}", ""]
    lines += [f"{counts['error']} errors, {counts['warning']} warnings.", "", "| | check | entry | |", "|:-|:-|:-|:-|"]
    ordered = sorted(points, key=lambda point: _ORDER.index(point.level))
    lines += [f"| {_SIGNS[p.level]} {p.level} | {p.check} | {_code(p.method)} | {_code(p.message)} |" for p in ordered]
    return "\n".join(lines) + "\n"


def _code(words: str) -> str:
    """Return text of a stranger as code, in which Markdown has no meaning, also within a table."""
    plain = harmless(words, keep="").replace("`", "'").replace("|", "¦").strip()
    return f"`{plain[:_MOST_TEXT]}`" if plain else ""


def _of_board(board: Board, told: Board) -> Iterator[Point]:
    """Yield in what the board of a bundle is another one."""
    for field in ("dataset", "subset", "revision", "preset", "aggregation", "metrics", "targets", "tracks"):
        if getattr(board, field) != getattr(told, field):
            message = f"the bundle was made for another state of the board: {field} has changed"
            yield Point("warning", "board", "", message)


def _of_entry(board: Board, bundle: Bundle, entry: Entry, others: Sequence[Entry]) -> Iterator[Point]:
    """Yield what is to be said of an entry."""
    rivals = [other for other in others if other.method != entry.method]
    for check in (_name, _complete, _provenance, _training, _copied, _plausible):
        for level, message in check(board, bundle, entry, rivals):
            yield Point(level, check.__name__.lstrip("_").replace("_", " "), entry.method, message)


_Said = Iterator[tuple[Level, str]]


def _name(board: Board, bundle: Bundle, entry: Entry, rivals: Sequence[Entry]) -> _Said:
    if (board.folder / "entries").is_dir() and has_other_numbers(board, entry):
        present = read_entry(board, file_stem(entry.method))
        if any(exactly for exactly, _ in same_numbers(board, entry, [present])):
            yield "warning", "the board has this entry already, with numbers that are the same to two decimals"
        else:
            yield "error", "the board has an entry of this name with other numbers; name yours otherwise, or say why"
    if similar := [r.method for r in rivals if eye_key(r.method) == eye_key(entry.method)]:
        yield "error", f"looks like the entry {similar[0]!r}: it differs in capitals or such signs alone"


def _complete(board: Board, bundle: Bundle, entry: Entry, rivals: Sequence[Entry]) -> _Said:
    if change := changed_by(board, [entry], rivals):
        yield "warning", f"changes what is asked of other entries: {change}; it enters with --recount alone"
    state = completeness(board, [*rivals, entry])
    if entry.method in state.frames_untold:
        yield "warning", "has one value a song where others have frames: hard ones that it left out cannot be seen"
    if said := lacks(board, entry, state):
        unranked = state.unranked(board, entry.method)
        yield "warning", f"lacks {said}" + ("; it would stand apart, without a rank" if unranked else "")
    else:
        yield "ok", f"has every song that the board ranks on, {', '.join(board.targets)}"


def _provenance(board: Board, bundle: Bundle, entry: Entry, rivals: Sequence[Entry]) -> _Said:
    if entry.origin == "run":
        facts = {s.get("label"): s for s in bundle.run.get("separators", ()) if isinstance(s, dict)}
        if entry.method not in facts:
            yield "error", "is said to be of a run, and run.json has no such method"
            return
        fact = facts[entry.method]
        told: dict[str, tuple[Any, Any]] = {
            "trained_on": (list(entry.trained_on), list(fact.get("trained_on", ()))),
            "oracle": (entry.oracle, bool(fact.get("oracle", False))),
            "version": (entry.provenance.get("version", ""), fact.get("version", "")),
        }
        for field, (here, there) in told.items():
            if here != there:
                yield "error", f"{field} is {here!r}, and {there!r} in run.json"
        if not bundle.files.get("recipe.yaml"):
            yield "warning", "has no recipe: nobody can run it again"
    elif not entry.provenance.get("from"):
        yield "error", "does not say where its numbers come from"
    else:
        yield "warning", f"is a table, from {entry.provenance['from']}: nothing of it can be run again"
        if entry.oracle:
            yield "warning", "says itself that it saw the references (oracle): it would stand beside the ranks"
    if entry.does_nothing:
        yield "warning", "says itself that it does nothing: it would have no rank"
    if not entry.licence:
        yield "warning", "names no licence of the method"


def _training(board: Board, bundle: Bundle, entry: Entry, rivals: Sequence[Entry]) -> _Said:
    if (entry.oracle or entry.does_nothing) and entry.origin == "run":
        return
    if shared := overlap(entry.trained_on, board.dataset, board.subset):
        if board.training_songs:
            yield "ok", f"was trained on {', '.join(shared)}, as the board expects"
        else:
            yield "warning", f"was trained on songs of the board ({', '.join(shared)}): it would stand without a rank"
    elif entry.trained_on:
        yield "ok", f"trained on {', '.join(entry.trained_on)}, none of it on the board"
    elif entry.origin == "run":
        yield "ok", "declares no training data"
    else:
        yield "warning", "does not say what it was trained on (trained_on)"


def _copied(board: Board, bundle: Bundle, entry: Entry, rivals: Sequence[Entry]) -> _Said:
    same = list(same_numbers(board, entry, rivals))
    for exactly, message in same:
        yield "error" if exactly else "warning", message
    if rivals and not same:
        yield "ok", f"has the numbers of none of the {len(rivals)} other entries"


def _plausible(board: Board, bundle: Bundle, entry: Entry, rivals: Sequence[Entry]) -> _Said:
    if does_nothing(entry.method) or entry.method == board.floor:
        return
    said = list(implausible(board, entry, rivals))
    yield from (("warning", message) for message in said)
    if why := unjudged(board, entry, rivals):
        yield "warning", f"whether its songs are like those of other methods could not be judged: {why}"
    elif not said:
        yield "ok", f"the songs look as they do for the board's other entries ({board.rank_metric})"


def board_of(path: Path, board: Path | None) -> Board | None:
    """Return the board that a bundle is for: the one that is named, or that in whose folder ``submissions`` it lies.

    Raises
    ------
    ConfigError
        It is a board of published aggregates, which takes no bundles, or none.
    """
    if board is None:
        above = path.resolve().parent.parent
        if path.resolve().parent.name != "submissions" or not (above / "board.yaml").is_file():
            return None
        board = above
    found = read_board(board)
    if found.kind == "literature":
        raise ConfigError(f"{board} holds published aggregates, which come as lines of its rows.csv")
    return found
