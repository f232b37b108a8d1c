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
    """An image `[height, width, 3]` with coordinates in metres, the y axis upwards."""

    def __init__(
        self, left: Any, right: Any, bottom: float, height: int = HEIGHT, width: int = WIDTH
    ) -> None:
        """The picture shows `left` to `right`, and above `bottom` as much as fits."""
        self.metre = width / (right - left)
        x = left + (jnp.arange(width) + 0.5) / self.metre
        y = bottom + (height - jnp.arange(height) - 0.5) / self.metre
        self.points = jnp.stack(jnp.meshgrid(x, y), axis=-1)
        self.image = jnp.broadcast_to(jnp.array(BACKGROUND, jnp.float32), (height, width, 3))

    def line(self, start: Any, end: Any, width: float, color: Color) -> None:
        """A line with round ends and `width` in metres."""
        start, along = jnp.asarray(start), jnp.asarray(end) - jnp.asarray(start)
        self.fill(distance_to_line(self.points - start[None, None], along) - width / 2, color)

    def disc(self, centre: Any, diameter: float, color: Color) -> None:
        """A disc with its diameter in metres."""
        self.line(centre, centre, diameter, color)

    def rectangle(self, centre: Any, width: float, height: float, color: Color) -> None:
        """A rectangle with sides in metres, parallel to the axes."""
        half = jnp.array([[[width, height]]]) / 2
        excess = jnp.abs(self.points - jnp.asarray(centre)[None, None]) - half
        self.fill(jnp.max(excess, axis=-1), color)

    def graph(self, height: Any, left: float, right: float, width: float, color: Color) -> None:
        """The graph of the function `height(x)` from `left` to `right`, `width` metres thick."""
        x, y = self.points[..., 0], self.points[..., 1]
        slope = jax.vmap(jax.vmap(jax.grad(height)))(x)
        distance = jnp.abs(y - height(x)) / jnp.sqrt(1.0 + slope**2) - width / 2
        self.fill(jnp.where((x >= left) & (x <= right), distance, jnp.inf), color)

    def pixels(self) -> jax.Array:
        """The image, uint8."""
        return jnp.round(self.image).astype(jnp.uint8)

    def fill(self, distance: jax.Array, color: Color | jax.Array) -> None:
        """The points at a signed `distance [height, width]` below 0; `color` may be an image.

        A pixel that the edge crosses is covered in part.
        """
        cover = jnp.clip(0.5 - distance * self.metre, 0.0, 1.0)[..., None]
        color = jnp.broadcast_to(jnp.asarray(color, jnp.float32), self.image.shape)
        self.image = self.image + cover * (color - self.image)


def distance_to_line(offset: jax.Array, along: jax.Array) -> jax.Array:
    """Distances `[height, width]` of the points `offset [height, width, 2]` to the line from 0 to `along [2]`."""
    t = offset @ along / jnp.maximum(along @ along, 1e-9)
    nearest = jnp.clip(t, 0.0, 1.0)[..., None] * along[None, None]
    return jnp.linalg.norm(offset - nearest, axis=-1)


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
    cells = jnp.floor(canvas.points).astype(jnp.int32)
    column, row = cells[..., 0] + 1, size - cells[..., 1]
    offset = canvas.points - cells - 0.5
    board = jnp.pad(jnp.ones((size, size), bool), 1)[row, column]
    canvas.fill(jnp.where(board, 1.0, -1.0), DARK)
    canvas.fill(jnp.where(board & ((row + column) % 2 == 0), -1.0, 1.0), SQUARE)

    def centre(cell: jax.Array) -> jax.Array:
        return jnp.stack([cell[1] + 0.5, size - cell[0] - 0.5])

    def tube(along: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
        """Distance to the half of a cell towards a neighbour, and whether the body continues there."""
        neighbour = jnp.roll(padded, (along[1], -along[0]), axis=(0, 1))
        linked = (padded > 0) & (neighbour > 0) & (jnp.abs(padded - neighbour) == 1)
        distance = distance_to_line(offset, jnp.array(along) / 2)
        return jnp.where(linked[row, column], distance, jnp.inf), linked[head]

    padded = jnp.pad(state.body, 1)
    head = state.head[0] + 1, state.head[1] + 1
    sides = ((0, 1), (1, 0), (0, -1), (-1, 0))
    tubes, necks = zip(*map(tube, sides), strict=True)
    middle = jnp.where(padded[row, column] > 0, jnp.linalg.norm(offset, axis=-1), jnp.inf)
    age = 1.0 - padded[row, column, None] / jnp.max(state.body)
    green, pale = (jnp.array([[color]], jnp.float32) for color in (GREEN, PALE_GREEN))
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
