"""Trains a deep Q-learning agent on CartPole-v1. All choices of DQN are on this page.

python experiments/cartpole.py
python experiments/cartpole.py --agent double --seeds 8 --seed 100 --config.gamma 0.98

`experiments/train.py` does the same for any environment.
"""

from dataclasses import replace

from jaxdqn import envs, networks
from jaxdqn.config import Config
from jaxdqn.recipes import ALGORITHMS, AgentName, Recipe
from jaxdqn.recipes.classic import CARTPOLE_AGENTS
from jaxdqn.runs import cli, experiment

# The observation is cart position, cart velocity, pole angle and pole angular velocity. An episode
# ends at position 2.4 m or angle 0.21 rad; velocities stay below about 2 m/s and 2 rad/s.
OBS_SCALE = (1 / 2.4, 1 / 2, 1 / 0.21, 1 / 2)

CONFIG = Config(
    # Each iteration takes one step in each of eight environments, then makes two gradient steps.
    num_envs=8,
    num_steps=1,
    num_updates=2,
    # Replay: the agent acts at random for 1,000 steps, then learns from batches of past transitions.
    learning_starts=1_000,
    buffer_size=200_000,
    batch_size=128,
    # Target: three rewards, then the value of the target network, which follows the Q-network by
    # 0.4 of the distance every eight updates. Returns discount the future by 0.996 a step.
    n_step=3,
    gamma=0.996,
    target_period=8,
    tau=0.4,
    # Exploration: the probability of a random action falls from 1 to 0.05 in the first 45 % of the steps.
    epsilon_start=1.0,
    epsilon_end=0.05,
    exploration_fraction=0.45,
    # Optimizer: Adam, whose step size falls to 0, with clipped gradients.
    learning_rate=2.5e-3,
    adam_epsilon=1e-4,
    max_grad_norm=10.0,
    # Two hidden layers.
    features=(64, 64),
    # Distributional agents (c51, hl-gauss, rainbow) predict returns in this range: with the discount
    # 0.996, a reward of 1 per step is worth at most 250.
    v_min=0.0,
    v_max=250.0,
)


def recipe(agent: AgentName) -> Recipe:
    """The environment, the network and the hyperparameters with which `agent` learns."""
    return Recipe(
        env_name="CartPole-v1",
        env=envs.gymnax("CartPole-v1"),
        agent_name=agent,
        algorithm=ALGORITHMS[agent],
        # Dense layers, each with layer normalisation and ReLU; to change the network, change this line.
        # The last of `features` belongs to the head in dueling, iqn, noisy and rainbow.
        torso=lambda config, scale: networks.mlp(config.features, scale, networks.norm_relu),
        # Hyperparameters in which other agents differ are in jaxdqn/recipes, algorithms.py and classic.py.
        config=replace(CONFIG, **ALGORITHMS[agent].defaults, **CARTPOLE_AGENTS.get(agent, {})),
        obs_scale=OBS_SCALE,
        steps=50_000,
        eval_interval=1_000,
        solved_at=475.0,
    )


def main(args: experiment.Args) -> None:
    """Trains into a new directory under runs/CartPole-v1/."""
    experiment.main(lambda: recipe(args.agent), args)


if __name__ == "__main__":
    cli.main(experiment.Args, main)
