"""Trains a deep Q-learning agent on any environment; the same program as `python -m jaxdqn`.

python experiments/train.py --env Acrobot-v1
python experiments/train.py --env Breakout-MinAtar --agent pqn --seeds 2
python experiments/train.py --env my_package.my_env:make
"""

from jaxdqn.runs import cli, experiment

if __name__ == "__main__":
    cli.main(experiment.EnvArgs, experiment.train)
