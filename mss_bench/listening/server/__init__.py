"""The application that listeners meet: pages, audio, and a database that keeps each trial at once.

===============  ======================================================================================================
`flow`           what comes after what for a listener, and what of a trial a listener is told
`answers`        checks what a listener sends
`store`          listeners and answers in SQLite: what was acknowledged survives the loss of power
`headphones`     the check by antiphase loudness
`app`            the routes
`protection`     headers, limits, errors
`progress`       what the experimenter sees
`export`         from blinded answers to the long table of ratings
`run`            starts the server and prints the links
===============  ======================================================================================================

It knows the pack alone. A listener's browser is told neither files nor trials by name: audio has the address "signal 3
of trial 7", so that nothing tells what is a replicate. The key is read by the export only.
"""
