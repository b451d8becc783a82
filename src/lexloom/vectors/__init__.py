"""Word vectors: train, keep, question, judge, plot."""
