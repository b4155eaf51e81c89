"""Schemes, affine arithmetic and packing: pure numpy, no model in sight."""
