"""The parts of the Data dialog."""
