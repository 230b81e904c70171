"""A small network of our own, trained on songs of the demo's train split and shipped with the package.

`separator` runs it through ONNX Runtime. What made it is not part of the package: the training, and a study of what cost
functions do, are scripts in the folder ``reports/separators/demo_net`` of the repository.
"""
