"""The tour: word vectors, language models and a classifier trained on text that every machine already has."""
