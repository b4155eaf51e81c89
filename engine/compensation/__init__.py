"""Weights whose codes are chosen by what the layers read, so that outputs stay close to float.

`walk` goes through the network and collects `moments` of each layer's inputs; `rounding` turns them into codes.
"""
