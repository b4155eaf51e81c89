"""What each layer takes on this machine: plain figures, their prediction for a plan, and the measuring."""
