"""Picture of a sweep: its kind depends on the hyperparameters, and it shows the returns."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from experiments.sweeps import grid, picture

SOLVED = 475.0


def make_rows(tried, returns):
    """A row per configuration and seed; `returns` are in the same order."""
    seeds = range(len(returns) // len(tried))
    places = itertools.product(tried, seeds)
    return [
        {**configuration, "seed": seed, "final_return": value}
        for (configuration, seed), value in zip(places, returns, strict=True)
    ]


def panels_of(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def line_of(axes, label):
    """The line or the dots called `label`, as points (x, y); None if there are none."""
    lines = {line.get_label(): line for line in axes.lines}
    return np.column_stack(lines[label].get_data()).tolist() if label in lines else None


def test_without_a_hyperparameter_there_is_a_dot_per_seed():
    rows = make_rows([{}], [500.0, 100.0, 480.0])
    (axes,) = panels_of(picture.figure(rows, [], SOLVED))
    assert line_of(axes, "one seed") == [[0, 500], [1, 100], [2, 480]]
    assert line_of(axes, "median") == [[0, 480], [1, 480]]
    assert axes.get_xlabel() == "seed" and axes.get_xscale() == "linear"


def test_one_name_has_its_medians_in_a_line_and_a_band():
    rows = make_rows(grid.parse(["gamma=0.99,0.9"]), [500.0, 490, 400, 300, 10, 20])
    (axes,) = panels_of(picture.figure(rows, ["gamma"], SOLVED))
    assert line_of(axes, "median and 10–90 %") == [[0.9, 20], [0.99, 490]]
    assert len(line_of(axes, "one seed")) == 6
    # 10 % of the way along 400, 490, 500 is 400 + 0.2 · 90; along 10, 20, 300 it is 12.
    # 90 % of the way is 490 + 0.8 · 10 and 20 + 0.8 · 280.
    corners = axes.collections[0].get_paths()[0].vertices.tolist()
    for corner in ([0.9, 12], [0.99, 418], [0.9, 244], [0.99, 498]):
        assert any(np.allclose(corner, found) for found in corners), corner


@pytest.mark.parametrize(
    ("word", "scale"),
    [
        ("learning_rate=1e-4,1e-3,1e-2", "log"),
        ("learning_rate=0.1,2.1", "log"),
        ("learning_rate=0.1,1.9", "linear"),
        ("epsilon_end=0,0.001,1", "linear"),
        ("gamma=0.9,0.99,0.999", "linear"),
    ],
)
def test_what_spans_decades_is_shown_by_its_logarithm(word, scale):
    tried = grid.parse([word])
    (name,) = tried[0]
    (axes,) = panels_of(picture.figure(make_rows(tried, [500.0] * len(tried)), [name], SOLVED))
    assert axes.get_xscale() == scale and axes.get_xlabel() == name


def test_two_names_on_a_grid_are_a_heat_map():
    tried = grid.parse(["gamma=0.9,0.9975", "learning_rate=1e-5:1e-3:log:5"])
    # Of four seeds in each cell as many solve as the cell's number says, the others reach 75.
    solved = [0, 1, 2, 3, 4, 4, 3, 2, 1, 0]
    returns = [475.0 if seed < number else 75.0 for number in solved for seed in range(4)]
    figure = picture.figure(make_rows(tried, returns), ["gamma", "learning_rate"], SOLVED)
    (axes,) = panels_of(figure)
    rates = np.array(solved).reshape(2, 5) / 4
    np.testing.assert_array_equal(axes.images[0].get_array(), rates)
    assert axes.images[0].origin == "lower"
    # Each solved quarter lifts the mean from 75 by 100.
    for text in axes.texts:
        column, row = text.get_position()
        assert text.get_text() == f"{75 + 400 * rates[row, column]:.0f}"
    assert len(axes.texts) == 10
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels == ["1e-5", "3.16e-5", "0.0001", "0.000316", "0.001"]
    # 0.9975 in three digits would be another number.
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0.9", "0.9975"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("gamma", "learning_rate")


def test_a_large_grid_has_colours_and_few_labels():
    tried = grid.parse(["gamma=0.9:1:20", "learning_rate=1e-5:1e-2:log:40"])
    figure = picture.figure(make_rows(tried, [9.0] * 800), ["gamma", "learning_rate"], SOLVED)
    (axes,) = panels_of(figure)
    assert axes.images[0].get_array().shape == (20, 40) and not axes.texts
    # Where all fail, failing does not get the colour of success.
    assert axes.images[0].get_clim() == (0, 1)
    # Every second of 20, every third of 40.
    assert (len(axes.get_yticks()), len(axes.get_xticks())) == (10, 14)


@pytest.mark.parametrize(
    ("word", "labels"),
    [
        ("gamma=0.3:0.3002:3", ["0.3", "0.3001", "0.3002"]),
        ("max_grad_norm=1:2:4", ["1", "1.33", "1.67", "2"]),
        ("target_period=5,50000", ["5", "50000"]),
    ],
    ids=["apart", "rounded", "whole"],
)
def test_labels_are_short_and_tell_numbers_apart(word, labels):
    tried = grid.parse([word, "n_step=1,3"])
    (name, _) = tried[0]
    (axes,) = panels_of(
        picture.figure(make_rows(tried, [9.0] * len(tried)), [name, "n_step"], SOLVED)
    )
    assert [text.get_text() for text in axes.get_yticklabels()] == labels


def test_two_names_drawn_at_random_have_a_panel_each():
    tried = grid.parse([], ["gamma=0.9:1", "learning_rate=1e-5:1e-1:log"], 6)
    rows = make_rows(tried, [float(i) for i in range(18)])
    figure = picture.figure(rows, ["gamma", "learning_rate"], SOLVED)
    left, right = panels_of(figure)
    assert left.get_shared_y_axes().joined(left, right) and right.get_xscale() == "log"
    # Three seeds each: 0, 1, 2 of the first configuration, and so on.
    for axes, name in ((left, "gamma"), (right, "learning_rate")):
        medians = sorted([configuration[name], 3 * i + 1] for i, configuration in enumerate(tried))
        assert sorted(line_of(axes, "median of a configuration")) == medians
        assert line_of(axes, "median and 10–90 %") is None


@pytest.mark.parametrize("number", [4, 17])
def test_one_name_drawn_at_random_is_no_line(number):
    tried = grid.parse([], ["gamma=0.9:1"], number)
    if number > 16:
        # So many are no list, even if a table rounded them.
        tried = [{"gamma": round(configuration["gamma"], 5)} for configuration in tried]
    (axes,) = panels_of(picture.figure(make_rows(tried, [9.0] * number), ["gamma"], SOLVED))
    assert len(line_of(axes, "median of a configuration")) == number
    assert line_of(axes, "median and 10–90 %") is None


def test_two_draws_are_no_line():
    tried = grid.parse([], ["gamma=0.9:1", "tau=0.1:1"], 2)
    figure = picture.figure(make_rows(tried, [9.0] * 2), ["gamma", "tau"], SOLVED)
    for axes in panels_of(figure):
        assert line_of(axes, "median and 10–90 %") is None


def test_a_grid_against_draws_has_a_line_for_what_was_swept_only():
    tried = grid.parse(["gamma=0.9,0.98,0.99"], ["tau=0.1:1"], 5)
    figure = picture.figure(make_rows(tried, [500.0] * 15), ["gamma", "tau"], SOLVED)
    swept, drawn = panels_of(figure)
    assert len(line_of(swept, "median and 10–90 %")) == 3
    assert line_of(drawn, "median and 10–90 %") is None


def test_many_names_have_a_panel_each_and_no_empty_one():
    names = ["gamma", "tau", "n_step", "target_period"]
    tried = grid.parse([f"{name}=1,2" for name in names])
    panels = panels_of(picture.figure(make_rows(tried, [9.0] * 16), names, SOLVED))
    assert [axes.get_xlabel() for axes in panels] == names


def test_the_words_of_a_csv_draw_the_same(tmp_path):
    rows = make_rows(grid.parse(["gamma=0.9,0.99", "n_step=1,3"]), [500.0, 9, 480, 30])
    words = [{name: str(value) for name, value in row.items()} for row in rows]
    for name, given_rows in (("numbers", rows), ("words", words)):
        picture.draw(tmp_path / f"{name}.png", given_rows, ["gamma", "n_step"], SOLVED)
    numbers, words = ((tmp_path / f"{name}.png").read_bytes() for name in ("numbers", "words"))
    assert numbers == words and 1_000 < len(numbers) < 300_000


values = st.floats(-1e6, 1e6, allow_subnormal=False) | st.integers(0, 2**31 - 1)
tables = st.integers(0, 4).flatmap(
    lambda width: st.lists(st.tuples(*[values] * width, st.floats(0, 500)), min_size=1, max_size=8)
)


@examples(max_examples=25)
@given(table=tables)
def test_any_rows_can_be_drawn(table):
    names = [f"name_{i}" for i in range(len(table[0]) - 1)]
    rows = [
        {**dict(zip(names, row, strict=False)), "seed": seed, "final_return": row[-1]}
        for seed, row in enumerate(table)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture.figure(rows, names, SOLVED)
