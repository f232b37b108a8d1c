"""The games of the original package `minatar`, put into states of this package and with all their random outcomes."""

import importlib
import itertools

import numpy as np

MODULES = {
    "Asterix": "asterix",
    "Breakout": "breakout",
    "Freeway": "freeway",
    "Seaquest": "seaquest",
    "SpaceInvaders": "space_invaders",
}


def original(game, difficulty_ramping=True):
    return importlib.import_module(f"minatar.environments.{MODULES[game]}").Env(difficulty_ramping)


class Choices:
    """Random numbers by a list of decisions, which is extended by the first of each new one."""

    def __init__(self, decisions):
        self.decisions, self.sizes = list(decisions), []

    def choose(self, options):
        k = len(self.sizes)
        self.sizes.append(len(options))
        self.decisions += [0] * (k + 1 - len(self.decisions))
        return options[self.decisions[k]]

    def rand(self):
        # On either side of the thresholds 1/3 and 1/2.
        return self.choose([0.1, 0.9])

    def randint(self, low, high=None):
        return self.choose(range(low) if high is None else range(low, high))


class Speeds:
    """Random numbers of Freeway that give these speeds."""

    def __init__(self, speeds):
        self.speeds = speeds

    def randint(self, low, high, size):
        assert np.all((low <= abs(self.speeds)) & (abs(self.speeds) < high))
        return abs(self.speeds)

    def rand(self, size):
        return np.where(self.speeds > 0, 0.9, 0.1)


def outcomes(env, game, state, action, after):
    """`(reward, terminal)` of `action` in `state`, with `env` after it, for every outcome of the random numbers.

    In Freeway only for that outcome that gives the speeds of `after`.
    """
    if game == "Freeway":
        vars(env).update(attributes(game, state), terminal=False, random=Speeds(after.speed))
        env.terminate_timer = 1
        yield env.act(action)
        return
    decisions = []
    while decisions is not None:
        vars(env).update(attributes(game, state), terminal=False)
        env.random = random = Choices(decisions)
        yield env.act(action)
        decisions = following(random)


def following(random):
    """The next list of decisions in lexicographic order; None after the last one."""
    for k in reversed(range(len(random.sizes))):
        if random.decisions[k] + 1 < random.sizes[k]:
            return [*random.decisions[:k], random.decisions[k] + 1]
    return None


def attributes(game, state):
    """Those of the original game, from a state of this package as NumPy arrays."""
    return ATTRIBUTES[game](state)


def canonical(attributes):
    """For comparison: arrays as lists, and bullets of enemies, of which equal ones count once, without order."""
    plain = {k: x.tolist() if isinstance(x, np.ndarray) else x for k, x in attributes.items()}
    if "e_bullets" in plain:
        plain["e_bullets"] = {tuple(x) for x in plain["e_bullets"]}
    return plain


def asterix(s):
    rows = zip(*(x.tolist() for x in s.entities), range(1, 9), strict=True)
    return {
        "player_x": int(s.x),
        "player_y": int(s.y),
        "entities": [
            [x, row, right, gold] if alive else None for x, right, gold, alive, row in rows
        ],
        **{name: int(getattr(s, name)) for name in s._fields if name.endswith(("speed", "timer"))},
        "ramp_index": int(s.ramp_index),
    }


def breakout(s):
    names = "ball_y", "ball_x", "ball_dir", "pos", "brick_map", "strike", "last_x", "last_y"
    return numbers(s.state, names)


def freeway(s):
    cars = zip(s.x.tolist(), range(1, 9), s.car_timer.tolist(), s.speed.tolist(), strict=True)
    return {"pos": int(s.y), "move_timer": int(s.move_timer), "cars": [list(car) for car in cars]}


def space_invaders(s):
    maps = "f_bullet_map", "e_bullet_map", "alien_map"
    others = (
        "pos", "alien_dir", "enemy_move_interval", "alien_move_timer", "alien_shot_timer",
        "ramp_index", "shot_timer",
    )  # fmt: skip
    return numbers(s.state, (*maps, *others))


def numbers(state, names):
    # Plain numbers, because the game changes arrays in place.
    arrays = {name: np.array(getattr(state, name)) for name in names}
    return {name: x if x.ndim else x.item() for name, x in arrays.items()}


def seaquest(s):
    def objects(found, shown, *names):
        """Oldest first."""
        columns = (getattr(found, name).tolist() for name in ("x", "y", "right", *names))
        rows = zip(*columns, (found.alive & shown).tolist(), strict=True)
        return [list(row[:-1]) for row in rows if row[-1]][::-1]

    cells = itertools.product((False, True), range(10), range(10))
    return {
        "sub_x": int(s.x),
        "sub_y": int(s.y),
        "sub_or": bool(s.right),
        "surface": bool(s.surfaced),
        "f_bullets": objects(s.bullets, True),
        "e_bullets": [[x, y, right] for right, y, x in cells if s.enemy_bullets[int(right), y, x]],
        "e_fish": objects(s.enemies, ~s.enemies.is_sub, "move_timer"),
        "e_subs": objects(s.enemies, s.enemies.is_sub, "move_timer", "shot_timer"),
        "divers": objects(s.divers, True, "move_timer"),
        "e_spawn_speed": int(s.spawn_speed),
        "e_spawn_timer": int(s.spawn_timer),
        "d_spawn_timer": int(s.diver_timer),
        **{k: int(getattr(s, k)) for k in ("oxygen", "diver_count", "move_speed", "ramp_index")},
        "shot_timer": int(s.shot_timer),
    }


ATTRIBUTES = {
    "Asterix": asterix,
    "Breakout": breakout,
    "Freeway": freeway,
    "Seaquest": seaquest,
    "SpaceInvaders": space_invaders,
}


def agrees(game, env, before, action, after, reward, terminated, obs):
    """Whether the step is one of the outcomes of the original."""
    expected = canonical(attributes(game, after))
    for found_reward, terminal in outcomes(env, game, before, action, after):
        if found_reward == reward and terminal == terminated and np.array_equal(env.state(), obs):
            if canonical({name: vars(env)[name] for name in expected}) == expected:
                return True
    return False
