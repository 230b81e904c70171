"""A pack for webMUSHRA: its YAML file and audio, to be copied into an installation as they are.

::

    OUT/configs/<name>.yaml                    opened as ?config=<name>.yaml
    OUT/configs/resources/<name>/*.wav

Sliders (MUSHRA, PEASS, two attributes, remix) become its page ``mushra``; single grades (ACR, DCR) its
``likert_single_stimulus``. Preference and ABX have no page there. webMUSHRA shuffles pages and signals itself, without
a seed, adds the hidden reference under the name ``reference``, and takes at most 12 signals of 12 s, all of one length,
rate and channel count: what it cannot take is refused here. Signals are named by their blinded files, trials by their
ids, so that `mss-bench listen import` finds out with the key what was rated.

References
----------
.. [1] M. Schoeffler et al., "webMUSHRA - A comprehensive framework for web-based listening tests", Journal of Open
   Research Software 6(1), 2018.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mss_bench.core import audio
from mss_bench.errors import ConfigError
from mss_bench.listening.pack_format import Pack, Trial, read_key, read_pack
from mss_bench.listening.protocols import Kind
from mss_bench.listening.ratings import Role
from mss_bench.listening.stimuli import SAMPLE_RATE

__all__ = ["export_webmushra"]

_SIGNALS = 12  # this and the next: see above; not ours to change
_SECONDS = 12.0
_BUFFER = 2048  # samples


def export_webmushra(folder: str | Path, out: Path) -> list[Path]:
    """Write a pack as webMUSHRA wants it.

    Parameters
    ----------
    folder : path
        The pack.
    out : Path
        Gets the folder ``configs``.

    Returns
    -------
    list of Path
        The YAML file, then the audio.

    Raises
    ------
    ConfigError
        A protocol that webMUSHRA has no page for, too many or too long signals, or files that exist.
    """
    import yaml

    folder = Path(folder)
    pack, key = read_pack(folder), read_key(folder)
    kind = Kind(pack.trials[0].kind)
    if kind in (Kind.PREFERENCE, Kind.ABX):
        raise ConfigError(f"webMUSHRA has no page for {kind}: use mss-bench listen serve")
    resources = Path("configs") / "resources" / pack.name
    config_file = out / "configs" / f"{pack.name}.yaml"
    for path in (config_file, out / resources):
        if path.exists():
            raise ConfigError(f"{path} exists already; choose another folder")
    # webMUSHRA plays the reference itself as the hidden one, so ours stays behind.
    hidden = {file for file, signal in key.items() if signal.role == Role.REFERENCE}
    pages = {t.id: _page(pack, t, hidden, resources, kind) for t in pack.trials}
    config = {
        "testname": pack.title, "testId": pack.name, "bufferSize": _BUFFER, "stopOnErrors": True,
        "showButtonPreviousPage": False, "remoteService": "service/write.php",
        "pages": [
            {"type": "generic", "id": "welcome", "name": pack.title, "content": pack.instructions or pack.title},
            {
                "type": "volume", "id": "level", "name": "Level", "content": "Set a comfortable level; keep it.",
                "stimulus": _place(pack.level, resources), "defaultVolume": 0.5,
            },
            *([pages[pack.training] | {"name": "Training"}] if pack.training else []),
            ["random", *(page for trial, page in pages.items() if trial != pack.training)],
            {
                "type": "finish", "name": "Thank you", "content": "Please send the results.", "showResults": False,
                "writeResults": True, "popupContent": "The results were sent. Thank you!",
                "questionnaire": [{"type": "text", "name": "listener", "label": "Your listener code"}],
            },
        ],
    }  # fmt: skip
    lengths = {f: t.seconds for t in pack.trials for f in t.files}
    files = [config_file]
    for file in sorted(pack.files() - (hidden if kind is Kind.MULTI else set())):
        _check_format(folder / file, lengths[file])
        files.append(out / _place(file, resources))
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / file, files[-1])
    config_file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=1000), encoding="utf-8")
    return files


def _page(pack: Pack, trial: Trial, hidden: set[str], resources: Path, kind: Kind) -> dict[str, Any]:
    task = pack.task(trial.task)
    signals = [f for f in trial.stimuli if f not in hidden] if kind is Kind.MULTI else trial.stimuli
    if len(trial.stimuli) > _SIGNALS or trial.seconds > _SECONDS:
        raise ConfigError(
            f"{trial.title}: {len(trial.stimuli)} signals of {trial.seconds:g} s; webMUSHRA takes {_SIGNALS} of "
            f"{_SECONDS:g} s"
        )
    content = task.question
    if trial.mixture:  # no page of webMUSHRA has a button for it
        content += f'<br>The mixture: <audio controls src="{_place(trial.mixture, resources)}"></audio>'
    named = {Path(f).stem: _place(f, resources) for f in signals}
    page = {"id": trial.id, "name": trial.title, "content": content}
    if kind is Kind.MULTI:
        if len(named) == len(trial.stimuli):
            raise ConfigError(f"{trial.title} has no hidden reference, and webMUSHRA always adds one")
        return {"type": "mushra"} | page | {
            "showWaveform": True, "enableLooping": True, "strict": True,
            "reference": _place(trial.reference, resources),
            "createAnchor35": False, "createAnchor70": False, "randomize": True, "showConditionNames": False,
            "switchBack": True, "stimuli": named,
        }  # fmt: skip
    grades = [{"value": str(round(task.low) + n), "label": label} for n, label in enumerate(task.labels)]
    shown = {"reference": _place(trial.reference, resources)} if trial.reference else {}
    return {"type": "likert_single_stimulus"} | page | shown | {
        "mustRate": True, "mustPlayback": "ended", "stimuli": named, "response": grades,
    }  # fmt: skip


def _check_format(file: Path, seconds: float) -> None:
    """Refuse a file of another rate, channel count or length than the others, which webMUSHRA cannot play together."""
    info = audio.info(file)
    wanted = (SAMPLE_RATE, 2, round(seconds * SAMPLE_RATE))
    if (info.sample_rate, info.channels, info.frames) != wanted:
        raise ConfigError(
            f"{file} has {info.sample_rate} Hz, {info.channels} channels, {info.frames} samples; webMUSHRA needs "
            f"all of a trial alike, here {wanted[0]}, {wanted[1]} and {wanted[2]}: make the pack again"
        )


def _place(file: str, resources: Path) -> str:
    """Return the address of a pack's file on webMUSHRA's page."""
    return (resources / Path(file).name).as_posix()
