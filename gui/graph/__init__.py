"""The Graph page: the network as boxes and edges, coloured by what its layers lose, take and cost."""
