"""Runs: everything with side effects, from the command line to checkpoints and pictures."""
