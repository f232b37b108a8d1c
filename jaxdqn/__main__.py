"""`python -m jaxdqn`: the same program as `python experiments/train.py`."""

from jaxdqn.runs import cli, experiment

cli.main(experiment.EnvArgs, experiment.train)
