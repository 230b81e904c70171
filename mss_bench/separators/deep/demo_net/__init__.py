"""A small network of our own, trained on songs of the demo's train split and shipped with the package.

`separator` runs it through ONNX Runtime; the other modules made it and need PyTorch: `train` is the command, `data`,
`features` and `bands` what it learns from, `network` and `losses` what learns and from which costs, `export` what is
shipped. How the training went and what the cost functions do is shown in ``reports/separators/demo_net``.
"""
