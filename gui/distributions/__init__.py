"""The Distributions page: weights and inputs of the selected layer, and the range that they are clipped to."""
