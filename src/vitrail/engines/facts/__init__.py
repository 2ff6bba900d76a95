"""The embedded engine: perception makes facts of pictures, a small language model answers, code checks the answer."""
