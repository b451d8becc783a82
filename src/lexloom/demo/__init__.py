"""The tour: word vectors, language models and a classifier from the text that every machine already has."""
