"""The recipe of a run: a run file for others, with the small files that it names and the checksums of large ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mss_bench.core.spec import Spec
from mss_bench.core.tracks import TrackId
from mss_bench.errors import MssBenchError
from mss_bench.running.options import RunOptions

__all__ = ["FILES", "Recipe", "paths_of", "recipe_of"]

FILES = ("plugins", "catalogs", "protocol_files")
"""Options that name files."""

_KEPT = (
    "dataset", "protocols", "map", "fit", "metrics", "subset", "tracks", "max_tracks", "without_errata", "duration",
    "perturbations", "missing_stems", "seed", "repeats",
)  # fmt: skip
_SMALL = 2**20  # bytes of a file that a bundle holds; others are weights


@dataclass
class Recipe:
    """What runs methods again.

    Parameters
    ----------
    options : dict
        Of a run file; paths start at the bundle.
    files : dict of str to bytes
        What it names, by the path in the bundle.
    weights : dict of str to str
        Checksum of what it names and a bundle does not hold.
    absent : list of str
        What is not there any more, or lies in a folder of the submitter's.
    """

    options: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return the run file: values are JSON, which YAML contains."""
        lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in self.options.items()]
        return "# mss-bench reproduce BUNDLE runs this again.\n" + "\n".join(lines) + "\n"


def recipe_of(run: Mapping[str, Any], labels: Sequence[str]) -> Recipe:
    """Return the recipe of some methods of a run.

    Parameters
    ----------
    run : mapping
        ``run.json``.
    labels : sequence of str
        The methods, as tables name them.
    """
    given = run["options"]
    usual = RunOptions().values()
    recipe = Recipe({k: given[k] for k in _KEPT if given.get(k) not in (None, [], usual.get(k))})
    if isinstance(given.get("dataset"), Mapping):  # its folder is the submitter's
        places = ("root", "dir", "file")
        recipe.options["dataset"] = {k: v for k, v in given["dataset"].items() if k not in places}
    for option in FILES:
        if named := [recipe_path for each in given.get(option, ()) if (recipe_path := _place(recipe, Path(each)))]:
            recipe.options[option] = named
    _load_plugins(given)
    facts = [fact for fact in run["separators"] if fact.get("label") in labels]
    if any(fact["name"] == "ensemble" for fact in facts):  # whose members are separators of the run
        facts = list(run["separators"])
    recipe.options["separators"] = [_portable(recipe, fact.get("spec", fact["name"])) for fact in facts]
    return recipe


def paths_of(spec: Spec) -> Iterator[str]:
    """Yield the parameters of a separator that are paths and were given."""
    from mss_bench.separators import separators

    if spec.name in separators:
        declared = getattr(separators.load(separators.canonical(spec.name)), "path_parameters", ())
        yield from (name for name in declared if spec.params.get(name))


def _load_plugins(given: Mapping[str, Any]) -> None:
    from mss_bench.separators import separators

    for plugin in given.get("plugins", ()):
        if Path(plugin).is_file():
            separators.add_file(plugin)


def _portable(recipe: Recipe, written: Any) -> Any:
    """Return a separator whose files are in the bundle, or are named there."""
    spec = Spec.parse(written)
    params = dict(spec.params)
    for name in paths_of(spec):
        path = Path(str(params[name]))
        if path.is_dir():
            recipe.absent.append(f"the folder of {spec.alias or spec.name}, {path.name}")
            params[name] = "estimates"
        elif name in parameters_that_run(spec):
            continue  # a command line, not a path alone
        else:
            params[name] = _place(recipe, path) or path.name
            _beside(recipe, spec, path, str(params[name]))
    portable = Spec(spec.name, params, spec.alias, spec.replicate)
    return portable.plain()


def parameters_that_run(spec: Spec) -> set[str]:
    """Return the parameters of a separator whose value is a program."""
    return {"command", "python"} & {*spec.params}


def _beside(recipe: Recipe, spec: Spec, path: Path, placed: str) -> None:
    """Take what a manifest names: files beside it."""
    from mss_bench.core.spec import build
    from mss_bench.separators import separators

    if not path.is_file() or path.suffix.lower() not in (".yaml", ".yml") or "/" not in placed:
        return
    try:
        separator = build(separators, spec)[0]
        files = separator.files(TrackId("", "", ""))
    except MssBenchError:
        return
    for file in files:
        if file.resolve() != path.resolve() and file.is_relative_to(path.resolve().parent):
            inside = f"{placed.rpartition('/')[0]}/{file.relative_to(path.resolve().parent).as_posix()}"
            _take(recipe, file, inside)


def _place(recipe: Recipe, path: Path) -> str:
    """Take a file into the bundle, or its checksum, and return where it is; empty where it is not there."""
    if not path.is_file():
        recipe.absent.append(str(path.name))
        return ""
    name = f"method/{path.name}"
    number = 2
    while name in recipe.files or name in recipe.weights:
        name, number = f"method/{number}/{path.name}", number + 1
    _take(recipe, path, name)
    return name


def _take(recipe: Recipe, path: Path, name: str) -> None:
    content = path.read_bytes() if path.stat().st_size <= _SMALL else b"\0"
    if b"\0" not in content:  # text: a manifest, a catalog, a plugin
        recipe.files[name] = content
        return
    with path.open("rb") as stream:
        recipe.weights[name] = hashlib.file_digest(stream, "sha256").hexdigest()
