"""The window: shows state and starts jobs, never computes. It imports the plain modules of `engine` only."""
