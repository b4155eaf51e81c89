"""From a prepared graph and a plan to a verified file."""
