"""Data sets: the catalog of ``datasets.yaml``, one file a layout, the built-in demo, the doctor."""
