"""Deployment bundles: a model with all that serves it, checked by running it before it gets its name."""
