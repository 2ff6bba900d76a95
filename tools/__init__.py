"""Programs for people who work on Vitrail; none is needed to run it."""
