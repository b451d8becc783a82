"""Models: a folder per task, and `loading`, which opens any of them."""
