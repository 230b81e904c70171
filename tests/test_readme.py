"""What the README shows works as it stands there, and documents lead to what is there."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from mss_bench.cli.main import main

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [
    README,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "reports/README.md")),
    *(ROOT / "docs").rglob("*.md"),
]


def _block(kind, start):
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    blocks = re.findall(rf"```{kind}\n(.*?)```", text, flags=re.DOTALL)
    return next(b for b in blocks if b.startswith(start))


def test_the_separator_of_20_lines_has_no_more():
    assert len([line for line in _block("python", "# lowpass.py").splitlines() if line.strip()]) <= 20


def test_the_catalog_entry_is_valid(tmp_path):
    from mss_bench.datasets.catalog import load_catalog

    (tmp_path / "mine.yaml").write_text(_block("yaml", "# mine.yaml"))
    mine = load_catalog([tmp_path / "mine.yaml"])["mine"]
    assert [g.name for g in mine.groups] == ["3stem", "vocals_acc"]


def _commands():
    """Return the words of every ``mss-bench VERB`` command in the shell blocks of the documents."""
    blocks = [
        b for d in DOCUMENTS for b in re.findall(r"```sh\n(.*?)```", d.read_text(encoding="utf-8"), flags=re.DOTALL)
    ]
    lines = [line for block in blocks for line in re.split(r"\n|&&", block.replace("\\\n", " "))]
    words = [shlex.split(line.replace("$SLURM_ARRAY_TASK_ID", "1"), comments=True) for line in lines]
    return [w[1:] for w in words if w and Path(w[0]).name == "mss-bench" and not w[1].startswith("-")]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_commands_have_no_unknown_verbs_and_options(words, monkeypatch):
    monkeypatch.setattr(importlib.import_module(f"mss_bench.cli.{words[0]}"), "execute", lambda args: 0)
    assert main(words) == 0


def _anchors(document):
    """Return the anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if not link.startswith("http"):
            target = document.parent / path if path else document
            assert target.exists(), link
            assert not anchor or anchor in _anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document):
    for name in re.findall(r"`((?:mss_bench|tests|reports|docs)/[\w./]+)`", document.read_text(encoding="utf-8")):
        assert "NAME" in name or (ROOT / name).exists(), name


def test_every_finding_of_the_doctors_is_documented_with_an_example():
    from mss_bench.core.findings import KINDS

    sections = re.split(r"^### ", (ROOT / "docs/doctor.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    texts = {section.partition("\n")[0]: section for section in sections}
    assert set(texts) == set(KINDS)
    for kind, text in texts.items():
        assert re.search(r"(error|warning|note)[: ]|mss-bench: ", text), f"{kind} has no example"
