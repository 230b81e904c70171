"""Data sets: the catalog of ``datasets.yaml``, one file a layout, the built-in demo, the doctor.

A layout says how a data set lies on disk. It is a class derived from `Dataset` with a name in `layouts`: a built-in,
one that an installed package announces in the entry-point group ``mss_bench.layouts``, or one of a user's file.
"""

from mss_bench.datasets.base import Dataset
from mss_bench.registry import Registry

__all__ = ["Dataset", "layouts"]

layouts: Registry[Dataset] = Registry(
    kind="layout",
    base="mss_bench.datasets.base:Dataset",
    builtins={
        "stems": "mss_bench.datasets.stems:StemFolders",
        "musdb18hq": "mss_bench.datasets.stems:MUSDB18HQ",
        "musdb18": "mss_bench.datasets.musdb18:MUSDB18",
        "dsd100": "mss_bench.datasets.dsd100:DSD100",
        "channels": "mss_bench.datasets.channels:Channels",
        "table": "mss_bench.datasets.table:Table",
        "metadata": "mss_bench.datasets.metadata:Metadata",
        "references": "mss_bench.datasets.references:References",
        "demo": "mss_bench.datasets.songs:DemoSongs",
    },
    group="mss_bench.layouts",
    named_by="layout",
)
