"""Colours and axes of the figures of the study, beside those of `jaxdqn.runs.plots`."""

from matplotlib.axes import Axes

from jaxdqn.runs import plots

INK, CALM = "#374151", "#2563a8"
"""Dark grey for single curves and references, blue as a contrast to `plots.STRONG`."""


def bare(axes: Axes) -> None:
    """A faint grid, no frame above and to the right."""
    plots.bare(axes)
    axes.grid(alpha=0.25)
