"""The catalog: entries of ``datasets.yaml`` made into data sets, strictly."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from mss_bench.core.config import ConfigMap, load_yaml, plain_name
from mss_bench.core.tracks import TargetGroup, Targets, Track
from mss_bench.errors import ConfigError, DatasetError, UnknownNameError
from mss_bench.registry import resolve

__all__ = ["LAYOUTS", "Dataset", "default_file", "get", "load_catalog"]

LAYOUTS: dict[str, str] = {
    "musdb18hq": "mss_bench.datasets.stems:find_musdb18hq",
    "musdb18": "mss_bench.datasets.musdb18:find_tracks",
    "dsd100": "mss_bench.datasets.stems:find_dsd100",
    "stems": "mss_bench.datasets.stems:find_tracks",
    "demo": "mss_bench.datasets.songs:find_tracks",
    "references": "mss_bench.datasets.stems:find_references",
}
"""Layout name to the function ``(dataset, subset) -> list of Track``."""

_KEYS = {
    "description", "layout", "root", "sample_rate", "subsets", "default_subset", "stems", "mixture", "missing_stems",
    "targets", "groups", "licence", "citation", "homepage", "n_songs", "variant",
}  # fmt: skip


@dataclass(frozen=True)
class Dataset:
    """A data set as declared; nothing on disk is looked at before `tracks`.

    Parameters
    ----------
    name, layout : str
    sample_rate : int
        Hz; a file of another rate is an error.
    subsets : dict of str to str
        Subset to folder. Empty: the tracks lie in the root itself, subset ``""``.
    default_subset : str
    stems : dict of str to tuple of str
        Stem to the file patterns, relative to the track's folder, that sum to it.
    targets : Targets
    groups : tuple of TargetGroup
    root : Path, optional
        None where an environment variable of the declared root is not set; `root_hint` says which.
    mixture : str
        ``"file"``, ``"sum"`` or a file pattern.
    missing_stems : {"error", "silent"}
    n_songs, variant : int, str
        Of the demo only.
    """

    name: str
    layout: str
    sample_rate: int
    subsets: dict[str, str]
    default_subset: str
    stems: dict[str, tuple[str, ...]]
    targets: Targets
    groups: tuple[TargetGroup, ...]
    root: Path | None = None
    root_hint: str = ""
    mixture: str = "file"
    missing_stems: str = "error"
    description: str = ""
    licence: str = ""
    citation: str = ""
    homepage: str = ""
    n_songs: int = 6
    variant: str = "default"
    notices: list[str] = field(default_factory=list, compare=False)

    def with_root(self, root: str | Path) -> Dataset:
        """The same data set in another folder."""
        return replace(self, root=Path(root), root_hint="")

    def subset_names(self, subset: str | None = None) -> list[str]:
        """The subsets to use: the given one, ``"all"``, or the default.

        Where the default subset is not on disk but another one is, that is used and `notices` says so.

        Raises
        ------
        UnknownNameError
            A subset that the data set does not have.
        """
        if not self.subsets:
            if subset not in (None, "", "all"):
                raise ConfigError(f"data set {self.name!r} has no subsets, got --subset {subset}")
            return [""]
        if subset == "all":
            return list(self.subsets)
        if subset is not None:
            if subset not in self.subsets:
                raise UnknownNameError(f"subset of {self.name}", subset, [*self.subsets, "all"])
            return [subset]
        if self.root is not None and not self.folder(self.default_subset).is_dir():
            there = [s for s in self.subsets if self.folder(s).is_dir()]
            if there:
                self.notices.append(
                    f"data set {self.name}: the default subset {self.default_subset!r} is not in {self.root}; "
                    f"using {there[0]!r}"
                )
                return [there[0]]
        return [self.default_subset]

    def folder(self, subset: str) -> Path:
        """Folder of a subset.

        Raises
        ------
        DatasetError
            Where no root is known.
        """
        if self.root is None:
            raise DatasetError(
                f"data set {self.name!r} has no folder: {self.root_hint or 'its entry gives no root'}; "
                "set the variable or pass --root FOLDER"
            )
        base = self.root / ("Mixtures" if self.layout == "dsd100" else "")
        return base / self.subsets.get(subset, "")

    def tracks(
        self,
        subset: str | None = None,
        names: Sequence[str] | None = None,
        max_tracks: int | None = None,
        duration: float | None = None,
    ) -> list[Track]:
        """The tracks, sorted by name within each subset.

        Parameters
        ----------
        subset : str, optional
            A subset, ``"all"``, or the default.
        names : sequence of str, optional
            Only these.
        max_tracks : int, optional
            Only so many, from the first on.
        duration : float, optional
            Only the first seconds of each.

        Raises
        ------
        DatasetError
            No root, a missing folder, no tracks.
        UnknownNameError
            A name or subset that does not exist.
        """
        found: list[Track] = []
        for part in self.subset_names(subset):
            found += resolve(LAYOUTS[self.layout])(self, part)
        if not found:
            raise DatasetError(f"data set {self.name!r} has no tracks in {self.root}; expected one folder a track")
        if names:
            known = {t.name for t in found}
            for name in names:
                if name not in known:
                    raise UnknownNameError(f"track of {self.name}", name, known)
            found = [t for t in found if t.name in set(names)]
        if max_tracks is not None:
            found = found[:max_tracks]
        return [t.excerpt(duration) for t in found] if duration is not None else found


def default_file() -> Path:
    """The ``datasets.yaml`` that ships with the package (in a checkout, the one at its top)."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "datasets.yaml"
    return shipped if shipped.is_file() else package.parent / "datasets.yaml"


def load_catalog(files: Iterable[str | Path] = ()) -> dict[str, Dataset]:
    """Every data set of the shipped file and of further ones, which add or override.

    Raises
    ------
    ConfigError
        With file and line: unknown or duplicate keys, wrong types, patterns that leave the data set's folder.
    """
    catalog: dict[str, Dataset] = {}
    for file in [default_file(), *files]:
        for name, entry in load_yaml(file).items():
            catalog[name] = _parse(name, entry, file)
    return catalog


def get(name: str, files: Iterable[str | Path] = (), root: str | Path | None = None, **options: int | str) -> Dataset:
    """One data set by name.

    Parameters
    ----------
    name : str
    files : iterable of path
        Further catalogs.
    root : path, optional
        Instead of the declared one.
    **options
        ``n_songs`` and ``variant`` of the demo.

    Raises
    ------
    UnknownNameError
    """
    catalog = load_catalog(files)
    if name not in catalog:
        raise UnknownNameError("data set", name, catalog)
    dataset = catalog[name]
    if root is not None:
        dataset = dataset.with_root(root)
    if options:
        dataset = _with_options(dataset, options)
    return dataset


def _with_options(dataset: Dataset, options: dict[str, int | str]) -> Dataset:
    if dataset.layout != "demo":
        raise ConfigError(f"data set {dataset.name!r} takes no options, got {', '.join(options)}")
    from mss_bench.datasets.demo import stems_of

    for key in options:
        if key not in ("n_songs", "variant"):
            raise UnknownNameError(f"option of data set {dataset.name}", key, ["n_songs", "variant"])
    n_songs, variant = options.get("n_songs", dataset.n_songs), str(options.get("variant", dataset.variant))
    if not isinstance(n_songs, int) or n_songs < 1:
        raise ConfigError(f"n_songs of data set {dataset.name!r} is {n_songs!r}, expected a whole number from 1 on")
    stems = tuple(stems_of(variant))
    if stems == dataset.targets.stems:
        return replace(dataset, n_songs=n_songs, variant=variant)
    return replace(
        dataset,
        n_songs=n_songs,
        variant=variant,
        stems={s: (f"{s}.wav",) for s in stems},
        targets=Targets(stems),
        groups=(TargetGroup(f"{len(stems)}stem", stems),),
    )


def _parse(name: str, entry: object, file: str | Path) -> Dataset:
    if not isinstance(entry, ConfigMap):
        raise ConfigError(f"{file}: data set {name!r} is {entry!r}, expected a mapping (layout, root, stems, ...)")
    entry.only(_KEYS, f"data set {name!r}")
    for what, names in (("data set", [name]), ("target", entry.get("targets")), ("group", entry.get("groups"))):
        for each in names or ():
            try:
                plain_name(str(each), what)
            except ConfigError as error:
                entry.fail(str(error))
    layout = entry.typed("layout", str, "a layout's name")
    if layout not in LAYOUTS:
        if layout is None:
            entry.fail(f"data set {name!r} has no layout; expected one of {', '.join(LAYOUTS)}")
        entry.fail(str(UnknownNameError("layout", layout, LAYOUTS)), "layout")
    if layout != "demo" and ("n_songs" in entry or "variant" in entry):
        entry.fail("n_songs and variant belong to the layout demo", "n_songs" if "n_songs" in entry else "variant")
    stems = _stems(entry)
    subsets = _subsets(entry)
    default = entry.typed("default_subset", str, "a subset's name", next(iter(subsets), ""))
    if subsets and default not in subsets:
        entry.fail(str(UnknownNameError("subset", default, subsets)), "default_subset")
    targets = _targets(entry, tuple(stems))
    mixture = entry.typed("mixture", str, "file, sum or a file pattern", "file")
    if mixture not in ("file", "sum"):
        _inside(entry, "mixture", mixture)
    missing = entry.typed("missing_stems", str, "error or silent", "error")
    if missing not in ("error", "silent"):
        entry.fail(f"missing_stems is {missing!r}, expected error or silent", "missing_stems")
    rate = entry.typed("sample_rate", int, "a rate in Hz", 44100)
    if not 1000 <= rate <= 768000:
        entry.fail(f"sample_rate is {rate}, expected Hz between 1000 and 768000", "sample_rate")
    root, hint = _root(entry, file)
    return Dataset(
        name=name, layout=layout, sample_rate=rate, subsets=subsets, default_subset=default, stems=stems,
        targets=targets, groups=_groups(entry, targets), root=root, root_hint=hint, mixture=mixture,
        missing_stems=missing, n_songs=entry.typed("n_songs", int, "a number of songs", 6),
        variant=entry.typed("variant", str, "a variant's name", "default"),
        **{key: entry.typed(key, str, "text", "") for key in ("description", "licence", "citation", "homepage")},
    )  # fmt: skip


def _root(entry: ConfigMap, file: str | Path) -> tuple[Path | None, str]:
    text = entry.typed("root", str, "a folder")
    if text is None:
        return None, ""
    missing = [v for v in re.findall(r"\$\{(\w+)\}", text) if not os.environ.get(v)]
    if missing:
        return None, f"its root is {text} and the environment variable {missing[0]} is not set"
    path = Path(re.sub(r"\$\{(\w+)\}", lambda m: os.environ[m[1]], text)).expanduser()
    return (path if path.is_absolute() else Path(file).resolve().parent / path), ""


def _stems(entry: ConfigMap) -> dict[str, tuple[str, ...]]:
    declared = entry.get("stems")
    if isinstance(declared, ConfigMap):
        stems = {stem: declared.names(stem) for stem in declared}
        for stem, patterns in stems.items():
            if not patterns:
                declared.fail(f"stem {stem!r} names no file", stem)
            for pattern in patterns:
                _inside(declared, stem, pattern)
    else:
        stems = {stem: (f"{stem}.wav", f"{stem}.flac") for stem in entry.names("stems")}
    if not stems:
        entry.fail("no stems; expected a list of names or a mapping of stem to files", "stems")
    for stem in stems:
        if re.search(r"[/\\:,=]", stem) or stem.startswith(".") or stem == "mixture":
            entry.fail(f"{stem!r} cannot name a stem (no / \\ : , = or leading dot, and not 'mixture')", "stems")
    return stems


def _inside(entry: ConfigMap, key: str, pattern: str) -> None:
    path = PurePosixPath(pattern)
    if path.is_absolute() or ".." in path.parts or "\\" in pattern:
        entry.fail(f"{key}: {pattern!r} leaves the track's folder; expected a relative path without '..'", key)


def _subsets(entry: ConfigMap) -> dict[str, str]:
    declared = entry.get("subsets")
    if isinstance(declared, ConfigMap):
        subsets = {s: declared.typed(s, str, "a folder") for s in declared}
    else:
        subsets = {s: s for s in entry.names("subsets")}
    for subset, folder in subsets.items():
        _inside(entry, "subsets", folder)
        if subset == "all":
            entry.fail("a subset cannot be called 'all', which stands for every subset", "subsets")
    return subsets


def _targets(entry: ConfigMap, stems: tuple[str, ...]) -> Targets:
    declared = entry.get("targets")
    if declared is None:
        return Targets(stems)
    if not isinstance(declared, ConfigMap):
        entry.fail(f"targets is {declared!r}, expected a mapping of derived target to stems", "targets")
    for target in declared:
        try:
            Targets(stems, {target: declared.names(target)})
        except DatasetError as error:
            declared.fail(str(error), target)
    return Targets(stems, {t: declared.names(t) for t in declared})


def _groups(entry: ConfigMap, targets: Targets) -> tuple[TargetGroup, ...]:
    declared = entry.get("groups")
    if declared is None:
        return (TargetGroup(f"{len(targets.stems)}stem", targets.stems),)
    if not isinstance(declared, ConfigMap) or not declared:
        entry.fail(f"groups is {declared!r}, expected a mapping of group to targets", "groups")
    groups = []
    for name in declared:
        members = declared.names(name)
        for target in members:
            if target not in targets:
                declared.fail(str(UnknownNameError(f"target in group {name!r}", target, targets)), name)
        parts = [stem for target in members for stem in targets[target]]
        if sorted(parts) != sorted(targets.stems):
            declared.fail(
                f"group {name!r} sums {sorted(parts)}; expected every stem exactly once: {sorted(targets.stems)}", name
            )
        groups.append(TargetGroup(name, members))
    return tuple(groups)
