"""``mss-bench init``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from mss_bench.cli.options import Action, verb
from mss_bench.core.parameters import param
from mss_bench.errors import ConfigError

__all__ = ["configure", "execute"]


class Init(Action):
    """Write a run file for the songs in a folder, with every option and what it does as a comment."""

    folder: Path = param(flag="FOLDER", metavar="FOLDER", doc="Songs with their stems, each in a folder of its own.")
    dataset: str | None = param(
        None,
        metavar="NAME",
        doc="Data set of the catalog that it holds (default: MUSDB18-HQ by its folders, else any).",
    )
    out: Path = param(
        Path("run.yaml"), short="-o", metavar="FILE", doc="The run file; its schema is written beside it."
    )
    overwrite: bool = param(False, doc="Replace a run file that is there.")

    def execute(self) -> int:
        """Look at the songs, write both files and say what to do next."""
        import json

        from mss_bench.core.annotated import annotated_yaml, json_schema
        from mss_bench.core.files import write_atomic
        from mss_bench.running.options import RunOptions

        if self.out.exists() and not self.overwrite:
            raise ConfigError(f"{self.out} exists; choose another with -o, or replace it with --overwrite")
        options = RunOptions(separators=("hpss", "irm"), **self._data())
        dataset = options.open_dataset()
        tracks = dataset.tracks(None)
        schema = self.out.with_suffix(".schema.json")
        write_atomic(schema, json.dumps(json_schema(RunOptions, "Run file of mss-bench"), indent=1) + "\n")
        head = (
            f"# yaml-language-server: $schema={schema.name}\n# mss-bench run --config {shlex.quote(self.out.name)}\n\n"
        )
        write_atomic(self.out, head + annotated_yaml(options))
        groups = "; ".join(f"{group.name}: {', '.join(group.targets)}" for group in dataset.groups)
        print(f"{len(tracks)} song{'s' * (len(tracks) != 1)} in {self.folder}, scored as {groups}")
        print(f"{self.out} runs two methods on them, beside the floor; {schema.name} is for editors. Next:")
        command = f"mss-bench run --config {shlex.quote(str(self.out))}"
        print(f"  {command} --dry-run\n  {command}")
        return 0

    def _data(self) -> dict[str, Any]:
        root = self.folder.expanduser().absolute()
        if self.dataset is not None:
            return {"dataset": self.dataset, "root": root}
        if all((root / subset).is_dir() for subset in ("train", "test")):
            return {"dataset": "musdb18hq", "root": root}
        return {"dataset": {"name": "references", "dir": str(root)}}


configure, execute = verb(Init)
