"""Replay: storage of experience and the sampling of batches from it."""

from jaxdqn.replay.prioritized import PrioritizedBuffer, prioritized
from jaxdqn.replay.uniform import Buffer, Replay, Sample, contents, gather, uniform

__all__ = [
    "Buffer",
    "PrioritizedBuffer",
    "Replay",
    "Sample",
    "contents",
    "gather",
    "prioritized",
    "uniform",
]
