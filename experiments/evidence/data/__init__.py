"""Data sets of images and texts: readers, where they are found, and what a run takes of them."""
