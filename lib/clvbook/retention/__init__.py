"""Is keeping customers worth its cost, and whom: what was lost, why, and what to spend."""
