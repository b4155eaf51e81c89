"""The Trade-off page: plans as points of cost and quality, predicted and measured."""
