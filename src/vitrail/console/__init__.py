"""The console: static pages that talk to the public API alone. Served by `http_api/console.py`; no code runs here."""
