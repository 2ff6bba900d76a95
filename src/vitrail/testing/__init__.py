"""Vitrail as a stand-in for the cloud in other people's tests: a pytest plugin, and the server that it starts."""
