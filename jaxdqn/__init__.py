"""Deep Q-learning as pure functions. Import the modules: `from jaxdqn import agents, envs, training`.

Nothing is imported here, so that `--help` and the pure modules never pay for
what they do not use (gymnax alone costs seconds).
"""
