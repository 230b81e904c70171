"""What other places read: RO-Crate and Zenodo metadata, Hugging Face's evaluation results, Croissant of data sets."""
