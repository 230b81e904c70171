"""Run again what a bundle says: the recipe that goes into it, and the comparison of its numbers with new ones."""
