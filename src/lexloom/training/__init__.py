"""Training: the loop, and the road of a task from its folder to a saved result."""
