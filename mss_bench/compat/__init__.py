"""Interfaces of other tools over this engine."""
