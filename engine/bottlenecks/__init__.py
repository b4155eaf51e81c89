"""Why a quantized model is not faster than its float model on this computer, and what to do about it."""
