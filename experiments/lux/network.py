"""The Q-network of a recipe for images in NumPy: convolutions and dense layers with LayerNorm, a linear head."""

from collections.abc import Mapping

import numpy as np

SCALE = "obs_scale"
"""The name of the factor of observations beside the parameters."""
EPSILON = 1e-6
"""Of LayerNorm in Flax."""


def q_values(params: Mapping[str, np.ndarray], obs: np.ndarray) -> np.ndarray:
    """`obs [H, W, C] -> q [A]`; `params` has the names of Flax, such as `torso/Conv_0/kernel`, and `SCALE`."""
    x, norms = obs.astype(np.float32) * params[SCALE], 0

    def norm_relu(x: np.ndarray) -> np.ndarray:
        nonlocal norms
        name, norms = f"torso/LayerNorm_{norms}", norms + 1
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + EPSILON)
        return np.maximum(centred / deviation * params[f"{name}/scale"] + params[f"{name}/bias"], 0)

    for i in range(_count(params, "Conv")):
        x = norm_relu(
            convolve(x, params[f"torso/Conv_{i}/kernel"]) + params[f"torso/Conv_{i}/bias"]
        )
    x = x.ravel()
    for i in range(_count(params, "Dense")):
        x = norm_relu(x @ params[f"torso/Dense_{i}/kernel"] + params[f"torso/Dense_{i}/bias"])
    return x @ params["Dense_0/kernel"] + params["Dense_0/bias"]


def convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """`x [H, W, C]` with `kernel [h, w, C, F]`, stride 1, no padding: `[H-h+1, W-w+1, F]`."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(0, 1))
    return np.tensordot(windows, kernel.transpose(2, 0, 1, 3), axes=3)


def _count(params: Mapping[str, np.ndarray], layer: str) -> int:
    return sum(name.startswith(f"torso/{layer}_") and name.endswith("kernel") for name in params)
