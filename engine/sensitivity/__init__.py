"""What each layer can bear: the matrix (plain data) and the ways to fill it."""
