"""Listening tests: from a run to a blinded pack of stimuli, to ratings, to conclusions.

===================  ==================================================================================================
`protocols`          what listeners are asked: MUSHRA, PEASS' four tasks, quality and interference, preference, ABX, ...
`design`             one YAML file describes a test
`pack_format`        the folder that is served: blinded files and `pack.json`; the key lies outside it
`ratings`            the long table that ratings of every source become
`importers`          from the files of players to that table; `rating_table` says what is refused
`screening`          which listeners count (BS.1534-3), and flags
`analysis`           medians, intervals and tests; `pairs`, `abx`, `reliability` and `mixed` the rest
`metric_table`       metrics beside ratings; `metrics_against_ears` judges them, `fit` predicts with them
`report`             page, figures and tables of all that `findings` puts together
===================  ==================================================================================================

The application in `server` knows the pack format alone. Analysis reads tables only.
"""
