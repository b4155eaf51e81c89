"""Dialogs: each collects an answer and hands it out as a signal; none of them starts a job."""
