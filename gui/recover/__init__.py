"""The Recover page: the climb from cheap to costly rounding methods, live."""
