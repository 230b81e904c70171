"""How an estimate sounds: models of hearing, and measures of single artifacts.

`two_f` and `peaq` hold the 2f-model, `artifacts` measures of single artifacts, `decomposition` the split of an
estimate's error by PEASS, `peass` and `visqol` what other packages compute, `embeddings` distances of embeddings, and
`degradations` the constructed degradations that show what a metric reacts to.
"""
