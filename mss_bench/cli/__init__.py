"""The command line: one lazily imported file a verb."""
