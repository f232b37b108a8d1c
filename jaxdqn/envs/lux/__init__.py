"""Lux AI Season 1 for one team: `turn.play` is one turn of all workers and city tiles."""
