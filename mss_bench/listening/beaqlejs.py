"""The configuration of a pack for BeaqleJS [1]_: its ``PrefTest`` for preference, its ``MushraTest`` for sliders.

It is a script that sets ``TestConfig``; ``index.html`` names it and the class. BeaqleJS shuffles trials and signals
itself. Its pages show one scale from 0 to 100 without words, so that a trial's heading holds the question. Title,
headings and contact are the pack's, all other texts are in the player's ``index.html`` and script. Its ``AbxTest``
returns right and wrong without saying of which trial, and is not used.

References
----------
.. [1] S. Kraft and U. Zoelzer, "BeaqleJS: HTML5 and JavaScript based framework for the subjective evaluation of audio
   quality", Linux Audio Conference, 2014.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mss_bench.errors import ConfigError
from mss_bench.listening.pack_format import Pack, Signal, Trial
from mss_bench.listening.protocols import Kind
from mss_bench.listening.ratings import Role

__all__ = ["beaqlejs_class", "beaqlejs_config"]

_CLASSES = {Kind.PREFERENCE: "PrefTest", Kind.MULTI: "MushraTest"}


def beaqlejs_class(pack: Pack) -> str:
    """Return which of its classes runs a pack.

    Raises
    ------
    ConfigError
        None does.
    """
    kind = Kind(pack.trials[0].kind)
    if kind is Kind.VOTES:
        raise ConfigError(
            "BeaqleJS has no page on which the best of several signals is chosen; use mss-bench listen serve"
        )
    if kind not in _CLASSES:
        raise ConfigError(
            f"BeaqleJS has no page for {kind} whose results say of which trial they are: export with --format "
            "webmushra, or use mss-bench listen serve"
        )
    return _CLASSES[kind]


def beaqlejs_config(pack: Pack, key: dict[str, Signal], address: Callable[[str], str]) -> str:
    """Return the script.

    Parameters
    ----------
    pack : Pack
    key : dict
        As `read_key` gives it.
    address : callable
        A pack's file to its address on the player's page.
    """
    preference = beaqlejs_class(pack) == "PrefTest"
    config: dict[str, Any] = {
        "TestName": html.escape(pack.title), "LoopByDefault": True, "AutoReturnByDefault": True, "ShowFileIDs": False,
        "ShowResults": False, "EnableABLoop": True, "EnableOnlineSubmission": False,
        "SupervisorContact": html.escape(pack.contact),
        "BeaqleServiceURL": "web_service/beaqleJS_Service.php", "AudioRoot": "", "RandomizeTestOrder": True,
        "RandomizeFileOrder": True, "MaxTestsPerRun": -1,
    }  # fmt: skip
    if not preference:
        config |= {
            "RateScalePng": "img/scale_abs.png", "RateScaleBgPng": "img/scale_abs_background.png", "RateMinValue": 0,
            "RateMaxValue": 100, "RateDefaultValue": 0, "RequireMaxRating": False,
        }  # fmt: skip
    config["Testsets"] = [
        {
            "Name": html.escape(f"{trial.title}: {pack.task(trial.task).question}"), "TestID": trial.id,
            "Files": {name: address(file) for name, file in _files(trial, key, preference).items()},
        }
        for trial in pack.rated
    ]  # fmt: skip
    return f"var TestConfig = {json.dumps(config, indent=1)};\n"


def _files(trial: Trial, key: dict[str, Signal], preference: bool) -> dict[str, str]:
    if preference:
        return dict(zip("AB", trial.stimuli, strict=True))
    # It plays the reference as the hidden one itself.
    own = {Path(f).stem: f for f in trial.stimuli if key[f].role != Role.REFERENCE}
    if len(own) == len(trial.stimuli):
        raise ConfigError(f"{trial.title} has no hidden reference, and BeaqleJS always adds one")
    return {"Reference": trial.reference} | own
