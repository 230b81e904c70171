"""What the drummer plays: one-bar patterns of each style, fills and crashes."""

from __future__ import annotations

from mss_bench.datasets.demo.dice import Dice
from mss_bench.datasets.demo.drums import Hit
from mss_bench.datasets.demo.harmony import Grid
from mss_bench.datasets.demo.plan import SongPlan

__all__ = ["drum_part"]

_KITS: dict[str, tuple[dict[str, str], ...]] = {
    "dance": (
        {
            "kick": "X---X---X---X---",
            "clap": "----X-------X---",
            "open hat": "--x---x---x---x-",
            "shaker": "ooooooooooooooox",
        },
        {
            "kick": "X---X---X---X---",
            "snare": "----X-------X--o",
            "closed hat": "x-oxx-oxx-oxx-ox",
            "open hat": "--x---x---x---x-",
        },
    ),
    "pop": (
        {
            "kick": "X-----x-X-x-----",
            "snare": "----X-------X---",
            "closed hat": "x-o-x-o-x-o-x-o-",
        },
        {
            "kick": "X--x----X--x--x-",
            "snare": "----X-------X-o-",
            "closed hat": "x-x-x-x-x-x-x---",
            "open hat": "--------------x-",
        },
    ),
    "ballad": (
        {
            "kick": "X---------x-----",
            "snare": "--------X-------",
            "ride": "x---o---x---o---",
        },
        {
            "kick": "X------x--x-----",
            "snare": "----X-------X---",
            "closed hat": "x-o-x-o-x-o-x-o-",
            "shaker": "o-o-o-o-o-o-o-o-",
        },
    ),
    "rock": (
        {
            "kick": "X---x---X-x-x---",
            "snare": "----X-------X---",
            "open hat": "x---x---x---x---",
        },
        {
            "kick": "X-x---x-X-x-----",
            "snare": "----X-------X--o",
            "closed hat": "x-o-x-o-x-o-x-o-",
        },
    ),
    "groove": (
        {
            "kick": "X--x--X---x--x--",
            "snare": "----X--o-o--X--o",
            "closed hat": "xoxoxoxoxoxoxo--",
            "open hat": "--------------x-",
        },
        {
            "kick": "X-----x--xX-----",
            "snare": "----X--o----X-o-",
            "closed hat": "x-xox-xox-xox-xo",
            "shaker": "--o---o---o---o-",
        },
    ),
    "waltz": (
        {
            "kick": "X-----------",
            "snare": "----x---x---",
            "closed hat": "--o-o-o-o-o-",
        },
        {
            "kick": "X-------x---",
            "snare": "----X-------",
            "ride": "x---x---x-o-",
        },
    ),
}
_VELOCITIES = {"X": 1.0, "x": 0.72, "o": 0.38}
_FILLS = ("s-s-S-hhh-lls-ll", "----s-s-hhhhllll", "--------S-ssS-ss", "----------hhllss")


def drum_part(plan: SongPlan, dice: Dice) -> list[Hit]:
    """Return the beat of the style in order of time, with fills and crashes where it is played by hand."""
    grid = Grid(plan, dice, 0.005)
    bar = 4 * plan.beats
    kit = dice.pick(_KITS[plan.style])
    hits: list[Hit] = []
    for number in range(plan.bars):
        if plan.through_composed:
            kit = dice.pick(_KITS[plan.style])
        fill_from = 16
        if plan.human and plan.beats == 4 and (number + 1) % 4 == 0:
            fill = dice.pick(_FILLS)
            fill_from = len(fill) - len(fill.lstrip("-"))
            hits += _fill(fill, number * bar, grid)
        for drum, pattern in kit.items():
            for step, mark in enumerate(pattern):
                if mark != "-" and (step < fill_from or drum == "kick"):
                    hits.append(Hit(grid.played(number * bar + step), drum, grid.touch(_VELOCITIES[mark])))
        if plan.human and number % 4 == 0 and number:
            hits.append(Hit(grid.at(number * bar), "crash", 0.7))
    hits.append(Hit(grid.at(plan.bars * bar), "kick", 1.0))
    hits.append(Hit(grid.at(plan.bars * bar), "crash", 0.7))
    return sorted(hits, key=lambda hit: (hit.onset, hit.drum))


def _fill(fill: str, first: int, grid: Grid) -> list[Hit]:
    drums = {"s": ("snare", 0.6), "S": ("snare", 1.0), "h": ("high tom", 0.8), "l": ("low tom", 0.85)}
    return [
        Hit(grid.played(first + step), drums[mark][0], grid.touch(drums[mark][1]))
        for step, mark in enumerate(fill)
        if mark != "-"
    ]
