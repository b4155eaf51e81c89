"""The `.bitsmith` project: everything but the model, in one file; and what is left of it after a crash."""
