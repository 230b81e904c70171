"""Signal processing that separators, metrics and listening tests share: transforms, masks, filters, factorisation."""
