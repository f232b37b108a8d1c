"""DeepSea in three sizes, an environment that random actions solve in one of 2^size episodes.

python experiments/results/run.py --envs experiments.results.deep_sea:size_10
"""

from jaxdqn import envs
from jaxdqn.envs import Env


def size_10() -> Env:
    """Ten steps an episode."""
    return envs.gymnax("DeepSea-bsuite", size=10)


def size_14() -> Env:
    """Fourteen steps."""
    return envs.gymnax("DeepSea-bsuite", size=14)


def size_20() -> Env:
    """Twenty steps."""
    return envs.gymnax("DeepSea-bsuite", size=20)
