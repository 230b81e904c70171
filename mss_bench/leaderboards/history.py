"""History of a board from its git log: who entered when, and who overtook whom.

The states of the board are read as git holds them, by the names of their contents: nothing is checked out, and no file
name of the repository is handed to a command or becomes a path. ``history.csv`` in the board's folder holds the events
where somebody wrote them there (``leaderboard history --write``); the page shows that file, so that it is made of the
board's files alone, as everything on it.
"""

from __future__ import annotations

import csv
import io
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from mss_bench.core.files import write_atomic
from mss_bench.core.schema import does_nothing
from mss_bench.core.text import harmless, shortened
from mss_bench.errors import ConfigError, MssBenchError, RunError
from mss_bench.leaderboards.board import Board, Entry, entry_names, read_board, read_entry
from mss_bench.leaderboards.completeness import completeness
from mss_bench.report.leakage import overlap
from mss_bench.report.table import Column, Table

__all__ = ["EVENTS", "FILE", "Event", "History", "board_history", "history_table", "read_history", "write_history"]

FILE = "history.csv"
EVENTS = ("begins", "enters", "leaves", "changes", "overtakes", "falls")
"""``begins``: the board with its first entries, the best of them named."""

_SHOWN = 30
_MOST_BYTES = 2**26  # of one content of git
_SECONDS = 300


@dataclass(frozen=True)
class Event:
    """Something that happened to a board."""

    date: str  # of the change, as its author has it
    by: str  # the author
    event: str  # one of `EVENTS`
    method: str
    rank: str  # after it; empty without one
    value: str  # in the board's ranking metric
    about: str  # whom it overtook, what it was before


@dataclass(frozen=True)
class History:
    """Events of a board, the earliest first.

    Parameters
    ----------
    events : list of Event
    shallow : bool
        Whether the repository's copy begins after the board may have: what was there first is one event.
    unread : int
        Commits whose state of the board cannot be read by this version.
    """

    events: list[Event]
    shallow: bool
    unread: int


@dataclass(frozen=True)
class _Commit:
    name: str
    date: str
    by: str
    changes: dict[str, str]  # content by path, below the board's folder; empty for what was deleted


@dataclass(frozen=True)
class _State:
    """A board at one time: the value of each method, and the ranks of those that have one."""

    values: dict[str, float | None]
    ranks: dict[str, int]


def board_history(board: Board) -> History:
    """Read the history of a board from the repository that its folder is in.

    Raises
    ------
    RunError
        The folder is in no repository, git is not there, or fails.
    """
    shallow = _git(board.folder, "rev-parse", "--is-shallow-repository").strip() == b"true"
    commits = list(_commits(board.folder))
    contents = _contents(board.folder, {oid for commit in commits for oid in commit.changes.values() if oid})
    tree: dict[str, str] = {}
    known: dict[tuple[str, str], Entry] = {}
    events: list[Event] = []
    before: _State | None = None
    unread = 0
    with tempfile.TemporaryDirectory() as name:
        for commit in commits:
            tree = {path: oid for path, oid in (tree | commit.changes).items() if oid}
            try:
                after = _state(tree, contents, known, Path(name))
            except MssBenchError:
                unread += 1
                continue
            if after is not None:
                events += _events(commit, before, after)
                before = after
    return History(events, shallow, unread)


def history_table(events: Sequence[Event], metric: str, most: int = _SHOWN) -> Table:
    """Return events as a table, the latest first."""
    rows = [
        [e.date[:10], e.event, e.method, e.rank or "–", e.value or "–", e.about, e.by] for e in reversed(events)
    ]  # fmt: skip
    columns: list[Column | str] = [
        "date", "event", "entry", Column("rank", "right"), Column(metric, "right"), "about", "by"
    ]  # fmt: skip
    notes = [f"The last {most} of {len(rows)} events; {FILE} has all."] if len(rows) > most else []
    return Table("History", columns, [rows[:most]], notes)


def write_history(board: Board, events: Sequence[Event]) -> Path:
    """Write ``history.csv`` of a board."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(field.name for field in fields(Event))
    writer.writerows(astuple(event) for event in events)
    return write_atomic(board.folder / FILE, stream.getvalue())


def read_history(board: Board) -> list[Event]:
    """Read ``history.csv``; no events where there is none.

    Raises
    ------
    ConfigError
        It is not as `write_history` writes it, or contradicts the entries: of a method that left and is there, or
        entered and is not.
    """
    path = board.folder / FILE
    if not path.is_file():
        return []
    names = [field.name for field in fields(Event)]
    try:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8"), newline=""), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not rows or rows[0] != names:
        raise ConfigError(f"{path} has the columns {', '.join(rows[0]) if rows else '-'}; expected {', '.join(names)}")
    events = []
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names) or row[names.index("event")] not in EVENTS:
            raise ConfigError(f"{path}:{number}: expected {len(names)} fields and one of {', '.join(EVENTS)}")
        events.append(Event(*row))
    there = {read_entry(board, name).method for name in entry_names(board)}
    present: dict[str, bool] = {}
    for event in events:
        if event.event in ("enters", "leaves"):
            present[event.method] = event.event == "enters"
    for method, entered in present.items():
        if entered != (method in there):
            raise ConfigError(
                f"{path}: {method!r} {'enters and is not there' if entered else 'leaves and is there'}; make it anew: "
                f"mss-bench leaderboard history {shlex.quote(str(board.folder))} --write"
            )
    return events


def _git(folder: Path, *words: str, given: bytes = b"") -> bytes:
    """Return what git prints; it reads the repository alone, without hooks, filters or prompts."""
    command = ["git", "-C", str(folder), "-c", "core.quotePath=false", "--literal-pathspecs", "--no-pager", *words]
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=_SECONDS, check=False)
    except FileNotFoundError as error:
        raise RunError("git is not installed, which the history of a board is read with") from error
    except subprocess.TimeoutExpired as error:
        raise RunError(f"git {words[0]} took more than {_SECONDS} s in {folder}") from error
    if done.returncode:
        said = harmless(done.stderr.decode("utf-8", "replace").strip().split("\n")[-1], keep="")
        raise RunError(f"the history of {folder} cannot be read: {said or f'git {words[0]} failed'}")
    return done.stdout


def _commits(folder: Path) -> Iterator[_Commit]:
    """Yield the commits that changed a board, the first one first, a merge as what it brought."""
    form = "--format=%H%x1f%P%x1f%aI%x1f%an"
    log = _git(folder, "log", "--first-parent", "--reverse", "-z", form, "--", "entries", "board.yaml")
    heads = [record.split("\x1f", 3) for record in log.decode("utf-8", "replace").split("\0") if record]
    if not heads:
        raise RunError(f"{folder} has no history: no commit of its repository holds it; commit it first")
    # Parents are told here as the log has them: in a shallow copy the first commit has none.
    asked = "".join(f"{name} {parents.split(' ')[0]}".strip() + "\n" for name, parents, *_ in heads)
    words = ("diff-tree", "--stdin", "--root", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--relative")
    tokens = iter(_git(folder, *words, given=asked.encode()).split(b"\0"))
    changed: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for token in tokens:
        text = token.decode("utf-8", "surrogateescape").lstrip("\n")
        if text.startswith(":"):
            path = next(tokens).decode("utf-8", "surrogateescape")
            mode, oid = text.split(" ")[1], text.split(" ")[3]
            regular = mode.startswith("100")  # no links, no submodules
            current[path] = oid if regular else ""
        elif text:
            current = changed.setdefault(text.split(" ")[0], {})
    for name, _, date, by in heads:
        yield _Commit(name, date, harmless(by, keep=""), changed.get(name, {}))


def _contents(folder: Path, oids: set[str]) -> dict[str, bytes]:
    """Return contents by their names, all by one process."""
    ordered = sorted(oids)
    out = _git(folder, "cat-file", "--batch", given="".join(f"{oid}\n" for oid in ordered).encode())
    contents, place = {}, 0
    for oid in ordered:
        head, _, _ = out[place : place + 200].partition(b"\n")
        place += len(head) + 1
        if head.endswith(b"missing"):  # of a partial clone
            continue
        size = int(head.rsplit(b" ", 1)[1])
        contents[oid] = out[place : place + size] if size <= _MOST_BYTES else b""
        place += size + 1
    return contents


def _state(
    tree: Mapping[str, str], contents: Mapping[str, bytes], known: dict[tuple[str, str], Entry], folder: Path
) -> _State | None:
    """Return a board as a tree of git has it; None before it had entries."""
    if "board.yaml" not in tree:
        return None
    (folder / "board.yaml").write_bytes(contents.get(tree["board.yaml"], b""))
    board = read_board(folder)
    if board.kind == "literature":
        return None
    (folder / "entries").mkdir(exist_ok=True)
    entries = []
    for path in sorted(tree):
        stem = path.removesuffix(".yaml")
        if not path.startswith("entries/") or stem == path or f"{stem}.csv" not in tree:
            continue
        pair = tree[path], tree[f"{stem}.csv"]
        if pair not in known:
            name = f"entry{len(known)}"  # never a name of the repository's
            for ending, oid in zip(("yaml", "csv"), pair, strict=True):
                (folder / "entries" / f"{name}.{ending}").write_bytes(contents.get(oid, b""))
            known[pair] = read_entry(board, name)
        entries.append(known[pair])
    return _ranked(board, entries) if entries else None


def _ranked(board: Board, entries: Sequence[Entry]) -> _State:
    """Return the values and ranks of a board's entries, by its rule."""
    state = completeness(board, entries)
    targets = board.targets if board.rank_target == "mean" else (board.rank_target,)
    values: dict[str, float | None] = {}
    for entry in entries:
        own = [entry.aggregates.get(target, {}).get(board.rank_metric) for target in targets]
        numbers = [value for value in own if value is not None]
        values[entry.method] = sum(numbers) / len(numbers) if len(numbers) == len(targets) else None
    idle = {e.method for e in entries if e.oracle or e.does_nothing or does_nothing(e.method)} | {board.floor}
    if not board.training_songs:
        idle |= {e.method for e in entries if overlap(e.trained_on, board.dataset, board.subset)}
    sign = 1.0 if board.rank_metric in board.lower_is_better else -1.0
    ordered = sorted(
        (sign * value, method)
        for method, value in values.items()
        if value is not None and method not in idle and not state.unranked(board, method)
    )
    return _State(values, {method: rank for rank, (_, method) in enumerate(ordered, 1)})


def _events(commit: _Commit, before: _State | None, after: _State) -> Iterator[Event]:
    """Yield what a commit did to a board."""

    def event(kind: str, method: str, *about: str) -> Event:
        value = after.values.get(method)
        said = harmless("; ".join(filter(None, about)), keep="")
        shown = "" if value is None else f"{value:.2f}"
        rank = str(after.ranks.get(method, ""))
        return Event(commit.date, commit.by, kind, harmless(method, keep=""), rank, shown, said)

    if before is None:
        best = next(iter(after.ranks), next(iter(after.values)))
        yield event("begins", best, f"best of {n} entries" if (n := len(after.values)) > 1 else "the first entry")
        return
    for method in before.values:
        if method not in after.values:
            yield event("leaves", method, f"had rank {before.ranks[method]}" if method in before.ranks else "")
    moved = _moved(before, after)
    order = [*after.ranks]
    for method in sorted(after.values, key=lambda name: after.ranks.get(name, len(order) + 1)):
        if method not in before.values:
            behind = order[after.ranks[method] :] if method in after.ranks else []
            old = [name for name in behind if name in before.ranks]
            yield event("enters", method, f"ahead of {shortened(old, 3)}" if old else "")
            continue
        rose, fell = moved.get(method, ([], []))
        was = before.values[method]
        is_other = _shown(was) != _shown(after.values[method])
        about = (
            shortened(rose, 3),
            f"behind {shortened(fell, 3)}" if fell else "",
            f"had rank {before.ranks[method]}" if rose or fell else "",
            f"was {_shown(was)}" if is_other else "",
        )
        if rose or fell or is_other:
            yield event("overtakes" if rose else "falls" if fell else "changes", method, *about)


def _moved(before: _State, after: _State) -> dict[str, tuple[list[str], list[str]]]:
    """Return whom each method overtook, and behind whom it fell: what another's numbers did is told of that one."""
    both = [name for name in after.ranks if name in before.ranks]
    changed = {name for name in both if before.values[name] != after.values[name]}
    moved: dict[str, tuple[list[str], list[str]]] = {}
    for place, ahead in enumerate(both):
        for behind in both[place + 1 :]:
            if before.ranks[ahead] < before.ranks[behind]:
                continue
            if ahead in changed or behind not in changed:
                moved.setdefault(ahead, ([], []))[0].append(behind)
            else:
                moved.setdefault(behind, ([], []))[1].append(ahead)
    return moved


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.2f}"
