"""What compiled code shares: compilation, vectors of sixteen floats, aligned memory, threads, hashes of tokens."""
