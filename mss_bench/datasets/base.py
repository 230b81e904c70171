"""The contract of a layout: what an entry of the catalog may hold, and the tracks that follow from it."""

from __future__ import annotations

import copy
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from mss_bench.core.config import plain_name
from mss_bench.core.fit import Fit
from mss_bench.core.listing import as_on_disk
from mss_bench.core.names import EXTENSIONS
from mss_bench.core.parameters import MappingError, Parameterized, RefusedError, located, param
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import TargetGroup, Targets, Track, TrackId
from mss_bench.datasets.selection import count_absent, equipped, lacks, members_of, without
from mss_bench.errors import ConfigError, DatasetError, UnknownNameError

__all__ = ["Dataset"]

if TYPE_CHECKING:  # what `setup` leaves, in one form
    Folders = dict[str, str]
    Names = dict[str, tuple[str, ...]]
    Patterns = dict[str, tuple[str, ...]]
    Derived = Targets
    Groups = tuple[TargetGroup, ...]
    Root = Path | None
else:  # what an entry may hold
    Folders = dict[str, str] | tuple[str, ...]
    Names = dict[str, tuple[str, ...]]
    Patterns = dict[str, tuple[str, ...]] | tuple[str, ...]
    Derived = Groups = dict[str, tuple[str, ...]]
    Root = str | None


class Dataset(Parameterized, ABC):
    """Declare a data set of one layout; nothing on disk is read before `tracks`.

    A subclass is a layout: it has a name (`layout`), finds the tracks of a subset (`find`), and may have parameters of
    its own, which are keys of its entries. After `setup` the attributes are ``root``, a path or None; ``subsets``, a
    mapping of subset to folder, empty where the tracks lie in the root itself; ``stems``, a mapping of stem to the file
    patterns that sum to it; ``targets`` and ``groups``; ``fit``, what is done to files that differ.

    Attributes
    ----------
    name : str
        Name in the catalog.
    root_hint : str
        Why there is no root: which environment variable is not set.
    notices : list of str
        Assumptions that the user should know of.
    left_out : dict of Path to str
        Files that were found and are not used, with the reason.
    """

    layout: ClassVar[str] = ""
    has_root: ClassVar[bool] = True
    """Whether it lies in a folder of the user's."""

    description: str = param("", doc="What it holds.")
    root: Root = param(None, doc="Its folder; may hold ${VARIABLES}, and a relative one starts at the catalog's file.")
    sample_rate: int = param(44100, at_least=1000, at_most=768000, unit="Hz", doc="Rate that every file must have.")
    subsets: Folders = param((), doc="Names of folders, or subset to folder.", expects="names, or a mapping to folders")
    default_subset: str = param("", doc="Subset that is used when none is asked for (default: the first).")
    inner: str = param("", doc="Folder below the root that holds the data; the root may also be that folder itself.")
    members: Names = param(
        {},
        doc="Subset to the names of its tracks, where its folder holds those of another subset, too.",
    )
    lists: dict[str, str] = param(
        {}, doc="Subset to a file below the root that names its tracks: FILE of lines, or a place in JSON or YAML: "
        "FILE#songs[].name.",
    )  # fmt: skip
    complete: bool = param(False, doc="Leave out tracks that lack one of the stems, and say how many.")
    errata: dict[str, str] = param({}, doc="Track to what is known to be wrong with it.")
    stems: Patterns = param(
        doc="Names, or stem to its files, with globs; files are summed (a name alone: NAME.wav, .flac or .mp3).",
        expects="a list of names or a mapping of stem to files",
    )
    map: StemMap = param(
        StemMap(),
        expects="a mapping like {other: [guitar, piano, other]} or {accompaniment: mixture - vocals}",
        doc="What the stems on disk are: other: [guitar, piano, other] is a sum, accompaniment: mixture - vocals a "
        "rest, vocals: lead another name; targets and groups are made of these.",
    )
    mixture: str = param("file", doc="file: mixture.wav, .flac or .mp3; sum: of all stems; or a file pattern.")
    ignore: tuple[str, ...] = param((), doc="Patterns of audio files to ignore, below a track or root.")
    missing_stems: str = param(
        "leave_out",
        choices=("leave_out", "silent", "error"),
        doc="What a track without a stem's files means: leave_out scores the other stems, and counts; silent takes the "
        "stem as silence, which has no ratios but PES, and which estimates are summed and compared with; error refuses "
        "the track.",
    )
    trim: bool = param(False, doc="Cut all files of a song to the shortest where they differ in length.")
    mono: str = param("refuse", choices=("refuse", "double"), doc="double: a file of one channel is made stereo.")
    resample: int | None = param(
        None, at_least=1000, at_most=768000, unit="Hz", doc="Rate that files of any other are resampled to."
    )
    targets: Derived = param({}, doc="Derived targets: the stems that they sum.")
    groups: Groups = param(
        {}, doc="Targets that are scored together; each group holds every stem once (default: one group of all stems)."
    )
    licence: str = param("", doc="Licence of the recordings.")
    citation: str = param("", doc="Publication to cite.")
    homepage: str = param("", doc="Where to get it.")

    @classmethod
    def declared(cls, name: str, entry: Mapping[str, Any], folder: Path = Path()) -> Self:
        """Make a data set of an entry of the catalog.

        Parameters
        ----------
        name : str
        entry : mapping
            Keys without ``layout``.
        folder : Path
            Where a relative root starts.

        Raises
        ------
        MappingError
            Everything that is wrong with the entry, with file and line.
        """
        dataset = cls.from_mapping(entry, f"data set {name!r}")
        dataset.name = name
        if dataset.root is not None:
            dataset.root = folder / dataset.root
        return dataset

    @classmethod
    def label(cls) -> str:
        """Return its name for messages."""
        return f"layout {cls.layout}"

    def setup(self) -> None:
        self.name, self.root_hint, self.notices = self.layout, "", list[str]()
        self.left_out: dict[Path, str] = {}
        self._found: dict[str, list[Track]] = {}
        self._set_root(self.root)
        given: Any = self.subsets
        self.subsets = dict(given) if isinstance(given, Mapping) else {name: name for name in self._once("subsets")}
        for folder in self.subsets.values():
            self._inside("subsets", folder)
        if "all" in self.subsets:
            self._refuse("subsets", "a subset cannot be called 'all', which stands for every subset")
        self.default_subset = self.default_subset or next(iter(self.subsets), "")
        if self.subsets and self.default_subset not in self.subsets:
            self._refuse("default_subset", str(UnknownNameError("subset", self.default_subset, self.subsets)))
        for key, named in (("members", self.members), ("lists", self.lists)):
            for subset in named:
                if subset not in self.subsets:
                    self._refuse(key, str(UnknownNameError(f"subset in {key}", subset, self.subsets)), subset)
        for subset, file in self.lists.items():
            self._inside("lists", file.partition("#")[0], subset)
        self._inside("inner", self.inner)
        self.sample_rate = self.resample or self.sample_rate
        self.fit = Fit(self.trim, self.mono == "double", self.resample is not None)
        if self.mixture not in ("file", "sum"):
            self._inside("mixture", self.mixture)
        for pattern in self.ignore:
            self._inside("ignore", pattern)
        self.set_stems(self.stems, self.targets, self.groups)

    def set_stems(self, stems: Any, targets: Any, groups: Any) -> None:
        """Set the stems, targets and groups, each written as in an entry."""
        self.stems = stems
        self.stems = self._patterns()
        self._check_map()
        self.targets, self.groups = targets, groups
        self.targets = self._targets()
        self.groups = self._groups()

    def fitting(self, allowed: Sequence[str]) -> Self:
        """Return the data set with more allowed of `core.fit.FITS` where files of a song differ."""
        other, fit = copy.copy(self), self.fit
        other.fit = Fit(
            fit.trim or "trim" in allowed, fit.mono, fit.resample or "resample" in allowed, "channels" in allowed
        )
        return other

    @abstractmethod
    def find(self, subset: str) -> list[Track]:
        """Return the tracks of a subset, sorted by name; ``""`` where there are no subsets."""

    def folder(self, subset: str) -> Path:
        """Return the folder of a subset.

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
        return as_on_disk(self._place(self.root) / self.subsets.get(subset, ""))

    def roots(self, subset: str) -> tuple[Path, ...]:
        """Return the folders that hold the tracks of a subset, each below its name where a track has a folder."""
        return (self.folder(subset),)

    def _place(self, root: Path) -> Path:
        """Return the folder of the data: one level below the root, or the root itself."""
        return root / self.inner if self.inner and (root / self.inner).is_dir() else root

    def where(self) -> str:
        """Return where it lies, for messages."""
        if self.root is None:
            return f"{self._written_root} (not set)" if self._written_root else "no root"
        return f"{self.root}{'' if self.root.is_dir() else ' (not there)'}"

    def whole_subsets(self) -> list[str]:
        """Return the subsets that are not a part of another one in the same folder, so that no track occurs twice."""
        whole = {folder for name, folder in self.subsets.items() if name not in self.members}
        return [name for name, folder in self.subsets.items() if name not in self.members or folder not in whole]

    def present_subsets(self) -> list[str]:
        """Return the subsets on disk, without parts of others."""
        return [s for s in self.whole_subsets() if self._is_there(s)]

    def _is_there(self, subset: str) -> bool:
        return self.folder(subset).is_dir() and (subset not in self.lists or self.list_file(subset).is_file())

    def list_file(self, subset: str) -> Path:
        """Return the file that names the tracks of a subset; it lies beside the folder of the data."""
        name, root = self.lists[subset].partition("#")[0], self.root or Path()
        beside = root.parent if self.inner and root.name == self.inner and not (root / name).is_file() else root
        return beside / name

    def subset_names(self, subset: str | None = None) -> list[str]:
        """Return the subsets to use: the given one, ``"all"``, or the default.

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
            return self.whole_subsets()
        if subset is not None:
            if subset not in self.subsets:
                raise UnknownNameError(f"subset of {self.name}", subset, [*self.subsets, "all"])
            return [subset]
        if self.root is not None and not self._is_there(self.default_subset) and (there := self.present_subsets()):
            self.notices.append(
                f"data set {self.name}: the default subset {self.default_subset!r} is not in {self.root}; "
                f"using {there[0]!r}"
            )
            return [there[0]]
        return [self.default_subset]

    def tracks(
        self,
        subset: str | None = None,
        names: Sequence[str] | None = None,
        max_tracks: int | None = None,
        duration: float | None = None,
        *,
        without_errata: bool = False,
    ) -> list[Track]:
        """Return the tracks, sorted by name within each subset.

        Tracks left out by `complete` or `without_errata` are named in `notices`.

        Parameters
        ----------
        subset : str, optional
            A subset, ``"all"``, or the default.
        names : sequence of str, optional
            Only these.
        max_tracks : int, optional
            At most so many, from the first on.
        duration : float, optional
            Only the first seconds of each.
        without_errata : bool
            Leave out tracks with a known erratum.

        Raises
        ------
        DatasetError
            No root, a missing folder, no tracks.
        UnknownNameError
            A name or subset that does not exist.
        """
        self._found = {part: self.find(part) for part in self.subset_names(subset)}
        tracks = [track for part, found in self._found.items() for track in members_of(self, part, found)]
        if not tracks:
            nothing = f"data set {self.name!r} has no tracks in {self.root}; expected one folder a track"
            raise DatasetError("\n".join([nothing, *self.notices]))
        if names:
            known = {t.name for t in tracks}
            for name in names:
                if name not in known:
                    raise UnknownNameError(f"track of {self.name}", name, known)
            tracks = [t for t in tracks if t.name in set(names)]
        tracks = [equipped(self, track) for track in tracks]
        if self.complete:
            tracks = without(self, tracks, lacks, "that lack a stem", "complete=false keeps them")
        else:
            count_absent(self, tracks)
        if without_errata:
            tracks = without(self, tracks, lambda track: track.erratum, "with errata")
        tracks = tracks[:max_tracks]
        return [t.excerpt(duration) for t in tracks] if duration is not None else tracks

    def found(self, subset: str) -> list[Track]:
        """Return what `find` does; what `tracks` has just found is not searched for again."""
        return self._found.pop(subset, None) or self.find(subset)

    def every_track(self, asked: Sequence[Track]) -> list[TrackId]:
        """Return every track of the subsets on disk, so that an estimate of a track not asked for is no stray file.

        Where a subset is a part of another, a track that was asked for occurs once.
        """
        subsets = list(self.subsets) if self.root is None else self.present_subsets()
        there = {tuple(track.files()) for track in asked}
        others = [track for subset in subsets or [""] for track in self.find(subset)]
        return [t.id for t in [*asked, *(t for t in others if tuple(t.files()) not in there)]]

    def _set_root(self, root: Any) -> None:
        """Set the root, with environment variables put in."""
        self._written_root = root
        # A catalog lists data sets that most users do not have: an unset variable is an error only when one is used.
        unset = [v for v in re.findall(r"\$\{(\w+)\}", root or "") if not os.environ.get(v)]
        if unset:
            self.root_hint = f"its root is {root} and the environment variable {unset[0]} is not set"
        expanded = re.sub(r"\$\{(\w+)\}", lambda m: os.environ.get(m[1], ""), root or "")
        self.root = Path(expanded).expanduser() if root and not unset else None

    def _patterns(self) -> dict[str, tuple[str, ...]]:
        given: Any = self.stems
        stems = (
            dict(given)
            if isinstance(given, Mapping)
            else {s: tuple(f"{s}{extension}" for extension in EXTENSIONS) for s in self._once("stems")}
        )
        if not stems:
            self._refuse("stems", "no stems; expected a list of names or a mapping of stem to files")
        for stem in stems:
            if re.search(r"[/\\:,=]", stem) or stem.startswith(".") or stem == "mixture":
                self._refuse("stems", f"{stem!r} cannot name a stem (no / \\ : , = or leading dot, and not 'mixture')")
        for stem, patterns in stems.items():
            if not patterns:
                self._refuse("stems", f"stem {stem!r} names no file", stem)
            for pattern in patterns:
                self._inside("stems", pattern, stem)
        return dict(stems)

    def _check_map(self) -> None:
        """Refuse a map that names unknown stems, or whose stems would overlap."""
        try:
            self.map.check_delivered(tuple(self.stems))
        except ConfigError as error:
            self._refuse("map", str(error))
        for line in self.map.lines:
            others = [name for name in self.map.names(self.stems) if name != line.target]
            if line.rest and self.mixture == "sum":
                self._refuse("map", f"{line}: a rest needs a file of the mixture, and mixture is 'sum'")
            if line.rest and (apart := [name for name in others if name not in line.parts]):
                self._refuse(
                    "map", f"{line}: {', '.join(apart)} would be in {line.target} as well; subtract every other stem"
                )

    def _targets(self) -> Targets:
        stems = self.map.names(self.stems)
        for target, parts in self.targets.items():
            try:
                plain_name(target, "target")
                Targets(stems, {target: parts})
            except (ConfigError, DatasetError) as error:
                self._refuse("targets", str(error), target)
        return Targets(stems, self.targets)

    def _groups(self) -> tuple[TargetGroup, ...]:
        stems = self.targets.stems
        declared: Any = self.groups
        for name, members in declared.items():
            try:
                plain_name(name, "group")
            except ConfigError as error:
                self._refuse("groups", str(error), name)
            for target in members:
                if target not in self.targets:
                    message = str(UnknownNameError(f"target in group {name!r}", target, self.targets))
                    self._refuse("groups", message, name)
            parts = sorted(stem for target in members for stem in self.targets[target])
            if parts != sorted(stems):
                message = f"group {name!r} sums {parts}; expected every stem exactly once: {sorted(stems)}"
                self._refuse("groups", message, name)
        groups = tuple(TargetGroup(name, members) for name, members in declared.items())
        return groups or (TargetGroup(f"{len(stems)}stem", stems),)

    def _once(self, key: str) -> tuple[str, ...]:
        """Return a list of names, none of which may occur twice."""
        names: tuple[str, ...] = getattr(self, key)
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            self._refuse(key, f"{key} names {twice!r} twice")
        return names

    def _inside(self, key: str, pattern: str, name: str = "") -> None:
        path = PurePosixPath(pattern)
        if path.is_absolute() or ".." in path.parts or "\\" in pattern:
            message = f"{name or key}: {pattern!r} leaves the track's folder; expected a relative path without '..'"
            self._refuse(key, message, name)

    def _refuse(self, key: str, message: str, name: str = "") -> NoReturn:
        """Refuse a key, at the line of a name in the mapping that it holds."""
        value = getattr(self, key)
        if name and hasattr(value, "lines"):
            raise MappingError([located(value, name, message)])
        raise RefusedError(key, message)
