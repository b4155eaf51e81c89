"""Activation statistics: collected once by streaming, reusable for any plan on the same model."""
