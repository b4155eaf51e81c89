"""The network as a picture: which boxes stand for its nodes, and where they are.

The layout is written out here, with SciPy for the numerics. Of the libraries, those with a licence that fits
know no box sizes, cannot be cancelled, and take most of a minute where thousands of nodes share a long edge.
"""
