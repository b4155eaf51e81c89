"""The layers × bits page: item model, painting, view and overview."""
