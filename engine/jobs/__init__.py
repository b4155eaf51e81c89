"""Long operations as requests and results, and the worker process that runs them."""
