"""Policies in NumPy for whole teams, from random to sensible, that reach all rules of the game."""

from typing import Any

import numpy as np

from jaxdqn.envs.lux import board, rules

State = Any
"""A `board.State` of NumPy arrays."""
Actions = tuple[np.ndarray, np.ndarray]


def uniform(rng: np.random.Generator, state: State) -> Actions:
    """Any action, legal or not."""
    worker = rng.integers(0, rules.BUILD_CITY + 1, len(state.workers.alive))
    return worker, rng.integers(0, rules.RESEARCH + 1, len(state.kind))


def builder(rng: np.random.Generator, state: State) -> Actions:
    """Builds city tiles beside its cities, at times elsewhere; tiles build workers, or research."""
    return act(rng, state, noise=0.1, home=0.0)


def keeper(rng: np.random.Generator, state: State) -> Actions:
    """Carries fuel home until the cities can pay for a night, then builds next to them."""
    need = int(state.upkeep.sum()) * rules.NIGHT_LENGTH
    return act(rng, state, noise=0.1, home=1.0 if state.fuel.sum() < 1.5 * need else 0.0)


def erratic(rng: np.random.Generator, state: State) -> Actions:
    """Half of the actions at random, so that workers meet; a full cargo goes home or is built with, as often."""
    return act(rng, state, noise=0.5, home=0.5)


POLICIES = {"uniform": uniform, "builder": builder, "keeper": keeper, "erratic": erratic}


def act(rng: np.random.Generator, state: State, noise: float, home: float) -> Actions:
    """A share `noise` of random actions; a full cargo goes home with probability `home`."""
    workers, table = state.workers, board.neighbours(len(state.kind))
    researched = [state.research >= rules.RESEARCH_POINTS[k] for k in sorted(rules.FUEL)]
    open_ = np.array([False, *researched])[state.kind] & (state.amount > 0)
    to_source, to_city = distance(open_), distance(state.city >= 0)
    empty = (state.amount == 0) & (state.city < 0)
    beside = np.any(np.append(state.city >= 0, False)[table], axis=1)
    to_site = distance(empty & beside)
    action = np.full(len(workers.alive), rules.STAY)
    for slot in np.flatnonzero(workers.alive):
        cell = workers.cell[slot]
        full = workers.cargo[slot].sum() >= rules.CAPACITY
        if rng.random() < noise:
            action[slot] = rng.integers(rules.STAY, rules.BUILD_CITY + 1)
        elif not full:
            action[slot] = towards(rng, to_source, cell)
        elif rng.random() < home:
            action[slot] = towards(rng, to_city, cell)
        elif empty[cell] and (beside[cell] or rng.random() < 0.1):
            action[slot] = rules.BUILD_CITY
        else:
            action[slot] = towards(rng, to_site, cell)
    grows = workers.alive.sum() < (state.city >= 0).sum()
    tile = np.full(len(state.kind), rules.BUILD_WORKER if grows else rules.RESEARCH)
    other = rng.random(len(tile)) < noise
    return action, np.where(other, rng.integers(0, rules.RESEARCH + 1, len(tile)), tile)


def distance(goal: np.ndarray) -> np.ndarray:
    """`[C]`: steps to the nearest cell of `goal [C]`; a large number if there is none."""
    steps, table = np.where(goal, 0, 10_000), board.neighbours(len(goal))
    while True:
        nearer = np.minimum(steps, np.append(steps, 10_000)[table[:, 1:]].min(axis=1) + 1)
        if (nearer == steps).all():
            return steps
        steps = nearer


def towards(rng: np.random.Generator, steps: np.ndarray, cell: int) -> int:
    """The action that reduces `steps [C]` most; ties are broken at random, at the goal it stays."""
    around = np.append(steps, 10_000)[board.neighbours(len(steps))[cell]]
    return int(rng.choice(np.flatnonzero(around == around.min())))
