"""The Compare page: results against float, and where and why they differ."""
