"""The REST surface: JSON to domain values and back, errors to statuses. Knows nothing of pixels, engines or SQL."""
