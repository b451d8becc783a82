"""Models for other runtimes, each with a check that it predicts what the original does."""
