"""PEAQ's FFT ear model (ITU-R BS.1387, basic version) and the two of its output variables that the 2f-model takes.

Only the path from samples to AvgModDiff1B and ADBB is here. PEAQ's Objective Difference Grade is not: it was trained on
audio codecs, whose impairments are far smaller than those of source separation.

`ear` turns a signal into excitation patterns, `modulation` and `detection` compare those of a reference with those of a
test signal, and `bounds` says which frames count. Arrays of patterns are ``(channels, bands, frames)``.

References
----------
ITU-R BS.1387-2: Method for objective measurements of perceived audio quality. 2023.
P. Kabal: An examination and interpretation of ITU-R BS.1387: Perceptual Evaluation of Audio Quality. McGill University,
2003. Where the standard is open to interpretation, his is followed.
"""
