"""Decoding: from a model's next-token probabilities to text, one step at a time."""
