"""A recurrent language model: options, data, network, training, scores, writing."""
