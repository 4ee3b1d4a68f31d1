"""How right the primitives are without weights, against ground truth."""
