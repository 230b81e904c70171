"""The application that listeners meet: pages, audio, and a database that keeps each trial at once.

===============  ======================================================================================================
`flow`           the stages of a session, and what a listener's browser is told of a trial
`answers`        checks what a listener sends
`store`          listeners and answers in SQLite: what was acknowledged survives the loss of power
`app`            the routes, with headers, limits and errors
`results`        ratings and progress for the experimenter
`run`            starts the server and prints the links
===============  ======================================================================================================

It knows the pack alone. A listener's browser is told neither files nor trials by name: audio has the address "signal 3
of trial 7", so that nothing tells what is a replicate. The key is read by `results` only.
"""
