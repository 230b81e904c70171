"""Load models once, in a process of their own, to see whether they can be loaded: ``python -m``, with specs as JSON.

The runner does so before the first cell where a checkpoint and its configuration may contradict each other. Nothing of
their libraries is to come into its own process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from mss_bench.core.spec import Spec
from mss_bench.errors import ConfigError, MssBenchError
from mss_bench.separators.deep.model import Model

__all__ = ["require_loadable"]


def require_loadable(specs: Sequence[Spec]) -> None:
    """Load models on the processor, each in turn, in another process.

    Parameters
    ----------
    specs : sequence of Spec
        Of `mss_bench.separators.deep.model.Model`.

    Raises
    ------
    ConfigError
        The first one that cannot be loaded, with its name.
    """
    given = json.dumps([[spec.alias or spec.name, _paths(spec)] for spec in specs])
    child = subprocess.run([sys.executable, "-m", __name__, given], stdin=subprocess.DEVNULL, capture_output=True)
    if child.returncode == 1 and child.stdout:
        raise ConfigError(child.stdout.decode(errors="replace").splitlines()[-1])


def _paths(spec: Spec) -> dict[str, object]:
    return {name: spec.params[name] for name in Model.path_parameters if name in spec.params}


def _main(given: str) -> int:
    for name, paths in json.loads(given):
        try:
            Model(**paths).load()
        except MssBenchError as error:
            print(f"separator {name}: {' '.join(str(error).split())}")
            return 1
        except Exception:  # such as too little memory: each cell says so for itself
            continue
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
