"""Trained models: a manifest that describes a checkpoint, and adapters that run it.

`mss_bench.separators.deep.manifest` is the page to start from; each adapter's module says how its kind is called.
"""
