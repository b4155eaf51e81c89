"""Requests and results of every job: frozen, picklable, plain. The contract between window and engine.

A request names files, never holds arrays; `engine.jobs.operations` runs it. Paths are strings so that
a request prints and compares well.
"""
