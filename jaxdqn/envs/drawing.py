"""Images of environments, drawn from signed distances to lines, discs and rectangles."""

from typing import Any

import jax
import jax.numpy as jnp

HEIGHT, WIDTH = 200, 360
"""Pixels of an image of classic control."""
BACKGROUND, DARK, BRIGHT, GREY = (251, 250, 247), (31, 41, 51), (194, 65, 12), (141, 135, 120)
SQUARE, GREEN, PALE_GREEN = (243, 241, 235), (22, 101, 52), (134, 197, 120)
CELL, WALL = 20, 5
"""Pixels of a cell of Snake, and of the wall around the grid."""

Color = tuple[int, int, int]


class Canvas:
    """An image with coordinates in metres, the y axis upwards; its colours are planes `[3, height, width]`."""

    def __init__(
        self, left: Any, right: Any, bottom: float, height: int = HEIGHT, width: int = WIDTH
    ) -> None:
        """The picture shows `left` to `right`, and above `bottom` as much as fits."""
        self.metre = width / (right - left)
        x = left + (jnp.arange(width) + 0.5) / self.metre
        y = bottom + (height - jnp.arange(height) - 0.5) / self.metre
        self.x, self.y = jnp.meshgrid(x, y)
        self.image = jnp.broadcast_to(planes(BACKGROUND), (3, height, width))

    def line(self, start: Any, end: Any, width: float, color: Color) -> None:
        """A line with round ends and `width` in metres."""
        along = end[0] - start[0], end[1] - start[1]
        offset = self.x - start[0], self.y - start[1]
        self.fill(distance_to_line(offset, along) - width / 2, color)

    def disc(self, centre: Any, diameter: float, color: Color) -> None:
        """A disc with its diameter in metres."""
        self.line(centre, centre, diameter, color)

    def rectangle(self, centre: Any, width: float, height: float, color: Color) -> None:
        """A rectangle with sides in metres, parallel to the axes."""
        beside = jnp.abs(self.x - centre[0]) - width / 2
        above = jnp.abs(self.y - centre[1]) - height / 2
        self.fill(jnp.maximum(beside, above), color)

    def graph(self, height: Any, left: float, right: float, width: float, color: Color) -> None:
        """The graph of the function `height(x)` from `left` to `right`, `width` metres thick."""
        slope = jax.vmap(jax.vmap(jax.grad(height)))(self.x)
        distance = jnp.abs(self.y - height(self.x)) / jnp.sqrt(1.0 + slope**2) - width / 2
        inside = (self.x >= left) & (self.x <= right)
        self.fill(jnp.where(inside, distance, jnp.inf), color)

    def pixels(self) -> jax.Array:
        """The image, uint8 `[height, width, 3]`."""
        return jnp.moveaxis(jnp.round(self.image).astype(jnp.uint8), 0, -1)

    def fill(self, distance: jax.Array, color: Color | jax.Array) -> None:
        """The points at a signed `distance [height, width]` below 0; `color` may be planes.

        A pixel that the edge crosses is covered in part.
        """
        cover = jnp.clip(0.5 - distance * self.metre, 0.0, 1.0)
        color = planes(color) if isinstance(color, tuple) else color
        self.image = self.image + cover[None] * (color - self.image)


def planes(color: Color) -> jax.Array:
    """The colour as planes `[3, 1, 1]`."""
    return jnp.array(color, jnp.float32)[:, None, None]


def distance_to_line(offset: tuple[Any, Any], along: tuple[Any, Any]) -> jax.Array:
    """Distances of the points `offset`, x and y, to the line from 0 to `along`."""
    (x, y), (dx, dy) = offset, along
    t = jnp.clip((x * dx + y * dy) / jnp.maximum(dx * dx + dy * dy, 1e-9), 0.0, 1.0)
    return jnp.hypot(x - t * dx, y - t * dy)


def cart_pole(state: Any) -> jax.Array:
    """The cart, its pole of 1 m and the ends of the track, for a state of gymnax' CartPole."""
    centre = state.x - jnp.clip(state.x, -1.2, 1.2)  # Follows a cart that leaves the middle.
    canvas = Canvas(centre - 2.6, centre + 2.6, bottom=-0.75)
    for end in (-2.4, 2.4):
        canvas.line((end, -0.15), (end, 0.15), 0.03, GREY)
    canvas.line((-5.0, 0.0), (5.0, 0.0), 0.02, GREY)
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


def snake(state: Any) -> jax.Array:
    """The snake, paler towards its tail, and the fruit, for a state of `envs.snake`."""
    size = len(state.body)
    margin, pixels = WALL / CELL, size * CELL + 2 * WALL
    canvas = Canvas(-margin, size + margin, -margin, pixels, pixels)
    left, below = jnp.floor(canvas.x), jnp.floor(canvas.y)
    column, row = left.astype(jnp.int32) + 1, size - below.astype(jnp.int32)
    offset = canvas.x - left - 0.5, canvas.y - below - 0.5
    board = jnp.pad(jnp.ones((size, size), bool), 1)[row, column]
    canvas.fill(jnp.where(board, 1.0, -1.0), DARK)
    canvas.fill(jnp.where(board & ((row + column) % 2 == 0), -1.0, 1.0), SQUARE)

    def centre(cell: jax.Array) -> jax.Array:
        return jnp.stack([cell[1] + 0.5, size - cell[0] - 0.5])

    def tube(along: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
        """Distance to the half of a cell towards a neighbour, and whether the body continues there."""
        neighbour = jnp.roll(padded, (along[1], -along[0]), axis=(0, 1))
        linked = (padded > 0) & (neighbour > 0) & (jnp.abs(padded - neighbour) == 1)
        distance = distance_to_line(offset, (along[0] / 2, along[1] / 2))
        return jnp.where(linked[row, column], distance, jnp.inf), linked[head]

    padded = jnp.pad(state.body, 1)
    head = state.head[0] + 1, state.head[1] + 1
    sides = ((0, 1), (1, 0), (0, -1), (-1, 0))
    tubes, necks = zip(*map(tube, sides), strict=True)
    middle = jnp.where(padded[row, column] > 0, jnp.hypot(*offset), jnp.inf)
    age = 1.0 - padded[row, column][None] / jnp.max(state.body)
    green, pale = planes(GREEN), planes(PALE_GREEN)
    canvas.fill(jnp.stack([middle, *tubes]).min(axis=0) - 0.36, green + age * (pale - green))

    neck = jnp.stack(necks).astype(jnp.float32) @ jnp.array(sides, jnp.float32)
    forward = jnp.where(jnp.any(neck != 0), -neck, jnp.array([0.0, 1.0]))
    for side in (-0.16, 0.16):
        eye = centre(state.head) + 0.1 * forward + side * forward[::-1]
        canvas.disc(eye, 0.24, BACKGROUND)
        canvas.disc(eye + 0.05 * forward, 0.12, DARK)
    fruit = centre(state.fruit) - jnp.array([0.0, 0.05])
    canvas.line(fruit, fruit + jnp.array([0.1, 0.42]), 0.08, GREEN)
    canvas.disc(fruit, 0.6, BRIGHT)
    return canvas.pixels()
