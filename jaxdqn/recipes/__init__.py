"""Recipes: which environment, networks and hyperparameters belong together."""
