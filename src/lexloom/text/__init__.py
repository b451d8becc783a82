"""From text to tokens, a vocabulary, and a store of ids."""
