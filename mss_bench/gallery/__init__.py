"""Galleries: every method and every metric of the package shown at work, as pages of figures and tables."""
