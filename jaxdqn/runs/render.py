"""Animation of an episode of CartPole."""

import math
from pathlib import Path

import jax
import numpy as np
from PIL import Image, ImageDraw

from jaxdqn.envs import VectorEnv
from jaxdqn.networks import Params
from jaxdqn.policies import Policy
from jaxdqn.training import rollout
from jaxdqn.transition import Transition

WIDTH, HEIGHT, SCALE = 360, 200, 2
TRACK = 150
PIXELS_PER_METRE = WIDTH / 5.2
POLE_LENGTH = 1.0
"""In metres; `length` in gymnax is half of it."""
FRAME_STEPS = 2
"""Environment steps per frame."""
STEP_MS = 20
"""Duration of an environment step in milliseconds."""


def episode(key: jax.Array, params: Params, env: VectorEnv, policy: Policy) -> np.ndarray:
    """Observations `[T, *obs]`, T ≤ 1000, of the first episode in the first environment."""

    def play(key: jax.Array) -> Transition:
        reset_key, rollout_key = jax.random.split(key)
        actor = rollout.init(reset_key, env)
        return rollout.collect(rollout_key, params, actor, env, policy, 1.0, 1000)[1]

    transitions = jax.device_get(jax.jit(play)(key))
    ends = np.flatnonzero(transitions.done[:, 0])
    return transitions.obs[: ends[0] + 1 if ends.size else None, 0]


def gif(path: Path, obs: np.ndarray) -> None:
    """Writes one episode `obs [T, 4]` of CartPole in real time, one frame for every second step."""
    shown = range(0, len(obs), FRAME_STEPS)
    frames = [frame(obs[t], caption=f"step {t + 1}") for t in shown]
    # A common palette: 30 times as fast as computing one for each frame.
    palette = frames[0].quantize(32)
    frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in frames]
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=FRAME_STEPS * STEP_MS,
        loop=0,
        optimize=False,
    )


def frame(obs: np.ndarray, caption: str = "") -> Image.Image:
    """Image of `obs [4]`: cart position (m) and velocity, pole angle (rad, positive to the right) and velocity."""
    position, _, angle, _ = (float(x) for x in obs)
    # Drawn at twice the size and reduced, because PIL does not antialias lines.
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "#fbfaf7")
    draw = ImageDraw.Draw(image)
    metre = PIXELS_PER_METRE * SCALE
    x, y = WIDTH * SCALE / 2 + position * metre, TRACK * SCALE
    for end in (-2.4, 2.4):
        stop = WIDTH * SCALE / 2 + end * metre
        draw.line([(stop, y - 24), (stop, y + 24)], fill="#c9c3b8", width=4)
    draw.line([(0, y), (WIDTH * SCALE, y)], fill="#8d8778", width=3)
    draw.rounded_rectangle([x - 50, y - 30, x + 50, y + 30], radius=8, fill="#1f2933")
    tip = (
        x + math.sin(angle) * POLE_LENGTH * metre,
        y - 30 - math.cos(angle) * POLE_LENGTH * metre,
    )
    draw.line([(x, y - 30), tip], fill="#c2410c", width=16)
    for centre_x, centre_y in ((x, y - 30), tip):
        draw.ellipse([centre_x - 8, centre_y - 8, centre_x + 8, centre_y + 8], fill="#c2410c")
    draw.text((12, 8), caption, fill="#52606d", font_size=24)
    return image.reduce(SCALE)
