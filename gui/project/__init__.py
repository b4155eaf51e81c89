"""The window's side of a project: saving, restoring, and the page of the history."""
