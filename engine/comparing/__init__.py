"""Where a result and its float model part: layer by layer, and sample by sample."""
