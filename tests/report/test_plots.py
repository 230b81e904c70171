from __future__ import annotations

import io
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.report import plots
from mss_bench.report.blocks import blocks
from mss_bench.report.style import COLUMN_WIDTH, looks, printable, styled
from mss_bench.stats.aggregate import aggregate
from mss_bench.stats.matrix import ScoreMatrix, score_matrix
from mss_bench.stats.verdicts import family

GROUP = {"group": "4stem"}


def many(run_tables, count: int) -> pd.DataFrame:
    """The floor and many methods with names of growing length."""
    tracks = run_tables.tracks
    floor = tracks[tracks["separator"] == "mixture"]
    names = [f"method_{i}:" + "option=value," * (i % 9) for i in range(count)]
    noise = [np.random.default_rng(i).normal(size=len(floor)) for i in range(count)]
    made = [floor.assign(separator=n, value=floor["value"] + i + noise[i]) for i, n in enumerate(names)]
    return pd.concat([floor, *made], ignore_index=True)


def sdr(tracks: pd.DataFrame, target: str = "vocals") -> ScoreMatrix:
    return score_matrix(tracks, "SDR", target, where=GROUP)


def settled(figure: Figure) -> RendererAgg:
    """The renderer of the figure's pixels, once its layout is settled."""
    canvas = FigureCanvasAgg(figure)
    with styled():
        canvas.draw()
    return canvas.get_renderer()


def frames_of(count: int) -> pd.DataFrame:
    """Two minutes of frames of so many methods, some silent, one without distortion."""
    rng = np.random.default_rng(0)
    parts = []
    for i in range(count):
        values = rng.normal(i, 2, 120)
        values[20:30] = np.nan
        values[40] = np.inf
        parts.append(pd.DataFrame({"time": np.arange(120.0), "duration": 1.0, "value": values, "params": "a=1," * i,
                                   "separator": "mixture" if i == 0 else f"method_{i}"}))  # fmt: skip
    return pd.concat(parts).assign(dataset="d", subset="test", track="Song", group="4stem", target="vocals",
                                   metric="SDR", preset="v4")  # fmt: skip


TARGETS = ("vocals", "drums", "bass", "other")
PAGE, COLUMN = plots.Layout(), plots.Layout(COLUMN_WIDTH, title=False, note="Run not finished: 7 of 8 cells are done.")

DRAWN = {
    "box": lambda tracks, costs, how=PAGE: plots.box_plot(sdr(tracks), layout=how),
    "boxes": lambda tracks, costs, how=PAGE: plots.box_plot([sdr(tracks, t) for t in TARGETS], layout=how),
    "violin": lambda tracks, costs, how=PAGE: plots.box_plot(sdr(tracks), shape="violin", layout=how),
    "cd": lambda tracks, costs, how=PAGE: plots.critical_difference_plot(sdr(tracks), layout=how),
    "nemenyi": lambda tracks, costs, how=PAGE: plots.critical_difference_plot(sdr(tracks), test="nemenyi", layout=how),
    "pairs": lambda tracks, costs, how=PAGE: plots.significance_plot(sdr(tracks), layout=how),
    "heat": lambda tracks, costs, how=PAGE: plots.heat_map(sdr(tracks), layout=how),
    "scatter": lambda tracks, costs, how=PAGE: plots.scatter_plot(
        score_matrix(tracks, "SAR", "vocals", where=GROUP), sdr(tracks), layout=how
    ),
    "cost": lambda tracks, costs, how=PAGE: plots.cost_plot(blocks(aggregate(tracks))[0], costs, layout=how),
    "silence": lambda tracks, costs, how=PAGE: plots.silence_plot(
        tracks[(tracks["metric"] == "SDR") & (tracks["group"] == "4stem")], layout=how
    ),
    "frames": lambda tracks, costs, how=PAGE: plots.frame_plot(frames_of(tracks["separator"].nunique()), layout=how),
}


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize(("count", "layout"), [(2, PAGE), (30, PAGE), (12, COLUMN)])
def test_nothing_is_cut_off_whatever_the_names(run_tables, kind, count, layout) -> None:
    tracks = many(run_tables, count)
    tracks["n_valid"] -= np.random.default_rng(0).integers(0, 5, len(tracks))
    pairs = tracks[["separator", "track"]].drop_duplicates()
    rng = np.random.default_rng(1)
    costs = pairs.assign(dataset="demo", subset="test", params="", audio_seconds=10.0,
                         separate_seconds=rng.uniform(0.01, 100, len(pairs)))  # fmt: skip
    figure = DRAWN[kind](tracks, costs, layout)
    renderer = settled(figure)
    drawn = figure.get_tightbbox(renderer)  # inches
    assert drawn.x0 >= -0.01
    assert drawn.y0 >= -0.01
    assert drawn.x1 <= figure.get_figwidth() + 0.01
    assert drawn.y1 <= figure.get_figheight() + 0.01


@pytest.mark.parametrize("kind", ["box", "boxes", "heat", "pairs"])
@pytest.mark.parametrize(("count", "layout"), [(2, PAGE), (10, PAGE), (40, PAGE), (12, COLUMN)])
def test_names_do_not_overlap(run_tables, kind, count, layout) -> None:
    figure = DRAWN[kind](many(run_tables, count), None, layout)
    renderer = settled(figure)
    labels = [label.get_window_extent(renderer) for label in figure.axes[0].get_yticklabels()]
    labels.sort(key=lambda box: -box.y0)
    assert len(labels) == count + (kind != "pairs")  # in which the floor has no place
    for upper, lower in pairwise(labels):
        assert upper.y0 >= lower.y1 - 1.5


@pytest.mark.parametrize("count", [2, 30])
def test_names_of_a_critical_difference_diagram_do_not_overlap(run_tables, count) -> None:
    figure = DRAWN["cd"](many(run_tables, count), None)
    renderer = settled(figure)
    texts = [t for t in figure.axes[0].texts if "(" in t.get_text() and "In brackets" not in t.get_text()]
    names = [t.get_window_extent(renderer) for t in texts]
    assert len(names) == count  # without the floor
    for side in (lambda box: box.x1 < figure.bbox.x1 / 2, lambda box: box.x0 > figure.bbox.x1 / 2):
        boxes = sorted(filter(side, names), key=lambda box: -box.y0)
        assert all(upper.y0 >= lower.y1 - 1.5 for upper, lower in pairwise(boxes))


def test_methods_are_sorted_by_median_and_oracles_and_floor_are_named(run_tables) -> None:
    tracks = run_tables.tracks
    figure = plots.box_plot(sdr(tracks, "drums"))
    labels = ["".join(t.get_text().split("\n")) for t in figure.axes[0].get_yticklabels()]
    positions = figure.axes[0].get_yticks()
    assert list(positions) == sorted(positions, reverse=True)
    assert labels[0] == "oracle_irm:exponent=2 (oracle)"
    assert labels[1].endswith("(1× ∞)")
    assert labels[2] == "repet_sim (floor for 1 of 6)"
    assert labels[3] == "mixture (floor)"
    hatches = [patch.get_hatch() for patch in figure.axes[0].patches]
    assert hatches == ["////", "", "", "...."]


def test_far_values_leave_the_boxes_readable_and_are_told(run_tables) -> None:
    tracks = run_tables.tracks.copy()
    chosen = (tracks["separator"] == "oracle_irm") & (tracks["track"] == "Song 0") & (tracks["metric"] == "SDR")
    tracks.loc[chosen, "value"] = -400.0
    figure = plots.box_plot(sdr(tracks, "bass"))
    assert figure.axes[0].get_xlim()[0] > -40
    assert "1 value beyond the axis, from −400.0 to −400.0" in figure.axes[0].get_xlabel()


def test_a_method_of_infinite_values_alone_is_named(run_tables) -> None:
    tracks = run_tables.tracks.copy()
    tracks.loc[tracks["separator"] == "repet_sim", ["value", "status"]] = [math.inf, "ok"]
    figure = plots.box_plot(sdr(tracks, "bass"))
    assert plots.save(figure, "png")
    assert figure.axes[0].get_yticklabels()[0].get_text() == "repet_sim (6× ∞)"


def test_nothing_to_draw_is_an_error_that_says_so(run_tables) -> None:
    tracks = run_tables.tracks[run_tables.tracks["separator"] == "broken"]
    block = blocks(aggregate(tracks))[0]
    for draw in (plots.box_plot, plots.heat_map):
        with pytest.raises(RunError, match="nothing to draw for SDR of demo, test, 4stem, drums"):
            draw(sdr(tracks, "drums"))
    with pytest.raises(RunError, match="nothing to draw for quality against cost"):
        plots.cost_plot(block, run_tables.costs)


def test_cost_plot_has_a_point_and_a_name_for_every_complete_method(run_tables) -> None:
    figure = plots.cost_plot(blocks(aggregate(run_tables.tracks))[2], run_tables.costs)
    renderer = settled(figure)
    axes = figure.axes[0]
    points = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert len(points) == len(axes.texts) == 4
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert all(box.x1 <= figure.bbox.x1 + 1 for box in boxes)


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_numbers_give_the_same_file(run_tables, kind) -> None:
    first, second = (plots.save(plots.box_plot(sdr(run_tables.tracks)), kind) for _ in range(2))
    assert first == second
    assert first[:4] in (b"\x89PNG", b"%PDF", b"<?xm")


def test_png_is_sharp_enough_for_print(run_tables) -> None:
    from PIL import Image

    tracks = run_tables.tracks
    figure = plots.box_plot(sdr(tracks))
    with Image.open(io.BytesIO(plots.save(figure, "png"))) as image:
        assert image.width >= 1000


def test_unknown_format_is_refused(run_tables) -> None:
    tracks = run_tables.tracks
    figure = plots.box_plot(sdr(tracks))
    with pytest.raises(UnknownNameError, match="unknown figure format 'gif'"):
        plots.save(figure, "gif")


def test_matplotlib_settings_of_the_caller_are_left_alone(run_tables) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.box_plot(sdr(run_tables.tracks))
    assert dict(mpl.rcParams) == before


def test_characters_that_the_font_lacks_become_boxes() -> None:
    assert printable("a\n∞ 日") == "a ∞ □"


def test_a_method_keeps_its_look_and_neighbours_differ() -> None:
    names = [f"method_{i}" for i in range(31)]
    found = looks([*names, "mixture"])
    assert looks(reversed([*names, "mixture"])) == found
    assert len({(look.colour, look.marker) for look in found.values()}) == 32
    few = looks(names[:6])
    assert len({look.colour for look in few.values()}) == 6
    alone = {name: looks([name])[name].colour for name in names}
    kept = [name for name in names[:6] if few[name].colour == alone[name]]
    assert len(kept) >= 3


def test_colours_survive_the_palette_of_a_png(run_tables) -> None:
    from PIL import Image

    scores = sdr(run_tables.tracks)
    chosen = looks(scores.values.columns)
    figure = plots.box_plot(scores, layout=plots.Layout(look=chosen))
    with Image.open(io.BytesIO(plots.save(figure, "png"))) as image:
        there = np.array([colour for _, colour in image.convert("RGB").getcolors(1 << 20)])
    for look in chosen.values():
        wanted = [int(look.colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(there - wanted).max(axis=1).min() <= 8


def test_lines_of_a_critical_difference_diagram_join_what_is_not_told_apart(vocals_scores) -> None:
    figure = plots.critical_difference_plot(vocals_scores)
    names = {t.get_text().split(" (")[0] for t in figure.axes[0].texts}
    assert {"TAU1", "HPLP"} <= names
    lines = [line for line in figure.axes[0].lines if line.get_marker() == "o" and line.get_linestyle() == "-"]
    joined = sorted(len(line.get_xdata()) for line in lines)
    # Not every run of neighbours: methods that are told apart lie between some that are not.
    assert joined == sorted(len(group) for group in family(vocals_scores).cliques if len(group) > 1)
    assert len(joined) > 10


def test_too_few_songs_are_said_where_nothing_can_be_told_apart(vocals_scores) -> None:
    few = replace(vocals_scores, values=vocals_scores.values[:10], imputed=vocals_scores.imputed[:10])
    said = "With 10 songs no pair of 25 methods can be told apart (it takes 14)."
    ranks, pairs = plots.critical_difference_plot(few), plots.significance_plot(few)
    assert any(said in " ".join(text.get_text().split()) for text in ranks.axes[0].texts)
    assert not [line for line in ranks.axes[0].lines if line.get_marker() == "o" and line.get_linestyle() == "-"]
    assert said in " ".join(pairs.legends[0].get_title().get_text().split())


def test_the_axis_of_a_scatter_plot_tells_the_correlation(run_tables) -> None:
    scores = sdr(run_tables.tracks)
    figure = plots.scatter_plot(scores, scores)
    assert "ρ: 1.00 over methods, 1.00 within a song" in figure.axes[0].get_xlabel()


def test_the_pareto_front_leaves_out_what_is_slower_and_worse(run_tables) -> None:
    tracks = many(run_tables, 3)
    block = blocks(aggregate(tracks))[0]
    quality = {row.separator: row.mean["value"] for row in block.rows}
    order = sorted((n for n in quality if n != "mixture"), key=quality.get)
    seconds = dict(zip(order, (1.0, 5.0, 2.0), strict=True)) | {"mixture": 0.1}  # the second is slower than the best
    costs = pd.DataFrame([{"dataset": "demo", "subset": "test", "separator": n, "params": "", "audio_seconds": 1.0,
                           "separate_seconds": s} for n, s in seconds.items()])  # fmt: skip
    front = next(line for line in plots.cost_plot(block, costs).axes[0].lines if len(line.get_xdata()) > 1)
    assert list(front.get_xdata()) == [1.0, 2.0]


def test_silent_tracks_and_methods_are_counted(run_tables) -> None:
    tracks = run_tables.tracks[(run_tables.tracks["metric"] == "SDR") & (run_tables.tracks["group"] == "4stem")].copy()
    tracks.loc[(tracks["track"] == "Song 3") & (tracks["target"] == "vocals"), "n_valid"] = 0
    tracks.loc[tracks["separator"] == "oracle_irm", "n_valid"] -= tracks["n_valid"].clip(upper=1)
    figure = plots.silence_plot(tracks)
    above, below = figure.axes
    assert above.get_yticklabels()[0].get_text() == "vocals (1 silent)"
    assert [t.get_text() for t in below.get_yticklabels()] == ["oracle_irm:exponent=2 (10.6 %)"]


def test_frames_of_several_tracks_are_refused() -> None:
    both = pd.concat([frames_of(2), frames_of(2).assign(track="Other")])
    with pytest.raises(RunError, match="of one track, got 2: Other, Song"):
        plots.frame_plot(both)
    with pytest.raises(RunError, match="no frames of this track"):
        plots.frame_plot(both.iloc[:0])


def test_gaps_infinities_and_the_choice_of_curves_are_shown() -> None:
    figure = plots.frame_plot(frames_of(12))
    axes = figure.axes[0]
    assert "8 of 12 methods" in axes.get_title("left")
    assert len(axes.patches) == 10  # seconds in which nobody has a value
    curves = [line for line in axes.lines if len(line.get_xdata()) == 120]
    assert len(curves) == 8
    assert all(np.isnan(line.get_ydata()[20:30]).all() and np.isnan(line.get_ydata()[40]) for line in curves)
    assert sum(line.get_marker() == "^" for line in axes.lines) == 8


def test_a_notebook_shows_a_figure_by_itself(run_tables) -> None:
    assert plots.box_plot(sdr(run_tables.tracks))._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", ["box", "violin"])
@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [1.0, math.inf, -math.inf], [math.inf] * 3])
def test_values_without_spread_are_drawn(run_tables, shape, values) -> None:
    tracks = run_tables.tracks[run_tables.tracks["track"].isin(["Song 0", "Song 1", "Song 2"])].copy()
    tracks["value"] = tracks["track"].map(dict(zip(["Song 0", "Song 1", "Song 2"], values, strict=True)))
    tracks["status"] = "ok"
    for figure in (plots.box_plot(sdr(tracks), shape=shape), plots.heat_map(sdr(tracks))):
        assert plots.save(figure, "png")
