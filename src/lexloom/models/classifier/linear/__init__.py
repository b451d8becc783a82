"""The linear text classifier (fastText's supervised model: Joulin et al. 2016) in Numba: a document is the mean of the rows of its words
and n-grams, and a last layer takes that to labels. No torch is needed here."""
