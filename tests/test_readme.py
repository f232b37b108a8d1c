"""The README's code runs as it stands, and its table names every file."""

import re

import jax
import optax
import pytest
import runner

README = (runner.ROOT / "README.md").read_text()


@pytest.mark.slow
def test_the_code_runs_as_it_stands(capsys):
    train, *variants = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {"jax": jax, "optax": optax}
    with jax.debug_key_reuse(False), jax.numpy_rank_promotion("allow"):
        exec(train, names)
        # Random play earns 22 an episode.
        assert float(capsys.readouterr().out) > 30
        for variant in variants:
            exec(variant, names)
            parts = (names[part] for part in ("config", "env", "agent", "memory"))
            trainer = names["training"].dqn(*parts, optax.adam(1e-3), lambda steps: 0.1)
            jax.eval_shape(
                lambda key, trainer=trainer: trainer.step(trainer.init(key)), jax.random.key(0)
            )


def test_the_table_asks_each_file_its_own_question():
    for path in (runner.ROOT / "jaxdqn").glob("[!_]*.py"):
        question = re.search(rf"`jaxdqn/{path.name}` \| ([^?|]*\?)", README)
        assert question, f"{path.name} is not in the table"
        first_line = path.read_text().splitlines()[0].strip('"')
        assert first_line.startswith(question[1]), (path.name, first_line)


def test_the_pictures_are_there_and_small():
    for name in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (runner.ROOT / name).stat().st_size < 300_000, name
