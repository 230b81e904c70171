"""A small network of our own, trained on songs of the demo's train split and shipped with the package.

`separator` runs it through ONNX Runtime. Its training, and a study of what cost functions do, are not part of the
package: they are scripts in the folder ``reports/separators/demo_net`` of the repository.
"""
