"""Environments by name: those of this package, of gymnax and other suites, and functions of the user."""

import contextlib
import difflib
import functools
import importlib
import sys
import traceback
from pathlib import Path
from typing import Any

from jaxdqn.config import ConfigError
from jaxdqn.envs import lux, snake, suites
from jaxdqn.envs.env import Env, check
from jaxdqn.envs.gymnax import gymnax, gymnax_names, is_gymnax
from jaxdqn.envs.minatar import GAMES, minatar_paper

OWN = {
    "snake": snake.make,
    "lux": lux.make,
    "lux-16": functools.partial(lux.make, 16),
    **{f"minatar-paper/{game}": functools.partial(minatar_paper, game) for game in GAMES},
}
"""Environments of this package."""
NEAREST = 3
"""Names that are suggested in place of an unknown one."""


def make(name: str) -> Env:
    """The environment `name`.

    - `snake`, `minatar-paper/Breakout`: of this package;
    - `CartPole-v1` and other names of gymnax;
    - `jumanji/Snake-v1`, `pgx/minatar-breakout`, `navix/Navix-Empty-5x5-v0`: of another suite;
    - `package.module:function`: the result of `function()`, an `Env`; the module is found from
      the current directory.

    Raises `ConfigError` if there is no such environment, or if its functions do not fit each other.
    """
    suite, _, rest = name.partition("/")
    if ":" in name:
        module, function = name.split(":", 1)
        build = functools.partial(_call, name, module, function)
    elif name in OWN:
        build = OWN[name]
    elif suite in suites.SUITES and name in suites.names(suite):
        build = functools.partial(suites.SUITES[suite], rest)
    elif is_gymnax(name):
        build = functools.partial(gymnax, name)
    else:
        # Other suites are not imported for this: it takes seconds, and some of them write files.
        known = suites.names(suite) if suite in suites.SUITES else [*OWN, *gymnax_names()]
        near = ", ".join(difflib.get_close_matches(name, known, NEAREST, cutoff=0.0))
        rule = f"must be a known environment, such as {near}; see `python -m jaxdqn --list-envs`."
        raise ConfigError("env", name, rule)
    try:
        env = build()
        if not isinstance(env, Env):
            raise ValueError(f"the function must return an Env, not {type(env).__name__}.")
        check(env)
    except ConfigError:
        raise
    except Exception as error:
        # The function of a user, or of a suite, may raise anything.
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = (
            f"{type(error).__name__}: {error} ({Path(where.filename).name}, line {where.lineno})"
        )
        reason = str(error) if type(error) is ValueError else reason
        raise ConfigError("env", name, f"must be a valid environment: {reason}") from error
    return env


def names() -> list[str]:
    """All names that `make` knows: of this package, of gymnax, and of the suites that are installed."""
    found = [*OWN, *gymnax_names()]
    for suite in filter(suites.is_installed, suites.SUITES):
        with contextlib.suppress(ConfigError):  # Installed, but it cannot be imported.
            found += suites.names(suite)
    return found


def _call(name: str, module: str, function: str) -> Any:
    """The result of `module:function` of the user."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), function, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # The module exists; one that it imports does not.
        rule = (
            f"must name a module that can be imported from {Path.cwd()}; there is no {error.name}."
        )
        raise ConfigError("env", name, rule) from None
    if not callable(found):
        raise ConfigError("env", name, f"must name a function of {module}; there is no {function}.")
    return found()
