"""Names and orders of a pack that say nothing to whoever has everything but its key.

Both derive from a secret of 32 random bytes, which lies in the key folder alone. They could not derive from the test's
seed: the test's file is shared and published, and who has it could compute every name again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from pathlib import Path

import numpy as np

from mss_bench.errors import ConfigError

__all__ = ["SECRET_FILE", "Blinding", "new_secret", "read_secret"]

SECRET_FILE = "secret"
"""Its name in the key folder."""

_BYTES = 32
_NAME = 12  # hexadecimal digits after the first letter: among 10,000 files two share a name once in six million packs


def new_secret() -> bytes:
    """Return a secret made at random."""
    return secrets.token_bytes(_BYTES)


def read_secret(folder: Path) -> bytes:
    """Read the secret of a key folder, to make a pack again with the same names and orders.

    Raises
    ------
    ConfigError
        No key folder, or one of a pack that was made before there were secrets.
    """
    path = folder / SECRET_FILE
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; expected the key folder of a pack, e.g. NAME.key") from None
    if len(text) != 2 * _BYTES or set(text) - set(string.hexdigits):
        raise ConfigError(f"{path} is no secret of a pack: expected {2 * _BYTES} hexadecimal digits")
    return bytes.fromhex(text)


class Blinding:
    """What derives from a secret.

    Parameters
    ----------
    secret : bytes
    test : str
        The test's name: two tests that share a secret share no name of a file.
    """

    def __init__(self, secret: bytes, test: str) -> None:
        self._secret, self._test = secret, test

    def name(self, text: str) -> str:
        """Return the blinded name of something.

        It begins with a letter of its own: hexadecimal digits alone may be a number to readers of YAML and CSV, as in
        ``123e45678901``, which is infinite.
        """
        return "s" + self._digest(text).hex()[:_NAME]

    def rng(self, *words: str | int) -> np.random.Generator:
        """Return the randomness that belongs to some words."""
        return np.random.default_rng(np.frombuffer(self._digest("|".join(map(str, ["rng", *words]))), dtype=np.uint32))

    def _digest(self, text: str) -> bytes:
        return hmac.new(self._secret, f"{self._test}|{text}".encode(), hashlib.sha256).digest()
