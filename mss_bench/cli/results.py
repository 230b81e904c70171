"""``mss-bench results``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mss_bench.cli.options import Action, Shared, verb
from mss_bench.core.files import write_atomic
from mss_bench.core.parameters import param

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ACTIONS", "configure", "execute"]


class Rebuild(Action):
    """Make the tables anew from the cells of a run."""

    run: Path = Shared.run

    def execute(self) -> int:
        """Rebuild the tables."""
        from mss_bench.running.lock import epoch, locked
        from mss_bench.running.store import read_info
        from mss_bench.running.tables import rebuild

        read_info(self.run)  # refuses what is no run before the lock makes a folder of it
        with locked(self.run), epoch(self.run):  # no worker of an earlier client writes meanwhile
            rebuild(self.run)
        return _tell(self.run)


class Distances(Action):
    """Compare sets: FAD, KAD and PRDC of all estimates of a method pooled, by a network from a local file."""

    run: Path = Shared.run
    model: str = param(metavar="FILE", doc="ONNX file of the network; none is downloaded.")
    sample_rate: int = param(16000, at_least=1, unit="Hz", doc="Sample rate that the network was made for.")
    window: float = param(0.96, above=0, unit="s", doc="What the network is given at a time.")
    hop: float = param(0.96, above=0, unit="s", doc="Step from window to window.")
    separators: tuple[str, ...] = param(
        (), flag="--separator", short="-s", metavar="LABEL", doc="Only this method, as tables name it (default: all)."
    )
    targets: tuple[str, ...] = param((), metavar="NAME,...", doc="Only these targets (default: all stems).")
    out: Path | None = param(None, short="-o", metavar="FILE", doc="CSV file for the table, too (default: none).")

    def execute(self) -> int:
        """Print the table."""
        from mss_bench.cli.options import terminal_width
        from mss_bench.metrics.perceptual.embedding_distances import FAD
        from mss_bench.report.table import Column, Table
        from mss_bench.running.set_distances import COLUMNS, set_distances

        network = FAD(model=self.model, sample_rate=self.sample_rate, window=self.window, hop=self.hop)
        table = set_distances(self.run, network, self.separators, self.targets)
        groups = [own.to_numpy().tolist() for _, own in table.groupby("target", sort=False)]
        columns: list[str | Column] = [Column(name, digits=4) if name in ("FAD", "KAD") else name for name in COLUMNS]
        print(Table(f"Sets, by the embeddings of {network.preset}", columns, groups).console(terminal_width()))
        print("FAD, KAD: less is better. Precision, recall, density, coverage: of 5 neighbours, more is better.")
        if self.out is not None:
            _write_csv(table, self.out)
        return 0


class Export(Action):
    """Write a table as CSV, or every track as museval's JSON."""

    run: Path = Shared.run
    table: Literal["tracks", "frames", "costs", "failures"] = param("tracks", doc="Table to write.")
    museval_json: bool = param(False, doc="Write museval's JSON: one folder a separator, one file a track.")
    out: Path = param(short="-o", metavar="PATH", doc="CSV file, or folder for museval's JSON.")

    def execute(self) -> int:
        """Write the files."""
        from mss_bench.api import load

        results = load(self.run)
        if self.museval_json:
            from mss_bench.compat.museval_json import export_run

            print(f"{len(export_run(results.frames, self.out))} files in {self.out}")
            return 0
        table = getattr(results, self.table)
        _write_csv(table, self.out)
        write_atomic(f"{self.out}.provenance.json", (results.path / "run.json").read_bytes())
        print(f"{len(table)} rows in {self.out}")
        return 0


class Merge(Action):
    """Merge runs that were computed separately into one folder."""

    runs: tuple[Path, ...] = param(flag="RUN", metavar="RUN", doc="Run folders.")
    out: Path = param(short="-o", metavar="DIR", doc="Folder of the merged run.")

    def execute(self) -> int:
        """Merge them."""
        from mss_bench.running.merge import merge

        for problem in merge(list(self.runs), self.out):
            print(f"warning: {problem}", file=sys.stderr)
        return _tell(self.out)


class Remove(Action):
    """Remove separators from a run: from its tables, reports and status."""

    run: Path = Shared.run
    separators: tuple[str, ...] = param(
        flag="--separator", short="-s", metavar="LABEL,...",
        doc="Separator as the tables call it, or by its name for all its variants.",
    )  # fmt: skip
    delete: bool = param(
        False,
        doc="Delete their cells and kept estimates, too; otherwise these stay as a cache, so that the command that ran "
        "them brings them back without computing.",
    )

    def execute(self) -> int:
        """Remove them."""
        import pandas as pd

        from mss_bench.report.selection import chosen_separators
        from mss_bench.running.remove import remove
        from mss_bench.running.store import read_plan

        cells = pd.DataFrame(read_plan(self.run)["cells"], columns=["separator", "params"])
        labels = chosen_separators(cells, self.separators)
        n = remove(self.run, labels, delete=self.delete)
        what = "deleted" if self.delete else "on disk as a cache"
        print(f"removed {', '.join(labels)} from {self.run}: {n} cells, {what}")
        return 0


class ImportMuseval(Action):
    """Make a run folder, or a CSV file, from a folder of museval's JSON files."""

    folder: Path = param(flag="DIR", metavar="DIR", doc="<separator>/<subset>/<track>.json, or one separator's folder.")
    frames: bool = param(False, doc="In a CSV file, write every frame instead of the median of each track.")
    oracles: tuple[str, ...] = param(
        (),
        flag="--oracle",
        metavar="NAME,...",
        doc="Methods that saw the references; files do not say so (default: none).",
    )
    dataset: str = param("museval", metavar="NAME", doc="Name of the data set, for reports.")
    out: Path = param(
        short="-o", metavar="PATH", doc="CSV file, if it ends in .csv; else a run folder, for reports and boards."
    )

    def execute(self) -> int:
        """Write the tables."""
        from mss_bench.compat.museval_json import read_folder, track_medians
        from mss_bench.compat.museval_run import write_run
        from mss_bench.errors import ConfigError
        from mss_bench.running.provenance import provenance

        as_csv = self.out.suffix.lower() == ".csv"
        if as_csv and (self.oracles or self.dataset != "museval"):
            raise ConfigError(f"--oracle and --dataset are for a run folder; {self.out} is a CSV file")
        if self.frames and not as_csv:
            raise ConfigError(f"--frames is for a CSV file; a run folder has every frame anyway, and {self.out} is one")
        scores = read_folder(self.folder)
        medians = track_medians(*scores)
        if as_csv:
            _write_csv(scores.frames if self.frames else medians, self.out)
        else:
            write_run(self.out, scores, self.dataset, provenance(), self.oracles)
        rows = len(scores.frames if self.frames else medians)
        methods, tracks, targets = medians[["method", "track", "target"]].nunique()
        print(f"{rows} rows in {self.out}: {methods} methods, {tracks} tracks, {targets} targets")
        if len(scores.empty):
            shown = [f"{r.target} of {r.method}, {r.track}" for r in scores.empty.head(5).itertuples()]
            more = f" and {len(scores.empty) - 5} more" if len(scores.empty) > 5 else ""
            print(f"without frames, and so without a value: {'; '.join(shown)}{more}")
        return 0


def _tell(run: Path) -> int:
    """Say that tables were made, and how the run stands; the status is 1 where something failed or is not there."""
    from mss_bench.running.status import run_status

    status = run_status(run)
    counts = [(status.counts.failed, "failed"), (status.counts.missing, "have no result or lack a score")]
    said = "".join(f"; {n} cells {what}" for n, what in counts if n)
    print(f"tables of {run} made anew{said}" + (f"; see: mss-bench status {shlex.quote(str(run))}" if said else ""))
    return 0 if status.whole else 1


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    from mss_bench.core.text import frame_csv
    from mss_bench.errors import RunError

    try:
        path.write_text(frame_csv(table), encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error


class Crate(Action):
    """Describe a run folder for archives: RO-Crate and Zenodo metadata in it."""

    run: Path = Shared.run
    authors: tuple[str, ...] = param((), flag="--author", metavar="NAME", doc="Who made it (default: not named).")
    licence: str = param("CC-BY-4.0", metavar="SPDX", doc="Licence of the numbers, as SPDX names it.")
    title: str = param("", metavar="TEXT", doc="Title (default: the methods and the data set).")

    def execute(self) -> int:
        """Write both files and name them."""
        import hashlib

        from mss_bench.core.text import shortened
        from mss_bench.exports.crate import described
        from mss_bench.running.store import read_info

        info = read_info(self.run)
        kept = [self.run / name for name in ("run.json", "plan.json")]
        kept = [*kept, *self.run.glob("*.parquet"), *self.run.glob("report/**/*")]
        sizes = {}
        for file in sorted(path for path in kept if path.is_file() and not path.is_symlink()):
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            sizes[file.relative_to(self.run).as_posix()] = (file.stat().st_size, digest)
        methods, data = [str(s["label"]) for s in info["separators"]], str(info["dataset"]["name"])
        facts = {"made": str(info["started"])[:10], "licence": self.licence, "authors": self.authors}
        words = f"Scores of each song of {', '.join(methods)} on the data set {data}."
        title = self.title or f"{shortened(methods, 3)} on {data}"
        for name, content in described(title, words, facts, sizes).items():
            print(write_atomic(self.run / name, content))
        return 0


class Hub(Action):
    """Write .eval_results of Hugging Face's Hub: a YAML file for a model's repository."""

    run: Path = Shared.run
    separator: str = param(flag="--separator", short="-s", metavar="LABEL", doc="Method, as tables name it.")
    hub: str = param(flag="--hub-dataset", metavar="OWNER/NAME", doc="Data set on the Hub that is the benchmark.")
    task: str = param(
        "{target}_{metric}", metavar="TEXT", doc="task_id in its eval.yaml, of {target}, {metric} and {preset}."
    )
    source: str = param("", metavar="URL", doc="Page that says where the numbers come from (default: none).")
    notes: str = param("", metavar="TEXT", doc="What else a reader must know (default: metric and preset).")
    metrics: tuple[str, ...] = param((), metavar="NAME,...", doc="Only these metrics (default: all).")
    out: Path = param(Path(), short="-o", metavar="DIR", doc="Folder of the model's repository.")

    def execute(self) -> int:
        """Write .eval_results/<data set>.yaml and name it."""
        from mss_bench.api import load
        from mss_bench.errors import UnknownNameError
        from mss_bench.exports.eval_results import eval_results
        from mss_bench.report.selection import labels

        results = load(self.run)
        table = results.aggregate()
        for kind, name, known in (
            ("separator", self.separator, {*labels(results.tracks)}),
            *(("metric", metric, {*table["metric"]}) for metric in self.metrics),
        ):
            if name not in known:
                raise UnknownNameError(kind, name, known)
        table = table[table["metric"].isin(self.metrics or {*table["metric"]})]
        groups = table["group"].map(table.groupby("group")["target"].nunique())
        table = table.assign(size=groups).sort_values("size", ascending=False, kind="stable")
        table = table.drop_duplicates(["separator", "target", "metric", "preset"])  # of two groups the larger one
        text = eval_results(
            table, self.separator, self.hub, task=self.task, date=str(results.run["started"])[:10], source=self.source,
            notes=self.notes,
        )  # fmt: skip
        print(write_atomic(self.out / ".eval_results" / f"{self.hub.replace('/', '_')}.yaml", text))
        return 0


ACTIONS: dict[str, type[Action]] = {
    "rebuild": Rebuild, "distances": Distances, "export": Export, "merge": Merge, "remove": Remove,
    "crate": Crate, "hub": Hub,
    "import-museval": ImportMuseval,
}  # fmt: skip

configure, execute = verb(ACTIONS)
