"""What a separation is for: what comes of the estimates when they are used, beside what comes of the references.

`remix` and `upmix` mix them anew; `melody`, `drum_onsets`, `bass_notes` and `beats` transcribe them. The references
give the perfect score; what a use makes of the mixture itself is what every separation has to better. `gains` measures
how much of each true source an estimate holds, `transcription` is what the transcribing metrics share.
"""
