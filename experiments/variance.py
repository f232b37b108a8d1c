"""Is it the dice or the policy? The variance of a curve of returns, split by the law of total variance.

`Var[return] = E[Var(return | policy)] + Var[E(return | policy)]`: what one and the same
policy would scatter, and how far the policies really differ. A curve shows each
policy once and cannot tell; so each plays again.
"""

from typing import NamedTuple

import jax
import numpy as np

from experiments.episodes import Draw, random_if
from experiments.summary import Estimate
from jaxdqn import evaluation
from jaxdqn.agents import Agent
from jaxdqn.envs import Env
from jaxdqn.networks import Params


class Split(NamedTuple):
    """Parts of a variance, in squared units of the return; their sum is the whole."""

    dice: np.ndarray
    """`[...]`, `E[Var(return | policy)]`."""
    policy: np.ndarray
    """`[...]`, `Var[E(return | policy)]`; unbiased, so where the truth is near zero sometimes below it."""


def play_again(
    key: jax.Array,
    params: Params,
    epsilon: jax.Array,
    env: Env,
    agent: Agent,
    draw: Draw,
) -> jax.Array:
    """Returns `[P, K]` of a fresh episode in each of K worlds under each of P policies.

    Policy p is `params [P, ...]` at p with its own `epsilon [P]`, compared with `draw` as in training.
    Nothing is learnt.
    """

    def one(policy: tuple[jax.Array, Params, jax.Array]) -> jax.Array:
        key, params, epsilon = policy
        return evaluation.evaluate(key, params, env, random_if(draw, agent.explore, epsilon))

    return jax.lax.map(one, (jax.random.split(key, epsilon.shape[0]), params, epsilon))


def split(returns: np.ndarray) -> Split:
    """The variance of `returns [..., P, K]`, K episodes under each of P policies, both at least 2.

    One-way analysis of variance with random effects (Searle et al., 1992, section 3.6): the P means
    scatter by the policies' own variance and by `dice / K`, which is taken off.
    """
    returns = np.asarray(returns, float)
    if returns.ndim < 2 or min(returns.shape[-2:]) < 2:
        raise ValueError(f"returns {returns.shape} must be [..., P, K], both at least 2.")
    dice = np.mean(np.var(returns, axis=-1, ddof=1), axis=-1)
    of_means = np.var(np.mean(returns, axis=-1), axis=-1, ddof=1)
    return Split(dice, of_means - dice / returns.shape[-1])


def dice_share(parts: Split, num_resamples: int = 2_000) -> Estimate:
    """Which part of the variance is dice: `Σ dice / Σ (dice + policy)` over seeds `[S]`.

    Of sums, because a seed's own ratio has no bias to take off and may have no positive whole.
    The interval is the percentile bootstrap over seeds, the same at every call. Not clipped to
    [0, 1]; not a number where nothing varies.
    """
    dice, whole = (np.ravel(x) for x in (parts.dice, parts.dice + parts.policy))
    rows = np.random.default_rng(0).integers(len(dice), size=(num_resamples, len(dice)))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = dice[rows].sum(axis=1) / whole[rows].sum(axis=1)
        low, high = np.quantile(drawn, (0.025, 0.975))
        return Estimate(float(dice.sum() / whole.sum()), float(low), float(high))
