"""Leaderboards: folders of text files that anybody can check, extend by a pull request, and rebuild.

::

    leaderboards/<board>/
        board.yaml             what is compared: data set, tracks, metrics, definition, aggregation
        entries/<method>.csv   per-track scores of one method
        entries/<method>.yaml  what it is, where its numbers come from, their checksum and aggregates
        README.md, index.html  made by `mss-bench leaderboard build`

A board of ``kind: literature`` has ``rows.csv`` instead of entries: published aggregates, each with its definition and
source; only rows of one definition stand in one table.
"""
