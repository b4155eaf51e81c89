"""Graph passes, one change per file; every one leaves the function that the graph computes unchanged."""
