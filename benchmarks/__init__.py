"""Measurements with a fixed method, run by hand (`make bench`), never by the tests."""
