"""Listening tests: from a run to a blinded pack of stimuli, to ratings, to conclusions.

=======================  ==============================================================================================
plan                     `protocols` what listeners are asked: MUSHRA, PEASS' four tasks, preference, ABX, ...; `design`
                         the YAML file of a test; `plan` what it asks of its listeners
pack                     `pack` makes it of `excerpts`, `stimuli` and `trials`; `pack_format` is the folder that is
                         served, its key outside it; `verification` measures it again; `webmushra` exports it
serve                    `server` the player for listeners, and a page for the experimenter; it knows the pack alone
ratings                  `ratings` the long table of every source; `importers` reads the files of players
screening                `screening` which listeners count (BS.1534-3), and flags
analysis                 `analysis` medians, intervals and tests, by `bootstrap`; `pairs`, `mixed`, `reliability`
metrics                  `metric_table` metrics beside ratings; `metrics_against_ears` judges them, `fit` predicts
arena                    `arena` sets of ratings that metrics are held against; `arena_results`, `arena_page`;
                         `stimuli_scores` metrics of the audio
report                   `findings` puts all together; `report` writes it, with `report_tables` and `figures`
=======================  ==============================================================================================

Analysis reads tables only.
"""
