"""PyTorch in and out: archives become ONNX, plans become packed weights. Torch is loaded only when such a file is."""
