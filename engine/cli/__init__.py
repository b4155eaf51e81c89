"""The command line: one module per command, each builds requests, runs them and shows what came back."""
