"""The entry of a submission to Kaggle, there `main.py`: `agent` is called once a turn."""

from pathlib import Path

import numpy as np

from experiments.lux import network, position, team

# Kaggle executes this file without `__file__`.
POLICY = dict(np.load(Path(network.__file__).with_name("policy.npz")))
PLAYING = {}


def act(obs):
    """The action with the highest value."""
    return int(np.argmax(network.q_values(POLICY, obs)))


def agent(observation, configuration):
    """The commands of team `observation["player"]`; Kaggle calls the last function of the file."""
    player, turn, updates = (observation[key] for key in ("player", "step", "updates"))
    if turn == 0:
        PLAYING[player] = team.Team(act, player, size=int(updates[1].split(" ")[0]))
    return PLAYING[player].commands(position.parse(updates), turn)
