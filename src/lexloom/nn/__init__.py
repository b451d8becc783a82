"""Building blocks of models: the embedding layer, recurrent cells, dropout, softmax. Everything here needs torch."""
