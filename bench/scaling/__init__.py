"""The capacity model of docs/scaling.md: what a load needs, by figures that were measured, checked by a simulation."""
