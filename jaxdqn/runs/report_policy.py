"""The policy in a report: a network that runs in the page, or a recorded episode."""

import base64
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxdqn import policies
from jaxdqn.agents.noisy import NoisyParams
from jaxdqn.networks import Params
from jaxdqn.recipes import Recipe
from jaxdqn.recipes.classic import CARTPOLE
from jaxdqn.runs import policy_file, render, saved
from jaxdqn.runs.errors import RunError
from jaxdqn.runs.render import EpisodeRecord

SOFTMAX, MEAN = ("c51", "rainbow", "hl-gauss"), ("qr", "iqn")
"""Agents whose action values are the mean of a histogram, and of quantiles."""
MAX_PIXELS, MAX_BYTES, MAX_WEIGHTS = 4_000_000, 600_000, 120_000
"""Of the pictures of an episode together; of the weights of all policies."""
NUM_CHECKED = 32
"""Observations for which the page compares its network with the one that was trained."""


class Base64(str):
    """Binary data as text, which must not be shortened."""


def policy(
    run_dir: Path,
    recipe: Recipe,
    seeds: Sequence[int],
    seed: int | None,
    episode: EpisodeRecord | None,
    missing: list[str],
) -> dict[str, Any]:
    """The networks of CartPole's policies, or an episode of another environment."""
    found = load(run_dir, recipe, seeds, seed, missing)
    if not found:
        return {}
    of = {"seed": seeds[0] if seed is None else seed}
    if recipe.env_name == CARTPOLE:
        try:
            return {"cartpole": of | live(recipe, found)}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = str(error) or type(error).__name__
            missing.append(f"The page cannot run this network ({reason}); it shows an episode.")
    final = next(reversed(found.values()))
    q_values = recipe.agent().q_values
    try:
        if episode is None:
            key = jax.random.fold_in(jax.random.key(seeds[0]), 1)
            episode = render.play(key, final, recipe.env, policies.greedy(q_values))
        return {"episode": of | recorded(episode, final, q_values)}
    except Exception as error:  # The environment may be the user's.
        reason = (str(error).strip().splitlines() or [""])[0]
        missing.append(f"There is no episode: {type(error).__name__}: {reason}.")
        return {}


def load(
    run_dir: Path, recipe: Recipe, seeds: Sequence[int], seed: int | None, missing: list[str]
) -> dict[str, Params]:
    """Name -> parameters of a seed, in the order of training; the final ones are the last."""
    files = {}
    if seed in (None, seeds[0]):
        pattern = re.compile(re.escape(policy_file.SNAPSHOT).replace(r"\{\}", r"(\d{1,15})"))
        named = [pattern.fullmatch(path.name) for path in (run_dir / "policy").glob("*.npz")]
        for steps in sorted(int(match[1]) for match in named if match):
            name = policy_file.SNAPSHOT.format(steps)
            files[f"after {steps:,} steps"] = name, seeds[:1]
    files |= {"best": (policy_file.BEST, seeds), "final": (policy_file.FINAL, seeds)}
    found, network = {}, saved.network(recipe)
    for name, (file, held) in files.items():
        if not (run_dir / "policy" / file).exists():
            missing.append(f"There is no policy/{file} yet.")
            continue
        try:
            found[name] = saved.load_policy(run_dir, network, held, seed, file)
        except RunError as error:
            missing.append(str(error))
    return found


def live(recipe: Recipe, found: dict[str, Params]) -> dict[str, Any]:
    """The network as layers, the weights of each policy, and values to compare with.

    Raises `ValueError` if the network is not one of those of `recipes.algorithms`.
    """
    rng = np.random.default_rng(0)
    obs = np.float32(rng.normal(size=(NUM_CHECKED, 4)) * (0.5, 0.5, 0.1, 0.5))
    q_values = jax.jit(recipe.agent().q_values)
    shown, size, network = [], 0, None
    for name, params in reversed(found.items()):
        network, weights = describe(recipe, params)
        size += len(weights)
        if size > MAX_WEIGHTS and shown:
            break
        text = Base64(base64.b64encode(weights.astype("<f4").tobytes()).decode())
        q = np.asarray(q_values(params, obs), float)
        shown.insert(0, {"name": name, "weights": text, "q": q.tolist()})
    if size > MAX_WEIGHTS and len(shown) == 1:
        raise ValueError(f"it has {size:,} weights; at most {MAX_WEIGHTS:,} are embedded")
    return {"network": network, "policies": shown, "obs": obs.astype(float).tolist()}


def describe(recipe: Recipe, params: Params) -> tuple[dict[str, Any], np.ndarray]:
    """The network of an agent for `network.js`, and its weights in the order of its layers.

    A layer has a kernel `[inputs, outputs]`, a bias, and with `norm` the scale and the bias of a
    LayerNorm. There is one stream of layers after the torso, or two with a dueling head.
    """
    tree = dict((params.mean if isinstance(params, NoisyParams) else params)["params"])
    weights: list[np.ndarray] = []

    def layer(tree: Any, dense: int, norm: int | None, relu: bool) -> dict[str, Any]:
        kernel, bias = (np.asarray(tree[f"Dense_{dense}"][x]) for x in ("kernel", "bias"))
        weights.extend((kernel, bias))
        if norm is not None:
            weights.extend(np.asarray(tree[f"LayerNorm_{norm}"][x]) for x in ("scale", "bias"))
        inputs, outputs = kernel.shape
        return {"inputs": inputs, "outputs": outputs, "norm": norm is not None, "relu": relu}

    def dense_layers(tree: Any) -> int:
        known = re.compile(r"(Dense|LayerNorm)_\d+|torso")
        unknown = [name for name in tree if not known.fullmatch(name)]
        if unknown:
            raise ValueError(f"unknown layer {unknown[0]}")
        return sum(name.startswith("Dense") for name in tree)

    torso_tree = tree.get("torso", {})
    torso = [layer(torso_tree, k, k, True) for k in range(dense_layers(torso_tree))]
    first = 0
    network: dict[str, Any] = {
        "torso": torso,
        "scale": np.broadcast_to(recipe.obs_scale, 4).tolist(),
    }
    if recipe.agent_name == "iqn":
        network["embedding"], first = layer(tree, 0, None, True), 1
        network["levels"] = recipe.config.num_levels
    count = dense_layers(tree) - first
    if count not in (1, 2, 4):
        raise ValueError(f"unknown head with {count} layers")
    if count == 1:
        network["streams"] = [[layer(tree, first, None, False)]]
    else:
        network["streams"] = [
            [layer(tree, first + 2 * k, k, True), layer(tree, first + 2 * k + 1, None, False)]
            for k in range(count // 2)
        ]
    network["actions"] = recipe.env.num_actions
    network["mean"] = recipe.agent_name in MEAN
    if recipe.agent_name in SOFTMAX:
        config = recipe.config
        network["support"] = (
            np.linspace(config.v_min, config.v_max, config.num_atoms, dtype=np.float32)
            .astype(float)
            .tolist()
        )
    return network, np.concatenate([np.ravel(x) for x in weights])


def recorded(record: EpisodeRecord, params: Params, q_values: policies.QValues) -> dict[str, Any]:
    """An episode: its actions, rewards and action values, with pictures or observations."""
    data: dict[str, Any] = {
        "steps": record.steps.tolist(),
        "actions": record.action.tolist(),
        "rewards": record.reward.astype(float).tolist(),
        "q": _rounded(jax.jit(q_values)(params, jnp.asarray(record.obs))),
    }
    images = record.images
    if images is None and render.is_grid(record.obs[0]):
        obs = record.obs if record.obs.ndim == 4 else record.obs[..., None]
        images = render.cells(obs)
    if images is not None:
        return data | {"pictures": sprite(images)}
    return data | {"obs": _rounded(record.obs.reshape(len(record.obs), -1)[:, :12])}


def _rounded(values: Any) -> list[Any]:
    return [[float(f"{x:.6g}") for x in row] for row in np.asarray(values, float)]


def sprite(images: np.ndarray) -> dict[str, Any]:
    """One PNG with the images uint8 `[T, H, W, 3]` in rows, reduced to `MAX_PIXELS` in all."""
    factor = 1
    while images.size // 3 // factor**2 > MAX_PIXELS:
        factor += 1
    frames = [Image.fromarray(image).reduce(factor) for image in images]
    width, height = frames[0].size
    columns = max(int((len(frames) * height / width) ** 0.5), 1)
    sheet = Image.new("RGB", (columns * width, -(-len(frames) // columns) * height))
    for k, frame in enumerate(frames):
        sheet.paste(frame, (k % columns * width, k // columns * height))
    for colors in (256, 32, 8):
        file = io.BytesIO()
        sheet.quantize(colors, dither=Image.Dither.NONE).save(file, "PNG")
        if len(file.getvalue()) <= MAX_BYTES:
            break
    else:
        raise ValueError(f"its pictures take more than {MAX_BYTES:,} bytes")
    text = base64.b64encode(file.getvalue()).decode()
    url = Base64(f"data:image/png;base64,{text}")
    return {"url": url, "width": width, "height": height, "columns": columns}
