"""The page of a report, in a real browser: it shows the numbers of the tables, in every view, and runs no name."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from mss_bench.report.contents import arrange
from mss_bench.report.failures import group_failures
from mss_bench.report.html import html_page
from mss_bench.report.options import Options, Statistics
from mss_bench.report.table import number

HOSTILE = "<img src=x onerror=\"document.title='owned'\">" + "'\"&`${1}</script><script>document.title='owned'</script>"
RUN = {
    "command": f"mss-bench run -s {HOSTILE}",
    "machine": {"processor": "Some CPU", "cores": 2}, "threads_per_worker": 1,
    "separators": [{"label": "repet_sim", "citation": HOSTILE}],
}  # fmt: skip
QUANTITIES = [
    {"name": "SDR", "unit": "dB", "definition": HOSTILE},
    {"name": "SAR", "unit": "dB"},
    {"name": "ISR", "unit": "dB", "higher_is_better": False},
]
OPTIONS = Options(statistics=Statistics(draws=100))


def write(path: Path, tables, run=RUN, quantities=QUANTITIES) -> str:
    """Write the page of some tables, and return its address."""
    contents = arrange(tables.tracks, OPTIONS, quantities=quantities, separators=run.get("separators", ()))
    failures = group_failures(tables.tracks, tables.failures, run)
    page = html_page(contents, OPTIONS, failures=failures, costs=tables.costs, run=run, tracks=[])
    path.write_text(page, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def tables(run_tables):
    """The made-up run, names, songs and reasons of which are markup."""
    tracks, failures = run_tables.tracks.copy(), run_tables.failures.copy()
    for table in (tracks, failures):
        table["track"] = table["track"].replace("Song 4", HOSTILE)
        table["reason"] = table["reason"].replace("killed by signal 11", HOSTILE)
    failures["log"] = f"Traceback {HOSTILE}"
    costs = run_tables.costs.copy()
    costs.loc[costs["separator"] == "repet_sim", "separate_seconds"] = float("nan")  # it only reads files
    return run_tables._replace(tracks=tracks, failures=failures, costs=costs)


@pytest.fixture(scope="module")
def address(tables, tmp_path_factory) -> str:
    return write(tmp_path_factory.mktemp("page") / "index.html", tables)


@pytest.fixture(scope="module")
def sisec(sisec_vocals, run_tables, tmp_path_factory) -> str:
    """The page of SiSEC's vocals: enough songs for verdicts."""
    none = run_tables._replace(
        tracks=sisec_vocals, failures=run_tables.failures.iloc[:0], costs=run_tables.costs.iloc[:0]
    )
    return write(tmp_path_factory.mktemp("sisec") / "index.html", none, run={})


def rows(page, body: str = "ranked", what: str = ".name, .value") -> list[list[str]]:
    """Name and numbers of each row of the first table."""
    return page.eval_on_selector_all(
        f"#who-table tbody.{body} tr[data-method]",
        f"all => all.map(row => [...row.querySelectorAll('{what}')].map(part => part.textContent))",
    )


def view(page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).fragment)


@pytest.mark.parametrize(
    "context",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"viewport": {"width": 412, "height": 900}},
        {"viewport": {"width": 412, "height": 900}, "color_scheme": "dark"},
    ],
    ids=["light", "dark", "phone", "dark phone"],
)
def test_names_stay_text_and_axe_finds_nothing(address, open_page, accessible, context) -> None:
    page, said = open_page(address, **context)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # everything is drawn, every fold open
    assert accessible(page) == []
    assert page.title() == "demo, test set"
    assert page.locator("img, script[src], iframe").count() == 0
    text = page.locator("body").inner_text()
    for what in ("method", "song", "reason", "traceback", "command", "citation", "definition"):
        assert HOSTILE in text, what
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # nothing is cut off at the side
    assert said == []


def test_the_page_shows_the_numbers_of_the_tables(address, tables, open_page) -> None:
    page, said = open_page(address)
    block = next(b for b in arrange(tables.tracks, OPTIONS, quantities=QUANTITIES).blocks if b.label == "SAR")
    page.get_by_role("button", name="SAR", exact=True).click()
    shown = {name: values for body in ("ranked", "partial", "oracles") for name, *values in rows(page, body)}
    for row in block.rows:
        scores = [row.score(target) for target in block.with_mean]
        assert [v.rstrip("≈°*†").replace("−", "-") for v in shown[row.separator]] == [
            "" if s is None else "failed" if s["n_failed"] and s["value"] != s["value"] else number(s["value"])
            for s in scores
        ], row.separator
    assert "† infinite on some songs" in page.locator("#legend").inner_text()
    assert page.locator("#sar").inner_text().startswith("SAR alone ranks nothing")
    assert view(page) == {"metric": ["SAR"]}
    assert said == []


def test_a_lower_metric_puts_the_smallest_first_and_the_view_is_in_the_address(address, open_page) -> None:
    page, said = open_page(address)
    page.get_by_role("button", name="ISR", exact=True).click()
    page.get_by_role("button", name="drums", exact=True).first.click()
    values = [float(row[3].rstrip("*≈°†").replace("−", "-").replace("∞", "inf")) for row in rows(page)]
    assert values == sorted(values)
    page.get_by_role("button", name="Gain", exact=True).click()
    page.get_by_label("Find methods").fill("repet")
    page.get_by_label("oracles").uncheck()
    assert view(page) == {"metric": ["ISR"], "column": ["drums"], "view": ["gain"], "find": ["repet"], "oracles": ["0"]}
    before = rows(page)
    assert [name for name, *_ in before] == ["repet_sim"]
    page.reload()
    assert rows(page) == before
    assert page.get_by_label("Find methods").input_value() == "repet"
    assert said == []


def test_one_value_is_bold_the_floor_has_no_rank_and_ties_are_hollow(sisec, open_page) -> None:
    page, said = open_page(sisec)
    assert page.locator("#who-table b").all_inner_texts() == ["7.16"]
    assert page.locator("#who-table svg.plot.same").count() == page.locator("#who-table .mark:text('≈')").count() > 0
    order = rows(page, what=".rank, .name")
    assert order[:3] == [["1", "TAK2"], ["2", "TAU1"], ["3", "TAK3"]]
    assert ["", "mixture"] in order
    assert [rank for rank, _ in order if rank] == [str(i + 1) for i in range(25)]
    page.locator("#who-table thead").get_by_role("button", name="vocals").click()
    assert rows(page)[0][0] == "HPLP"  # the worst first, with its rank
    assert page.locator("#who-table tbody.ranked .rank").first.inner_text() == "25"
    assert page.locator("#few").is_hidden()
    assert said == []


def test_too_few_songs_are_said_once_and_nothing_is_hollow(tables, open_page, tmp_path) -> None:
    few = tables.tracks[tables.tracks["track"].isin([f"Song {i}" for i in range(4)])]
    page, _ = open_page(write(tmp_path / "page.html", tables._replace(tracks=few)))
    assert page.locator("#who-table svg.plot.same").count() == 0
    assert page.locator("#few").inner_text().startswith("3 songs: too few for any test; ")
    assert "better than" in page.locator("#few").inner_text()


@pytest.fixture(scope="module")
def few_methods(sisec_vocals):
    """Five methods, the floor and an oracle of SiSEC, on 12 songs."""
    songs = sorted(set(sisec_vocals["track"]))[:12]
    names = ["TAK2", "TAU1", "JY3", "UHL1", "HPSS", "mixture", "IRM1"]
    return sisec_vocals[sisec_vocals["track"].isin(songs) & sisec_vocals["separator"].isin(names)]


@pytest.fixture
def page_of(tables, open_page, tmp_path):
    """Opens the page of a track table."""

    def opener(tracks, quantities=QUANTITIES, **context):
        empty = {"failures": tables.failures.iloc[:0], "costs": tables.costs.iloc[:0]}
        address = write(tmp_path / "page.html", tables._replace(tracks=tracks, **empty), run={}, quantities=quantities)
        page, said = open_page(address, **context)
        assert said == []
        return page

    return opener


def test_ties_share_rank_and_mark_and_nothing_is_drawn_as_told_apart(few_methods, page_of) -> None:
    page = page_of(few_methods.assign(value=1.0))
    assert "All 5 methods score alike on each of 12 songs." in page.locator("#cards").inner_text()
    assert [rank for rank, _ in rows(page, what=".rank, .name") if rank] == ["1"] * 5
    assert page.locator("#who-table svg.apart, #who-table svg.same, #who-table b").count() == 0
    assert "told apart" not in page.locator("#legend").inner_text()
    twins = few_methods.copy()
    twins.loc[twins["separator"] == "JY3", "value"] = twins.loc[twins["separator"] == "TAK2", "value"].to_numpy()
    twins.loc[twins["separator"] == "TAU1", "value"] -= 1
    page = page_of(twins)
    assert [rank for rank, _ in rows(page, what=".rank, .name") if rank] == ["1", "1", "3", "4", "5"]
    assert page.locator("#who-table tr.first").count() == page.locator("#who-table b").count() == 2
    assert "JY3 = TAK2" in page.locator("#cards").inner_text()


def test_where_few_have_every_target_the_page_begins_with_what_can_be_compared(tables, page_of) -> None:
    tracks = tables.tracks
    only_vocals = tracks["separator"].isin(["repet_sim"]) & (tracks["target"] != "vocals")
    page = page_of(tracks[~only_vocals & (tracks["group"] == "4stem") & (tracks["separator"] != "broken")])
    assert "SDR of vocals" in page.locator("#cards").inner_text()
    assert page.locator("#who-table th.chosen").inner_text().startswith("vocals")
    assert "5 songs: too few for any test" in page.locator("#few").inner_text()
    page.get_by_role("button", name="mean", exact=True).first.click()
    assert "Fewer than two ranked methods have every target" in page.locator("#cards").inner_text()


def test_the_page_says_what_counts_and_which_way_is_better(few_methods, page_of) -> None:
    lacks = few_methods["track"].isin(sorted(set(few_methods["track"]))[:4]) & (few_methods["separator"] == "UHL1")
    unequal = few_methods[~lacks & (few_methods["separator"] != "mixture")]
    page = page_of(unequal, [{"name": "SDR", "unit": "dB", "higher_is_better": False}])
    assert "8 of 12 songs count: those on which every method has a score." in page.locator("#few").inner_text()
    assert "(it takes 9)" in page.locator("#few").inner_text()  # five methods
    for part in ("#cards", "#who-title", "#songs-title", "#all-table thead"):
        page.locator(part).get_by_text("lower is better").first.wait_for()


def test_the_lead_is_that_of_the_console_and_a_far_best_stays_inside(few_methods, page_of) -> None:
    from mss_bench.report.conclusions import conclusions

    far = few_methods.copy()
    others = ~far["separator"].isin(["TAK2", "mixture", "IRM1"])
    far.loc[others, "value"] = 1 + far.loc[others, "value"] / 1000
    best = far["separator"] == "TAK2"
    # Rounded before they are subtracted, the best and the oracle were 6.83 apart.
    far.loc[best, "value"] += (
        round(float(far.loc[best, "value"].median()), 2) - far.loc[best, "value"].median() + 50.004
    )
    far.loc[far["separator"] == "IRM1", "value"] = far.loc[best, "value"].to_numpy() + 6.824
    page = page_of(far)
    told = "\n".join(conclusions(arrange(far, OPTIONS, quantities=QUANTITIES), group_failures(far)))
    lead = page.locator("#cards .card").nth(1).inner_text()
    number_on_card, interval = re.search(r"(\+[\d.]+) dB typically\s+95 % interval (\S+ to [+\d.]+)\. ", lead).groups()
    assert f"typical difference {number_on_card} dB [{interval.replace(' to ', ', ')}]" in told
    assert "TAK2 (57.61) is 6.82 dB below the best oracle (IRM1)" in told
    assert "6.82 dB below IRM1" in " ".join(page.locator("#cards").inner_text().split())
    assert page.locator("#who-table tr.first svg.plot.best circle.dot").count() == 1  # not an arrow at the edge


def test_keys_reach_everything(sisec, open_page) -> None:
    page, said = open_page(sisec)
    page.locator("button.name").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == "TAU1"
    tip = page.locator("#tip")
    assert "TAU1 vocals, SDR" in tip.inner_text()
    assert "25 of 50 songs" in tip.inner_text()  # better than the best
    assert page.locator("#who-table tr.pointed .songs circle").count() > 30
    assert page.locator("#who-table tr.same-as .name").all_inner_texts() == ["TAK2"]
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    page.keyboard.press("Enter")
    assert view(page) == {"pin": ["TAU1"]}
    assert page.evaluate("document.activeElement.textContent") == "TAU1"
    assert page.locator("#songs-table th.pin-0").all_inner_texts() == ["TAU1"]
    for _ in range(7):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    assert len(view(page)["pin"]) == 5
    page.get_by_role("button", name="Unpin 5").click()
    assert view(page) == {}
    assert said == []


def test_differences_are_to_the_best_or_to_any_method(sisec, sisec_vocals, open_page) -> None:
    page, said = open_page(f"{sisec}#view=difference")
    wide = sisec_vocals.pivot_table(index="track", columns="separator", values="value")
    assert rows(page)[:2] == [["TAU1", "+0.03≈°"], ["TAK2", "+0.00"]]  # typically; its median is lower
    page.get_by_role("combobox", name="Difference to").select_option("UHL1")
    shown = dict(rows(page))
    for name in ("TAK2", "JY3", "RPCA"):
        assert float(shown[name].replace("−", "-")) == pytest.approx((wide[name] - wide["UHL1"]).median(), abs=0.011)
    assert view(page) == {"view": ["difference"], "to": ["UHL1"]}
    assert said == []


def test_without_script_the_tables_are_there(address, tables, open_page) -> None:
    page, _ = open_page(address, java_script_enabled=False)
    assert page.locator("#app").is_hidden()
    texts = page.locator("noscript h3").all_inner_texts()
    assert len(texts) == 6  # three metrics of two groups
    assert page.locator("noscript tr", has_text="repet_sim").count() == 6
    assert page.locator("noscript b").count() > 0
    text = page.locator("noscript").first.inner_text()
    for mark in ("Bold: the best of a column", "* the floor, or the method", "no pair apart"):
        assert mark in text, mark


def test_on_paper_every_fold_is_open_and_every_part_drawn(sisec, open_page) -> None:
    page, _ = open_page(sisec)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.locator("#songs-table td").count() == 50 * 31
    assert page.locator("#songs-table td.best").count() >= 50  # one a song, or several that are alike
    page.emulate_media(media="print")
    assert page.locator("#tools").is_hidden()
    assert page.locator("#theme").is_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


def test_what_fails_or_is_missing_is_above_all_with_tracebacks_on_a_click(address, tables, open_page, tmp_path) -> None:
    page, _ = open_page(address)
    banner = page.locator(".banner").last
    assert "7 of 36 cells failed" in banner.inner_text()
    banner.locator("summary").click()
    assert "repet_sim on Song 2 (timeout: took longer than 60 s)" in banner.inner_text()
    page.locator("#failures > summary").click()
    trace = page.locator("#failures td details").first
    assert trace.locator("pre").is_hidden()
    trace.locator("summary").click()
    assert trace.locator("pre").inner_text() == f"Traceback {HOSTILE}"
    page, _ = open_page(write(tmp_path / "page.html", tables, run={"missing": 3}))
    assert "29 of 39 cells are done, 7 failed" in page.locator(".banner").first.inner_text()


def test_cost_says_where_it_was_measured_and_readers_of_files_have_none(address, open_page) -> None:
    page, _ = open_page(address)
    speed = dict(rows(page, what=".name, .speed") + rows(page, "partial", ".name, .speed"))
    assert speed["repet_sim"] == "–"  # it only reads
    assert speed["mixture"] == "12"
    page.get_by_role("button", name="Help: At which cost").click()
    help_text = page.locator("#help-cost").inner_text()
    assert "Some CPU, 2 cores, 1 thread a worker" in help_text


def test_the_theme_is_kept_and_the_table_copied(address, open_page) -> None:
    page, said = open_page(address, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Theme").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="Copy table").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied[0].split("\t")[0] == "method"
    assert len({line.count("\t") for line in copied}) == 1
    assert said == []


@pytest.mark.parametrize(
    "keep",
    ["two methods", "no floor, no oracle", "one song", "nothing at all"],
)
def test_thin_runs_have_pages(tables, open_page, tmp_path, keep) -> None:
    tracks = tables.tracks
    if keep == "two methods":
        tracks = tracks[tracks["separator"].isin(["repet_sim", "karaoke"]) & (tracks["target"] == "vocals")]
    elif keep == "no floor, no oracle":
        tracks = tracks[~tracks["separator"].isin(["mixture", "oracle_irm"])]
    elif keep == "one song":
        tracks = tracks[tracks["track"] == "Song 0"]
    else:
        tracks = tracks.iloc[:0]
    thin = tables._replace(tracks=tracks, failures=tables.failures.iloc[:0], costs=tables.costs.iloc[:0])
    page, said = open_page(write(tmp_path / "page.html", thin, run={}))
    text = page.locator("body").inner_text()
    assert ("No scores" in text) == (keep == "nothing at all")
    assert "NaN" not in text
    assert "undefined" not in text
    assert said == []
