"""Programs that make choices: each is run, as `python experiments/cartpole.py` or `python -m experiments.cartpole`."""
