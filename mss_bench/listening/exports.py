"""Packs for other players: a configuration and the audio, to be copied into an installation as they are.

==========  ========================================  ==========================================================
format      files                                     opened as
==========  ========================================  ==========================================================
webmushra   ``configs/NAME.yaml`` and
            ``configs/resources/NAME/*.wav``          ``?config=NAME.yaml``
beaqlejs    ``config/NAME.js`` and ``audio/NAME/``    after ``index.html`` names the script and the class
==========  ========================================  ==========================================================
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mss_bench.core import audio
from mss_bench.core.files import write_atomic
from mss_bench.errors import ConfigError
from mss_bench.listening.beaqlejs import beaqlejs_class, beaqlejs_config
from mss_bench.listening.pack_format import read_key, read_pack
from mss_bench.listening.stimuli import SAMPLE_RATE
from mss_bench.listening.webmushra import as_yaml, webmushra_config

__all__ = ["Export", "export_pack"]


@dataclass(frozen=True)
class Export:
    """What was written: the configuration, the audio, and how the player is told to use it."""

    config: Path
    audio: list[Path]
    how: str


def export_pack(folder: str | Path, out: Path, player: Literal["webmushra", "beaqlejs"] = "webmushra") -> Export:
    """Write a pack as another player wants it.

    Parameters
    ----------
    folder : path
        The pack.
    out : Path
        Gets the folders of the player's installation.
    player : {"webmushra", "beaqlejs"}

    Raises
    ------
    ConfigError
        A protocol that the player has no page for, a trial that it cannot play, or files that exist.
    """
    folder = Path(folder)
    pack, key = read_pack(folder), read_key(folder)
    if player == "webmushra":
        config_file, resources = Path("configs") / f"{pack.name}.yaml", Path("configs") / "resources" / pack.name
    else:
        config_file, resources = Path("config") / f"{pack.name}.js", Path("audio") / pack.name
    for path in (out / config_file, out / resources):
        if path.exists():
            raise ConfigError(f"{path} exists already; choose another folder")

    def address(file: str) -> str:
        return (resources / Path(file).name).as_posix()

    if player == "webmushra":
        text = as_yaml(webmushra_config(pack, key, address))
        how = f"open webMUSHRA with ?config={config_file.name}"
    else:
        text = beaqlejs_config(pack, key, address)
        how = f"name {config_file.as_posix()} in BeaqleJS' index.html, and the class {beaqlejs_class(pack)}"
    lengths = {f: t.seconds for t in pack.trials for f in t.files}
    used = sorted(file for file in pack.files() if Path(file).name in text)  # no hidden reference, which players add
    for file in used:
        _check_format(folder / file, lengths[file], player)
    (out / resources).mkdir(parents=True)
    copies = [Path(shutil.copyfile(folder / file, out / address(file))) for file in used]
    # The configuration last: where it is, everything that it names is.
    (out / config_file).parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out / config_file, text.encode("utf-8"))
    return Export(out / config_file, copies, how)


def _check_format(file: Path, seconds: float, player: str) -> None:
    """Refuse a file of another rate, channel count or length than the others, which could not be played together."""
    info = audio.info(file)
    wanted = (SAMPLE_RATE, 2, round(seconds * SAMPLE_RATE))
    if (info.sample_rate, info.channels, info.frames) != wanted:
        raise ConfigError(
            f"{file} has {info.sample_rate} Hz, {info.channels} channels, {info.frames} samples; {player} needs "
            f"all of a trial alike, here {wanted[0]}, {wanted[1]} and {wanted[2]}: make the pack again"
        )
