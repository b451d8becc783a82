"""Skip-gram in PyTorch, as textbooks write it: the reference for the kernels of `lexloom.vectors`."""
