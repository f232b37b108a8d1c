"""Trains a deep Q-learning agent on CartPole-v1; the same program as `python -m jaxdqn`.

python experiments/cartpole.py
python experiments/cartpole.py --agent double --seeds 8 --seed 100 --config.gamma 0.98
"""

from jaxdqn.runs import cli, experiment

if __name__ == "__main__":
    cli.main(experiment.Args, experiment.main)
