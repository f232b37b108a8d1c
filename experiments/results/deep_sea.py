"""DeepSea in three sizes, an environment that random actions solve in one of 2^size episodes.

python experiments/results/run.py --envs experiments.results.deep_sea:size_10
"""

from functools import partial

from jaxdqn import envs

size_10, size_14, size_20 = (
    partial(envs.gymnax, "DeepSea-bsuite", size=size) for size in (10, 14, 20)
)
"""`() -> Env` with as many steps an episode."""
