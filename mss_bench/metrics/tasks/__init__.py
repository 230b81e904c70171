"""What a separation is for: what comes of the estimates when they are used, beside what comes of the references.

`remix` and `upmix` mix them anew; `melody`, `drum_onsets`, `bass_notes` and `beats` transcribe them. The references
give the perfect score; what a use makes of the mixture itself is what every separation has to better. `gains` measures
how much of each true source an estimate holds, `transcription` is what the transcribing metrics share.

No quantity may be perfect for whatever adds up to the mixture. In `upmix` a channel that holds the mid or the side of
all stems, and the crosstalk where every channel holds every stem, would be: there they are undefined. In `remix` gains
of estimates that add up sum to one for each source, so that what one estimate lacks of its stem leaks into the others
and none is given; balance and leakage of a lone source are undefined. A transcript is of one estimate and knows nothing
of their sum; where the mixture's is as good as the reference's there is no gap, which is undefined.
"""
