"""Signal processing that several separators share: STFT, masks, multichannel Wiener filter."""
