"""An image reference -> a prepared image: fetch, sniff, tile, decode."""
