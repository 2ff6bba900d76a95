"""SQL and nothing but SQL: keys, completions and what must survive a restart."""
