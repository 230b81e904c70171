"""How the listeners' pages look: a laboratory's logo and its colours, which must be readable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mss_bench.core.parameters import Parameterized, check, param
from mss_bench.errors import ConfigError
from mss_bench.report.html import data_uri

__all__ = ["Appearance", "Colours", "Look", "contrast"]

_LEAST_CONTRAST = 4.5  # of WCAG 2, level AA, for text
_LOGO_BYTES = 100_000  # it is in every page
_STARTS = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_COLOUR = re.compile("#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Look:
    """Appearance as a pack has it: a logo as ``data:`` address, what stands for it, and a style sheet of colours."""

    logo: str = ""
    laboratory: str = ""
    colours: str = ""


class Colours(Parameterized):
    """Colours of one mode, as ``#rrggbb``."""

    text: str | None = param(None, doc="Text.")
    background: str | None = param(None, doc="The page, and text on the accent.")
    accent: str | None = param(None, doc="Buttons, links and sliders.")

    @check("text", "background", "accent")
    def _written(self) -> None:
        for name, value in (("text", self.text), ("background", self.background), ("accent", self.accent)):
            if value is not None and not _COLOUR.fullmatch(value):
                self.refuse(name, "a colour such as '#0b62a4', in quotation marks")


class Appearance(Parameterized):
    """The look of the listeners' pages."""

    logo: Path | None = param(None, doc="PNG, JPEG or SVG of at most 100 kB, relative to the test's file.")
    laboratory: str = param("", doc="What the logo says, for who does not see it.")
    light: Colours = param(Colours(), doc="Colours by day.")
    dark: Colours = param(Colours(), doc="Colours where a device asks for dark pages.")

    @check("logo", "laboratory")
    def _logo_in_words(self) -> None:
        if self.logo and not self.laboratory.strip():
            self.refuse("laboratory", "what the logo says, for who does not see it")

    @check("light", "dark")
    def _readable(self) -> None:
        for mode, usual in _USUAL.items():
            given: Colours = getattr(self, mode)
            whole = _whole(given, usual)
            for name in ("text", "accent"):
                ratio = contrast(whole[name], whole["background"])
                if ratio < _LEAST_CONTRAST:
                    raise ConfigError(
                        f"{mode}: {name} {whole[name]} on {whole['background']} has a contrast of {ratio:.2f}, "
                        f"expected at least {_LEAST_CONTRAST:g}"
                    )

    def look(self) -> Look:
        """Return what a pack has of it.

        Raises
        ------
        ConfigError
            A logo that cannot be read, is too large, or is no picture.
        """
        modes = {mode: _theme(getattr(self, mode), usual) for mode, usual in _USUAL.items()}
        # A mode without colours of its own is the usual one, which those of the other must not reach.
        sheet = [f"@media (prefers-color-scheme: {mode}) {{ :root {{ {own} }} }}" for mode, own in modes.items() if own]
        return Look(_logo(self.logo) if self.logo else "", self.laboratory, "\n".join(sheet))


_USUAL = {  # as style.css has them
    "light": {"text": "#1d2530", "background": "#ffffff", "accent": "#0b62a4"},
    "dark": {"text": "#e4e9ef", "background": "#14191f", "accent": "#6db3ec"},
}
_GREYS = {"soft": 0.7, "rule": 0.18, "tint": 0.04}  # how much of the text is in them, the rest being background


def _whole(colours: Colours, usual: dict[str, str]) -> dict[str, str]:
    return usual | {name: value for name, value in colours.values().items() if value}


def _theme(colours: Colours, usual: dict[str, str]) -> str:
    """Return the declarations of a mode in CSS; empty where it is the usual one."""
    whole = _whole(colours, usual)
    if whole == usual:
        return ""
    text, background = whole["text"], whole["background"]
    greys = {name: _mixed(text, background, share) for name, share in _GREYS.items()}
    if contrast(greys["soft"], background) < _LEAST_CONTRAST:
        greys["soft"] = text
    named = {"ink": text, "paper": background, "accent": whole["accent"], **greys}
    return " ".join(f"--{name}: {colour};" for name, colour in named.items())


def _channels(colour: str) -> list[int]:
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]


def _mixed(one: str, other: str, share: float) -> str:
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours after WCAG 2: 1 to 21.

    >>> contrast("#000000", "#ffffff")
    21.0
    """

    def luminance(colour: str) -> float:
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(colour))
        ]
        return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def _logo(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"logo {path} cannot be read: {error.strerror}; expected a PNG, JPEG or SVG") from error
    if len(raw) > _LOGO_BYTES:
        raise ConfigError(f"logo {path} has {len(raw) // 1000} kB, expected at most {_LOGO_BYTES // 1000}")
    kind = next((kind for kind, start in _STARTS.items() if raw.startswith(start)), "")
    if not kind and b"<svg" in raw[:2000]:
        kind = "image/svg+xml"  # of a picture no browser runs scripts or loads what it names
    if not kind:
        raise ConfigError(f"logo {path} is no PNG, JPEG or SVG")
    return data_uri(raw, kind)
