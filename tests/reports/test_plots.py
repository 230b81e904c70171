from __future__ import annotations

import io
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.reports import plots
from mss_bench.reports.layout import blocks
from mss_bench.reports.style import printable, styled
from mss_bench.stats.aggregate import aggregate, comparable


def many(run_tables, count: int) -> pd.DataFrame:
    """The floor and many methods with names of growing length."""
    tracks = run_tables.tracks
    floor = tracks[tracks["separator"] == "mixture"]
    names = [f"method_{i}:" + "option=value," * (i % 9) for i in range(count)]
    made = [floor.assign(separator=name, value=floor["value"] + i) for i, name in enumerate(names)]
    return pd.concat([floor, *made], ignore_index=True)


def settled(figure: Figure) -> RendererAgg:
    """The renderer of the figure's pixels, once its layout is settled."""
    canvas = FigureCanvasAgg(figure)
    with styled():
        canvas.draw()
    return canvas.get_renderer()


@pytest.mark.parametrize("count", [1, 10, 40])
def test_no_text_is_cut_or_overlaps_whatever_the_names(run_tables, count) -> None:
    tracks = many(run_tables, count)
    figure = plots.box_plot(comparable(tracks), blocks(aggregate(tracks))[0], "vocals")
    renderer = settled(figure)
    axes = figure.axes[0]
    whole = figure.bbox
    labels = [label.get_window_extent(renderer) for label in axes.get_yticklabels()]
    texts = [*labels, axes.title.get_window_extent(renderer), axes.xaxis.label.get_window_extent(renderer)]
    texts += [text.get_window_extent(renderer) for legend in figure.legends for text in legend.get_texts()]
    assert len(labels) == count + 1
    for box in texts:
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= whole.x1 + 1
        assert box.y1 <= whole.y1 + 1
    for upper, lower in pairwise(labels):
        assert upper.y0 >= lower.y1 - 1


def test_methods_are_sorted_by_median_and_oracles_and_floor_are_named(run_tables) -> None:
    tracks = run_tables.tracks
    figure = plots.box_plot(comparable(tracks), blocks(aggregate(tracks))[0], "drums")
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
    figure = plots.box_plot(comparable(tracks), blocks(aggregate(tracks))[0], "bass")
    assert figure.axes[0].get_xlim()[0] > -40
    assert "1 value beyond the axis, from -400.0 to -400.0" in figure.axes[0].get_xlabel()


def test_a_method_of_infinite_values_alone_is_named(run_tables) -> None:
    tracks = run_tables.tracks.copy()
    tracks.loc[tracks["separator"] == "repet_sim", ["value", "status"]] = [math.inf, "ok"]
    figure = plots.box_plot(comparable(tracks), blocks(aggregate(tracks))[0], "bass")
    assert plots.save(figure, "png")
    assert figure.axes[0].get_yticklabels()[0].get_text() == "repet_sim (6× ∞)"


def test_nothing_to_draw_is_an_error_that_says_so(run_tables) -> None:
    tracks = run_tables.tracks[run_tables.tracks["separator"] == "broken"]
    block = blocks(aggregate(tracks))[0]
    with pytest.raises(RunError, match="nothing to draw for demo test, 4stem, drums, SDR"):
        plots.box_plot(comparable(tracks), block, "drums")
    with pytest.raises(RunError, match="nothing to draw for quality against cost"):
        plots.cost_plot(block, run_tables.costs)


def test_cost_plot_has_a_point_and_a_name_for_every_complete_method(run_tables) -> None:
    figure = plots.cost_plot(blocks(aggregate(run_tables.tracks))[2], run_tables.costs)
    renderer = settled(figure)
    axes = figure.axes[0]
    finite = [line for line in axes.lines if np.isfinite(line.get_ydata()).all()]
    assert len(finite) == len(axes.texts) == 4
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert all(box.x1 <= figure.bbox.x1 + 1 for box in boxes)


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_numbers_give_the_same_file(run_tables, kind) -> None:
    tracks = run_tables.tracks
    block = blocks(aggregate(tracks))[0]
    first, second = (plots.save(plots.box_plot(comparable(tracks), block, "vocals"), kind) for _ in range(2))
    assert first == second
    assert first[:4] in (b"\x89PNG", b"%PDF", b"<?xm")


def test_png_is_sharp_enough_for_print(run_tables) -> None:
    from PIL import Image

    tracks = run_tables.tracks
    figure = plots.box_plot(comparable(tracks), blocks(aggregate(tracks))[0], "vocals")
    with Image.open(io.BytesIO(plots.save(figure, "png"))) as image:
        assert image.width >= 1000


def test_unknown_format_is_refused(run_tables) -> None:
    tracks = run_tables.tracks
    figure = plots.box_plot(comparable(tracks), blocks(aggregate(tracks))[0], "vocals")
    with pytest.raises(UnknownNameError, match="unknown figure format 'gif'"):
        plots.save(figure, "gif")


def test_matplotlib_settings_of_the_caller_are_left_alone(run_tables) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.box_plot(comparable(run_tables.tracks), blocks(aggregate(run_tables.tracks))[0], "vocals")
    assert dict(mpl.rcParams) == before


def test_characters_that_the_font_lacks_become_boxes() -> None:
    assert printable("a\n∞ 日") == "a ∞ □"
