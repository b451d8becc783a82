"""Models for other runtimes, each with a check that it answers as the original does."""
