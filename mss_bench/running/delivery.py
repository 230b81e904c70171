"""Decide as which targets a separator's output is scored: names mapped, sums made, and what is left out and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from mss_bench.core.names import known_stem
from mss_bench.core.stem_map import COMPLETE_WITHOUT, MapLine, StemMap
from mss_bench.core.tracks import Stems, Targets, TrackId
from mss_bench.errors import ConfigError
from mss_bench.separators import MappedSeparator, Separator

__all__ = ["Delivery"]


@dataclass(frozen=True)
class Delivery:
    """What a separator will deliver for a track, as it says before it runs.

    Parameters
    ----------
    names : tuple of str
        As the separator calls them.
    stem_map : StemMap
    mapped : tuple of str
        The names after mapping: targets of the data set, and stems that it does not have.
    targets : tuple of str
        Targets that are scored.
    left_out : dict of str to str
        Targets that are delivered and not scored, with the reason.
    notices : tuple of str
        What is not scored, for the user.
    absent : tuple of str
        Stems that the song does not have; sums do without them unless they are delivered.
    doubtful : bool
        Whether the names of stems come from other people's code and the user gave no map, so that
        `examination.misnamed` compares them with the references. Finished estimates are examined before the run.
    """

    names: tuple[str, ...] = ()
    stem_map: StemMap = field(default_factory=StemMap)
    mapped: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    doubtful: bool = False

    @classmethod
    def of(
        cls,
        separator: Separator,
        targets: Targets,
        track: TrackId,
        *,
        given: bool,
        absent: tuple[str, ...] = (),
        name: str = "",
    ) -> Delivery:
        """Ask a separator what it delivers.

        Parameters
        ----------
        separator : Separator
        targets : Targets
            Of the data set.
        track : TrackId
        given : bool
            Whether the user gave its map, for this data set; that of a manifest is meant for any data set.
        absent : tuple of str
            Stems that the song does not have.
        name : str
            What messages call the separator.

        Raises
        ------
        RunError
            The separator has nothing for this track.
        ConfigError
            The map names a target that the data set does not have, or a stem that is not delivered.
        """
        names = separator.delivers(targets, track)
        stem_map = separator.stem_map if given else separator.stem_map.fitting(targets)
        if given:
            try:
                stem_map.check_targets(targets)
                stem_map.check_delivered(names, targets.stems)
            except ConfigError as error:
                raise ConfigError(f"{name or separator.label()}: {error}") from None
        mapped = stem_map.names(names, targets)
        needed = _needed(targets, absent, mapped)
        left_out = {t: why for t, why in needed.left_out(mapped).items() if t not in stem_map.targets}
        scored = tuple(t for t in needed if t not in left_out and needed.sum_of(t, mapped))
        notices = [f"{target} is not scored: {why}" for target, why in left_out.items()]
        used = {part for target in scored for part in needed.sum_of(target, mapped)}
        # Methods of this package declare targets for all kinds of data sets, so an unused one is no loss.
        ours = not isinstance(separator, MappedSeparator)
        offered = targets.beyond(mapped) if ours else mapped
        unused = [name for name in offered if name not in used and name not in left_out]
        if unused and not left_out:
            meant = next((f": {known_stem(n)}={n}" for n in unused if known_stem(n) in targets), "")
            notices.append(
                f"{', '.join(unused)} {'is' if len(unused) == 1 else 'are'} delivered and not scored: no target of the "
                f"data set; a map says what such names mean{meant}"
            )
        by_line: dict[MapLine, list[str]] = {}
        for stem, line in stem_map.unused(names, targets).items():
            by_line.setdefault(line, []).append(stem)
        notices += [
            f"{', '.join(stems)}: not used as delivered, since the map makes {line}" for line, stems in by_line.items()
        ]
        notices += separator.notes(targets, track)
        doubtful = not (ours or separator.needs_track or stem_map.declined)
        return cls(names, stem_map, mapped, scored, left_out, tuple(notices), absent, doubtful)

    def scored(self, estimates: Stems, targets: Targets) -> tuple[Stems, dict[str, str]]:
        """Return the estimates to score, sums included, made of the mapped estimates that were returned.

        Returns
        -------
        scored : dict of str to (channels, samples) float32
        problems : dict of str to str
            Sums that lack a part and would be other targets without it, with the reason.
        """
        lost = [name for name in targets.beyond(self.mapped) if name not in estimates]
        summed = _needed(targets, self.absent, estimates).resolve(estimates)
        problems = {
            target: f"{target} lacks {', '.join(lost)}, which was not returned for this song{COMPLETE_WITHOUT}"
            for target in (self.targets if lost else ())
            if target not in estimates
        }
        return {t: each for t, each in summed.items() if t not in self.left_out and t not in problems}, problems

    def parts(self, target: str, names: Collection[str], targets: Targets) -> tuple[str, ...]:
        """Return the mapped names that sum to a target; none where one of them is missing."""
        complete = target in names or set(targets.beyond(self.mapped)) <= {*names}
        return _needed(targets, self.absent, names).sum_of(target, names) if complete else ()


def _needed(targets: Targets, absent: tuple[str, ...], delivered: Collection[str]) -> Targets:
    """Return the targets without the stems that the song lacks and the method does not deliver."""
    return targets.without([stem for stem in absent if stem not in delivered])
