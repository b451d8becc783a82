"""What a training and its results look like: pictures for people."""
