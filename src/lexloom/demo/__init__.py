"""The tour: word vectors from the text that every machine already has."""
