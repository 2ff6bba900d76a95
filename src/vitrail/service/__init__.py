"""The use cases: where the steps of a request are put in order."""
