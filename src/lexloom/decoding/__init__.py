"""From a model that says what may come next to text: one step at a time, and how to draw from it."""
