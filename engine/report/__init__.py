"""The report: one HTML file with inline charts that needs nothing but a browser."""
