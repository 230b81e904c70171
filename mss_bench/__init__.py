"""Evaluation and benchmarking of musical source separation."""

__version__ = "0.1.0"
