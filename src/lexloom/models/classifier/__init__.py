"""Text classifiers: options, labels, data, network, training, answers, scores; the linear classifier has its own folder."""
