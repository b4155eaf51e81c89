"""A torch form of the prepared graph: an interpreter that autograd sees through.

`graph.TorchGraph` runs nodes in order; `table.OPERATORS` holds one small function per ONNX operator, grouped
by kind in the modules beside it. Torch is imported by these modules, so jobs import them when they need them.

Why not a converter: onnx2torch reads single opsets per operator and is hardly maintained, onnx2fx is young and
traces to a module whose layers cannot be told apart by our names; both would be asked for weights, edges and
cuts that an interpreter simply has.
"""
