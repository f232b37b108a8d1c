"""Pictures of a policy: own images, grids, plots of vectors, and failures that are warnings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.envs import chain_env
from PIL import Image

from jaxdqn import envs
from jaxdqn.runs import render

ENV = chain_env(length=6, time_limit=9)


def left(key, params, obs):
    return jnp.zeros(obs.shape[0], jnp.int32)


def right(key, params, obs):
    return jnp.ones(obs.shape[0], jnp.int32)


def test_an_episode_ends_with_termination_or_with_the_time_limit():
    record = render.play(jax.random.key(0), None, ENV, left)
    assert record.obs.shape == (9, 6) and record.images is None
    record = render.play(jax.random.key(0), None, ENV, right)
    first = int(record.obs[0].argmax())
    np.testing.assert_array_equal(record.obs.argmax(axis=1), np.arange(first, 6))


def test_a_vector_is_plotted(tmp_path):
    ((path,), _) = render.draw(tmp_path, "policy", jax.random.key(0), None, ENV, right)
    assert path == tmp_path / "policy.png" and path.stat().st_size > 1_000


def test_a_long_episode_is_plotted_against_its_steps(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(render.plots, "save", lambda figure, path: figures.append(figure))
    env = chain_env(length=6, time_limit=2 * render.MAX_FRAMES)
    render.draw(tmp_path, "policy", jax.random.key(0), None, env, left)
    (line, *_) = figures[0].axes[0].lines
    # Every second step of 0 to 999 is shown.
    np.testing.assert_array_equal(line.get_xdata(), np.arange(0, 2 * render.MAX_FRAMES, 2))


def test_the_picture_of_the_environment_has_precedence(tmp_path):
    def image(state):
        return jnp.full((4, 5, 3), 40 * state, jnp.uint8)

    ((path,), _) = render.draw(
        tmp_path, "policy", jax.random.key(0), None, ENV._replace(render=image), left
    )
    with Image.open(path) as animation:
        assert path.name == "policy.gif"
        assert animation.width % 5 == 0 and animation.width >= 200


def test_the_images_of_a_long_episode_take_little_memory(monkeypatch):
    def noted(*given, draw_all=render.draw_all):
        calls.append(given)
        return draw_all(*given)

    calls, env = [], envs.make("CartPole-v1")
    monkeypatch.setattr(render, "draw_all", noted)
    render.play(jax.random.key(0), None, env, left)
    assert len(calls) == 1
    states = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), render.MAX_FRAMES))
    program = jax.jit(lambda states: render.draw_all(env.render, states)).lower(states).compile()
    assert program.memory_analysis().temp_size_in_bytes < 20_000_000


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_a_grid_is_drawn_in_colours_with_a_legend(tmp_path, shape):
    env = ENV._replace(observe=lambda state: jnp.zeros(shape, bool).at[state, 2].set(True))
    ((path,), _) = render.draw(tmp_path, "policy", jax.random.key(0), None, env, left)
    assert path.name == "policy.gif"
    obs = np.zeros((6, 5, 3), bool)
    obs[1, 2, 1] = obs[4, 0, 0] = True
    pixels = np.asarray(render.grid(obs))
    size = 240 // 5
    centre = size // 2
    assert tuple(pixels[1 * size + centre, 2 * size + centre]) == tuple(render.COLORS[1])
    assert tuple(pixels[4 * size + centre, 0 * size + centre]) == tuple(render.COLORS[0])
    assert tuple(pixels[0, 0]) == tuple(render.PAPER)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (lambda state: 1 / 0, "ZeroDivisionError"),
        (lambda state: jnp.zeros((4, 4)), r"ValueError: render must return uint8 \[H, W, 3\]"),
    ],
)
def test_a_picture_that_fails_is_a_warning(tmp_path, capsys, image, reason):
    env = ENV._replace(render=image)
    assert render.draw(tmp_path, "policy", jax.random.key(0), None, env, left)[0] == []
    err = capsys.readouterr().err
    assert err.startswith("warning: no picture: ") and err.count("\n") == 1
    assert reason.replace("\\", "") in err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["CartPole-v1", "Acrobot-v1", "MountainCar-v0"])
def test_classic_control_is_drawn_where_it_is(name):
    """The bright pixels move to the right with the cart, the link or the car."""
    env = envs.gymnax(name)
    state = env.reset(jax.random.key(0))
    field = {"CartPole-v1": "x", "Acrobot-v1": "joint_angle1", "MountainCar-v0": "position"}[name]
    step = {"CartPole-v1": 1.0, "Acrobot-v1": 0.8, "MountainCar-v0": 0.3}[name]

    def centre(change):
        value = getattr(state.state, field) + change
        image = np.asarray(env.render(state._replace(state=state.state.replace(**{field: value}))))
        assert image.shape == (200, 360, 3) and image.dtype == np.uint8
        bright = (image[..., 0] > 150) & (image[..., 2] < 80)
        return np.flatnonzero(bright.any(axis=0)).mean()

    assert centre(step) > centre(0.0) + 10


@pytest.mark.parametrize("x", [-2.4, 2.4])
def test_the_animation_follows_the_cart(x):
    """At the ends of the track, cart and pole have as many pixels as in the middle."""
    env = envs.gymnax("CartPole-v1")
    state = env.reset(jax.random.key(0))

    def pixels(x):
        inner = state.state.replace(x=x, theta=0.2 * np.sign(x))
        image = np.asarray(env.render(state._replace(state=inner))).astype(int)
        bright = (image[..., 0] > 150) & (image[..., 2] < 80)
        return np.array([bright.sum(), (image.sum(axis=-1) < 150).sum()])

    np.testing.assert_allclose(pixels(x), pixels(np.sign(x) * 0.01), rtol=0.03)


def test_colours_that_appear_late_are_in_the_palette(tmp_path):
    frames = [Image.new("RGB", (20, 10), "white") for _ in range(20)]
    frames += [Image.new("RGB", (20, 10), "red")] * 5
    path = render.gif(tmp_path / "late.gif", frames)
    with Image.open(path) as animation:
        animation.seek(animation.n_frames - 1)
        red, green, _ = animation.convert("RGB").getpixel((5, 5))
    assert red > 200 and green < 60


def test_the_colour_of_a_small_fruit_is_kept(tmp_path):
    body = np.zeros((12, 12), np.int32)
    body[2:] = np.arange(1, 121).reshape(10, 12)
    state = envs.snake.State(jnp.asarray(body), jnp.array([11, 11]), jnp.array([0, 5]))
    image = Image.fromarray(np.asarray(jax.jit(envs.make("snake").render)(state)))
    with Image.open(render.gif(tmp_path / "fruit.gif", [image, image])) as animation:
        centre = 5 + 5 * 20 + 10, 5 + 12
        found, drawn = (np.array(x.convert("RGB").getpixel(centre)) for x in (animation, image))
    np.testing.assert_allclose(found, drawn, atol=20)
