"""Variance of episode returns, split into exploration noise and differences between policies.

Law of total variance: `Var[return] = E[Var(return | policy)] + Var[E(return | policy)]`. The
first term is the variance between episodes of one policy (exploration and start states), the
second the variance between policies. A training curve has one episode per policy and cannot
separate them; so each policy plays several further episodes.
"""

from typing import NamedTuple

import jax
import numpy as np

from experiments.results.estimates import Estimate, bootstrap
from experiments.wobble.episodes import Draw, random_if
from jaxdqn import evaluation
from jaxdqn.agents import Agent
from jaxdqn.envs import VectorEnv
from jaxdqn.networks import Params


class Split(NamedTuple):
    """The two terms of a variance, in squared units of the return; their sum is the total."""

    exploration: np.ndarray
    """`[...]`, `E[Var(return | policy)]`."""
    policy: np.ndarray
    """`[...]`, `Var[E(return | policy)]`; unbiased, so it can be negative if the true value is near zero."""


def repeat_episodes(
    key: jax.Array,
    params: Params,
    epsilon: jax.Array,
    env: VectorEnv,
    agent: Agent,
    draw: Draw,
) -> jax.Array:
    """Returns `[P, K]` of one new episode in each of K environments with each of P policies.

    Policy p has the parameters `params [P, ...]` at p and its own `epsilon [P]`, compared with
    `draw` as in training. Nothing is learnt.
    """

    def one(policy: tuple[jax.Array, Params, jax.Array]) -> jax.Array:
        key, params, epsilon = policy
        acting = random_if(draw, agent.explore, epsilon)
        return evaluation.evaluate(key, params, env, acting).returns

    return jax.lax.map(one, (jax.random.split(key, epsilon.shape[0]), params, epsilon))


def split(returns: np.ndarray) -> Split:
    """The variance of `returns [..., P, K]`, K episodes with each of P policies; both at least 2.

    One-way analysis of variance with random effects (Searle et al., 1992, section 3.6): the
    variance of the P means is that of the policies plus `exploration / K`, which is subtracted.
    """
    returns = np.asarray(returns, float)
    if returns.ndim < 2 or min(returns.shape[-2:]) < 2:
        raise ValueError(f"returns {returns.shape} must be [..., P, K], both at least 2.")
    exploration = np.mean(np.var(returns, axis=-1, ddof=1), axis=-1)
    of_means = np.var(np.mean(returns, axis=-1), axis=-1, ddof=1)
    return Split(exploration, of_means - exploration / returns.shape[-1])


def exploration_share(parts: Split, num_resamples: int = 2_000) -> Estimate:
    """The fraction of exploration noise: `Σ exploration / Σ (exploration + policy)` over seeds `[S]`.

    A ratio of sums, because the ratio of a single seed is biased and its denominator may not be
    positive. The interval is the percentile bootstrap over seeds. Not clipped to [0, 1]; NaN if
    no return varies.
    """
    exploration, policy = map(np.ravel, parts)
    total = exploration + policy
    if not total.any():
        return Estimate(*[float("nan")] * 3)

    def share(rows: np.ndarray) -> np.ndarray:
        return exploration[rows].sum(axis=-1) / total[rows].sum(axis=-1)

    with np.errstate(invalid="ignore", divide="ignore"):
        return bootstrap(share, len(total), num_resamples)
