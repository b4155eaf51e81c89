"""Opening a network, listing its layers, preparing and running its graph."""
