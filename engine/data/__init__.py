"""Samples: files and folders that become batches of model inputs."""
