"""Plain frozen values and pure rules of Vitrail; imports the standard library alone."""
