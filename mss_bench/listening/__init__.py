"""Listening tests: from a run to a blinded pack of stimuli, to ratings, to conclusions.

===================  ==================================================================================================
`protocols`          what listeners are asked: MUSHRA, PEASS' four tasks, quality and interference, preference, ABX, ...
`design`             one YAML file describes a test
`pack_format`        the folder that is served: blinded files and `pack.json`; the key lies outside it
`ratings`            the long table that ratings of every source become
===================  ==================================================================================================

The application in `server` knows the pack format alone. Analysis reads tables only.
"""
