"""`python -m jaxdqn`: the same program as `python experiments/cartpole.py`."""

from jaxdqn.runs import cli, experiment

cli.main(experiment.Args, experiment.main)
