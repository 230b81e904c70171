"""What a run leaves behind: cells, tables, provenance."""
