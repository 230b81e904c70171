"""Separators outside this process: another interpreter, another program.

`External`: a script in a Python of its own
-------------------------------------------
TensorFlow with NumPy 1 and torch with NumPy 2 stand on one board in this way. A separator that is to run in another
interpreter is an entry ``external`` of the run file with ``python``, the interpreter, and ``script``, the few lines
that call the library there; on the command line the same is ``-s external:python=PATH,script=FILE.py``::

    separators:
      - {name: external, as: my model, python: /venvs/mine/bin/python, script: my_model.py, weights: /models/mine.pth}

The script needs NumPy and whatever it separates with, not this package. It is one class, see
`mss_bench.separators.external.interpreter.External`, which may declare, as attributes, what any separator declares:
``target_sets``, ``channels``, ``deterministic``, ``random``, ``adds_up``, ``scale_equivariant``,
``channel_equivariant``, ``needs_references``, ``stem_map`` (text, as ``--map`` takes it), ``trained_on``, ``licence``,
``citation``, ``assumption``; and ``sample_rate``, the only one in Hz that it works at. A method ``environment()`` may
return what else determines the estimates. ``mss-bench separators check external:python=PATH,script=FILE.py`` holds it
to all that.

Recipes
-------
These scripts come with the package, in ``mss_bench/separators/external/recipes``; each says how its environment is
made. They are named without path and ending, and are meant to be copied where something else is wanted::

    separators:
      # Spleeter 2.4.2: Python 3.8 to 3.11, NumPy 1, TensorFlow 2.12. stems: 2, 4 or 5. MIT.
      - {name: external, as: spleeter, python: /venvs/spleeter/bin/python, script: spleeter,
         weights: /models/spleeter/4stems, stems: 4}
      # Asteroid 0.7: any of its models from a local file; targets in the order of its outputs. MIT.
      - {name: external, as: convtasnet, python: /venvs/asteroid/bin/python, script: asteroid,
         weights: /models/convtasnet.pth, targets: [vocals, accompaniment], sample_rate: 44100,
         trained_on: [musdb18/train]}
      # audio-separator 0.47: the models of UVR; weights is its model folder after one download. MIT.
      - {name: external, as: bs_roformer, python: /venvs/audio-separator/bin/python, script: audio_separator,
         weights: /models/uvr, model: model_bs_roformer_ep_317_sdr_12.9755.ckpt}
      # Any separator of this package, installed over there with other versions of what it needs.
      - {name: external, as: umx, python: /venvs/umx/bin/python, script: mss_bench,
         separator: {name: model, manifest: /models/umx/manifest.yaml}}

The licences are those of the code; weights have their own.

`Command`: any program
----------------------
A program that reads a WAV file and writes others, see `mss_bench.separators.external.command.Command`::

    separators:
      - {name: command, as: my_tool, targets: [vocals, accompaniment], sample_rate: 44100, release: "1.4",
         command: "my_tool -i {input} -o {output_dir}", pattern: "*_({target})_*.wav"}
      # map says what the names of its stems mean, here as with every way in (`mss_bench.core.stem_map`).
      - {name: command, as: six_stems, targets: [vocals, drums, bass, other, guitar, piano],
         map: {other: [guitar, piano, other]}, command: "demucs -n htdemucs_6s -o {output_dir} {input}"}
"""
