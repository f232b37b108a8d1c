"""Pictures of a policy: an animation of one episode, or a plot of its observations."""

import functools
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageColor, ImageDraw

from jaxdqn.envs import Env
from jaxdqn.networks import Params
from jaxdqn.policies import Policy
from jaxdqn.runs import plots
from jaxdqn.runs.directory import write_bytes

MAX_STEPS, MAX_FRAMES = 1_000, 500
"""Steps of an episode that are shown, and frames; longer episodes show every second step, and so on."""
SECONDS = 10.0
"""Length of an animation, at 20 to 200 ms a frame; 500 steps of CartPole are shown in real time."""
MIN_WIDTH = 240
"""Pixels; smaller images are enlarged by a whole factor."""
PALETTE = "#1f2933 #c2410c #2b6cb0 #2f855a #b7791f #805ad5 #d6409f #00a3bf #718096 #a0522d"
COLORS = np.array([ImageColor.getrgb(color) for color in PALETTE.split()], np.uint8)
"""Colours of the channels of an image observation."""
PAPER = np.array((251, 250, 247), np.uint8)


class EpisodeRecord(NamedTuple):
    """One episode of at most `MAX_STEPS` steps, of which T ≤ `MAX_FRAMES` are shown."""

    steps: np.ndarray
    """int `[T]`, the numbers of the steps that are shown."""
    action: np.ndarray
    """`[T]`."""
    reward: np.ndarray
    """`[T]`, from a step that is shown until the next one."""
    obs: np.ndarray
    """`[T, *obs]`."""
    images: np.ndarray | None
    """uint8 `[T, H, W, 3]` by the `render` of the environment; None if it has none."""


def draw(
    run_dir: Path, name: str, key: jax.Array, params: Params, env: Env, policy: Policy
) -> tuple[list[Path], EpisodeRecord | None]:
    """Draws one episode into `run_dir`; returns the path of the picture, and the episode.

    The animation `{name}.gif` shows the `render` of the environment, or observations that are grids
    as coloured channels. For other observations `{name}.png` plots them against time. A failure is
    a warning.
    """
    record = None
    try:
        record = play(key, params, env, policy)
        if record.images is not None:
            frames = [Image.fromarray(image) for image in record.images]
            return [gif(run_dir / f"{name}.gif", frames)], record
        if is_grid(record.obs[0]):
            return [gif(run_dir / f"{name}.gif", [grid(obs) for obs in record.obs])], record
        obs = record.obs.reshape(len(record.obs), -1)
        return [plots.observations(run_dir / f"{name}.png", record.steps, obs)], record
    except Exception as error:
        reason = str(error).strip().splitlines() or [""]
        print(f"warning: no picture: {type(error).__name__}: {reason[0]}", file=sys.stderr)
        return [], record


def play(key: jax.Array, params: Params, env: Env, policy: Policy) -> EpisodeRecord:
    """Plays one episode with `policy`."""
    limit = min(env.time_limit or MAX_STEPS, MAX_STEPS)

    def step(state: Any, key: jax.Array) -> tuple[Any, Any]:
        policy_key, env_key = jax.random.split(key)
        action = policy(policy_key, params, env.observe(state)[None])[0]
        after, reward, terminated = env.step(env_key, state, action)
        after = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), after, state)
        return after, (state, action, reward, terminated)

    def whole(key: jax.Array) -> Any:
        reset_key, key = jax.random.split(key)
        state = jax.tree.map(jnp.asarray, env.reset(reset_key))
        return jax.lax.scan(step, state, jax.random.split(key, limit))[1]

    states, action, reward, terminated = jax.jit(whole)(key)
    ends = np.flatnonzero(terminated)
    length = int(ends[0]) + 1 if ends.size else limit
    shown = np.arange(0, length, -(-length // MAX_FRAMES))
    states = jax.tree.map(lambda x: x[shown], states)
    obs = np.asarray(jax.jit(jax.vmap(env.observe))(states))
    rewards = np.add.reduceat(np.asarray(reward, float)[:length], shown)
    record = EpisodeRecord(shown, np.asarray(action)[shown], rewards, obs, None)
    if env.render is None:
        return record
    images = np.asarray(jax.jit(functools.partial(draw_all, env.render))(states))
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        rule = "render must return uint8 [H, W, 3]"
        raise ValueError(f"{rule}, not {images.dtype} {list(images.shape[1:])}")
    return record._replace(images=images)


def draw_all(render: Callable[[Any], jax.Array], states: Any) -> jax.Array:
    """The images of `states [T]`, one after another: all at once would take up to a gigabyte."""
    return jax.lax.map(render, states)


def is_grid(obs: np.ndarray) -> bool:
    """Whether an observation has the form of an image, `[H, W]` or `[H, W, C]`."""
    return obs.ndim in (2, 3) and min(obs.shape[:2]) > 1


def cells(obs: np.ndarray) -> np.ndarray:
    """uint8 `[..., H, W, 3]` of `[..., H, W, C]`: each cell has the colour of its last channel that is not zero."""
    *_, num_channels = obs.shape
    colors = COLORS[np.arange(num_channels) % len(COLORS)]
    last = num_channels - 1 - np.argmax(obs[..., ::-1] != 0, axis=-1)
    return np.where(np.any(obs != 0, axis=-1)[..., None], colors[last], PAPER)


def grid(obs: np.ndarray) -> Image.Image:
    """Image of the `cells` of an observation `[H, W]` or `[H, W, C]`.

    The legend on the right has one square for each channel.
    """
    obs = obs[..., None] if obs.ndim == 2 else obs
    *_, num_channels = obs.shape
    colors, image_cells = COLORS[np.arange(num_channels) % len(COLORS)], cells(obs)
    factor = max(MIN_WIDTH // image_cells.shape[1], 1)
    image_cells = image_cells.repeat(factor, axis=0).repeat(factor, axis=1)
    height, width, _ = image_cells.shape
    image = Image.new("RGB", (width + 40, max(height, 22 * num_channels)), tuple(PAPER))
    image.paste(Image.fromarray(image_cells))
    canvas = ImageDraw.Draw(image)
    for channel, color in enumerate(colors.tolist()):
        x, y = width + 6, 22 * channel + 4
        canvas.rectangle([x, y, x + 13, y + 13], fill=tuple(color))
        canvas.text((x + 18, y), str(channel), fill="#52606d")
    return image


def gif(path: Path, frames: list[Image.Image]) -> Path:
    """Writes an animation of `frames` with a common palette; small ones are enlarged."""
    factor = max(MIN_WIDTH // frames[0].width, 1)
    if factor > 1:
        size = frames[0].width * factor, frames[0].height * factor
        frames = [frame.resize(size, Image.Resampling.NEAREST) for frame in frames]
    # One palette, of frames from the whole episode: 30 times as fast as one for each frame.
    some = frames[:: max(len(frames) // 8, 1)]
    montage = Image.new("RGB", (frames[0].width, frames[0].height * len(some)))
    for k, frame in enumerate(some):
        montage.paste(frame, (0, k * frame.height))
    # The median cut alone gives small things the colour of larger ones; k-means separates them.
    palette = montage.quantize(32, kmeans=3)
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    duration = min(max(1_000 * SECONDS / len(frames), 20), 200)
    file = io.BytesIO()
    frames[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=round(duration),
        loop=0,
        optimize=False,
    )
    write_bytes(path, file.getvalue())
    return path
