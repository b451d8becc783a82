"""One training path for all models: Lightning's Trainer, with the callbacks that keep, tell and stop."""
