"""Images of classic control environments, drawn from signed distances to lines and rectangles."""

from typing import Any

import jax
import jax.numpy as jnp

HEIGHT, WIDTH = 200, 360
"""Pixels."""
BACKGROUND, DARK, BRIGHT, GREY = (251, 250, 247), (31, 41, 51), (194, 65, 12), (141, 135, 120)

Color = tuple[int, int, int]


class Canvas:
    """An image `[HEIGHT, WIDTH, 3]` with coordinates in metres, the y axis upwards."""

    def __init__(self, left: float, right: float, bottom: float) -> None:
        """The picture shows `left` to `right`, and above `bottom` as much as fits."""
        self.metre = WIDTH / (right - left)
        x = left + (jnp.arange(WIDTH) + 0.5) / self.metre
        y = bottom + (HEIGHT - jnp.arange(HEIGHT) - 0.5) / self.metre
        self.points = jnp.stack(jnp.meshgrid(x, y), axis=-1)
        self.image = jnp.broadcast_to(jnp.array(BACKGROUND, jnp.float32), (HEIGHT, WIDTH, 3))

    def line(self, start: Any, end: Any, width: float, color: Color) -> None:
        """A line with round ends and `width` in metres."""
        start, along = jnp.asarray(start), jnp.asarray(end) - jnp.asarray(start)
        offset = self.points - start[None, None]
        t = offset @ along / jnp.maximum(along @ along, 1e-9)
        nearest = jnp.clip(t, 0.0, 1.0)[..., None] * along[None, None]
        self._fill(jnp.linalg.norm(offset - nearest, axis=-1) - width / 2, color)

    def rectangle(self, centre: Any, width: float, height: float, color: Color) -> None:
        """A rectangle with sides in metres, parallel to the axes."""
        half = jnp.array([[[width, height]]]) / 2
        excess = jnp.abs(self.points - jnp.asarray(centre)[None, None]) - half
        self._fill(jnp.max(excess, axis=-1), color)

    def graph(self, height: Any, left: float, right: float, width: float, color: Color) -> None:
        """The graph of the function `height(x)` from `left` to `right`, `width` metres thick."""
        x, y = self.points[..., 0], self.points[..., 1]
        slope = jax.vmap(jax.vmap(jax.grad(height)))(x)
        distance = jnp.abs(y - height(x)) / jnp.sqrt(1.0 + slope**2) - width / 2
        self._fill(jnp.where((x >= left) & (x <= right), distance, jnp.inf), color)

    def pixels(self) -> jax.Array:
        """The image, uint8."""
        return jnp.round(self.image).astype(jnp.uint8)

    def _fill(self, distance: jax.Array, color: Color) -> None:
        # A pixel that the edge crosses is covered in part.
        cover = jnp.clip(0.5 - distance * self.metre, 0.0, 1.0)[..., None]
        self.image = self.image + cover * (jnp.array([[color]], jnp.float32) - self.image)


def cart_pole(state: Any) -> jax.Array:
    """The cart, its pole of 1 m and the ends of the track, for a state of gymnax' CartPole."""
    canvas = Canvas(-2.6, 2.6, bottom=-0.75)
    for end in (-2.4, 2.4):
        canvas.line((end, -0.15), (end, 0.15), 0.03, GREY)
    canvas.line((-2.6, 0.0), (2.6, 0.0), 0.02, GREY)
    canvas.rectangle((state.x, 0.1), 0.7, 0.2, DARK)
    pivot = jnp.array([state.x, 0.2])
    tip = pivot + jnp.array([jnp.sin(state.theta), jnp.cos(state.theta)])
    canvas.line(pivot, tip, 0.11, BRIGHT)
    return canvas.pixels()


def acrobot(state: Any) -> jax.Array:
    """Both links of 1 m and the height to reach, for a state of gymnax' Acrobot."""
    canvas = Canvas(-4.1, 4.1, bottom=-2.25)
    canvas.line((-4.1, 1.0), (4.1, 1.0), 0.03, GREY)
    angles = state.joint_angle1, state.joint_angle1 + state.joint_angle2
    joint = jnp.zeros(2)
    for angle, color in zip(angles, (DARK, BRIGHT), strict=True):
        end = joint + jnp.array([jnp.sin(angle), -jnp.cos(angle)])
        canvas.line(joint, end, 0.16, color)
        joint = end
    return canvas.pixels()


def mountain_car(state: Any) -> jax.Array:
    """The car on its hill, and the goal, for a state of gymnax' MountainCar."""
    canvas = Canvas(-1.4, 0.8, bottom=0.02)

    def height(x: Any) -> jax.Array:
        return 0.45 * jnp.sin(3 * x) + 0.55

    canvas.graph(height, -1.2, 0.6, 0.015, GREY)
    canvas.line((0.5, height(0.5)), (0.5, height(0.5) + 0.15), 0.012, DARK)
    car = jnp.array([state.position, height(state.position) + 0.04])
    slope = 1.35 * jnp.cos(3 * state.position)
    half = 0.04 * jnp.array([1.0, slope]) / jnp.sqrt(1.0 + slope**2)
    canvas.line(car - half, car + half, 0.06, BRIGHT)
    return canvas.pixels()
