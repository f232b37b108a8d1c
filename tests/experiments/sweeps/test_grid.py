"""Configurations of a sweep: values, order, groups, and one line for invalid arguments."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.sweeps import grid
from jaxdqn.config import ConfigError

NAMES = (
    "adam_epsilon, advantage_alpha, batch_size, buffer_size, epsilon_end, epsilon_start, exploration_fraction, gamma, "
    "kappa, learning_rate, learning_starts, max_grad_norm, munchausen_alpha, n_step, noise_scale, "
    "num_atoms, num_envs, num_epochs, num_levels, num_minibatches, num_quantiles, num_steps, "
    "num_updates, priority_alpha, priority_beta, sigma, target_period, tau, td_lambda, temperature, "
    "v_max, v_min."
)
SWEEP_FORM = "must be NAME=NUMBER,NUMBER or NAME=LOW:HIGH:COUNT or NAME=LOW:HIGH:log:COUNT."
DRAW_FORM = "must be NAME=LOW:HIGH or NAME=LOW:HIGH:log."


def swept(argument):
    """The values of the only hyperparameter in `argument`."""
    return [value for configuration in grid.parse([argument]) for value in configuration.values()]


def test_without_an_option_there_is_the_default_alone():
    assert grid.parse([]) == [{}]
    # Without a range, the number of draws has no effect.
    assert grid.parse([], num_draws=7) == [{}]


def test_a_list_is_itself():
    assert swept("gamma=0.99,0.9,1") == [0.99, 0.9, 1.0]
    assert swept("gamma=0.99") == [0.99]
    assert grid.parse(["learning-rate=1e-3"]) == [{"learning_rate": 1e-3}]


def test_whole_numbers_stay_whole_and_others_become_floats():
    found = grid.parse(["num-envs=8,16", "gamma=1"])
    assert [type(x) for x in found[0].values()] == [int, float]


def test_ranges_by_hand():
    # From 0.5 to 1 in four equal distances of 0.125, exact in binary.
    assert swept("gamma=0.5:1:5") == [0.5, 0.625, 0.75, 0.875, 1.0]
    # From 1/16 to 4 in three equal ratios of 4.
    np.testing.assert_allclose(swept("gamma=0.0625:4:log:4"), [0.0625, 0.25, 1.0, 4.0])


@given(
    low=st.floats(1e-300, 1e300),
    ratio=st.floats(1.001, 1e6),
    count=st.integers(2, 50),
    log=st.booleans(),
)
def test_a_range_has_exact_ends_and_even_steps(low, ratio, count, log):
    high = low * ratio
    values = swept(f"gamma={low!r}:{high!r}:{'log:' if log else ''}{count}")
    assert (len(values), values[0], values[-1]) == (count, low, high)
    steps = np.divide(values[1:], values[:-1]) if log else np.diff(values) / low
    # Equal to rounding: the ratios' own, or that of numbers up to `ratio`.
    np.testing.assert_allclose(steps, steps[0], rtol=1e-12, atol=1e-14 * ratio)


@given(low=st.floats(1e-30, 1e30), ulps=st.integers(1, 2**54), log=st.booleans(), t=st.floats(0, 1))
@example(low=7.771576305413474, ulps=1, log=True, t=0.8981303330719009)
def test_values_stay_within_their_range(low, ulps, log, t):
    """However narrow it is: its other end is `ulps` floats away."""
    high = float((np.array(low).view(np.int64) + ulps).view(float))
    assert low <= grid.Range(low, high, log).at(t) <= high


def test_draws_fill_their_range_evenly():
    """Of 10,000 draws as many in each tenth, of the range or of its logarithm."""
    found = grid.parse([], ["gamma=0:2", "learning_rate=1e-6:1e4:log"], 10_000)
    gamma, rate = np.array([list(configuration.values()) for configuration in found]).T
    for values, edges in ((gamma, np.linspace(0, 2, 11)), (rate, np.logspace(-6, 4, 11))):
        # 1,000 in each, with a standard deviation of 30.
        np.testing.assert_allclose(np.histogram(values, edges)[0], 1_000, atol=150)
    # Drawn jointly, not the one from the other: the correlation's standard deviation is 0.01.
    assert abs(np.corrcoef(gamma, np.log(rate))[0, 1]) < 0.05


def test_draws_repeat_follow_their_seed_and_only_grow():
    draws = ["gamma=0.9:1", "learning_rate=1e-4:1e-2:log"]
    few, many = (grid.parse([], draws, number, draw_seed=3) for number in (4, 9))
    assert many[:4] == few and len(many) == 9
    assert grid.parse([], draws, 4, draw_seed=4) != few


def test_the_first_option_varies_slowest():
    assert grid.parse(["gamma=0.9,0.8", "num_envs=4,2,1"]) == [
        {"gamma": 0.9, "num_envs": 4},
        {"gamma": 0.9, "num_envs": 2},
        {"gamma": 0.9, "num_envs": 1},
        {"gamma": 0.8, "num_envs": 4},
        {"gamma": 0.8, "num_envs": 2},
        {"gamma": 0.8, "num_envs": 1},
    ]


def test_each_point_of_the_grid_meets_the_same_draws():
    found = grid.parse(["gamma=0.9,0.8"], ["tau=0.1:1"], 3)
    assert [configuration["gamma"] for configuration in found] == [0.9, 0.9, 0.9, 0.8, 0.8, 0.8]
    rates = [configuration["tau"] for configuration in found]
    assert rates[:3] == rates[3:] and len(set(rates)) == 3


def test_a_group_shares_its_integers():
    found = grid.parse(["num_envs=8,16", "gamma=0.9,0.8", "n_step=1,3"])
    assert grid.group(found) == [
        ({"num_envs": 8, "n_step": 1}, [0, 2]),
        ({"num_envs": 8, "n_step": 3}, [1, 3]),
        ({"num_envs": 16, "n_step": 1}, [4, 6]),
        ({"num_envs": 16, "n_step": 3}, [5, 7]),
    ]
    assert grid.group(grid.parse(["gamma=0.9,0.8"])) == [({}, [0, 1])]
    assert grid.group(grid.parse([])) == [({}, [0])]


@pytest.mark.parametrize(
    ("word", "rule"),
    [
        ("gamma", SWEEP_FORM),
        ("", SWEEP_FORM),
        ("gamma=0.9:1", SWEEP_FORM),
        ("gamma=0.9:1:log:3:4", SWEEP_FORM),
        ("gamma=0.9:1:lin:3", SWEEP_FORM),
        ("lr=1:2:3", f"must name a hyperparameter: {NAMES}"),
        ("=1", f"must name a hyperparameter: {NAMES}"),
        (
            "gama=1",
            "must name a hyperparameter: gamma, sigma, "
            + NAMES.replace(" gamma,", "").replace(" sigma,", ""),
        ),
        ("gamma=", "must hold finite numbers, not ''."),
        ("gamma=0.9,,1", "must hold finite numbers, not ''."),
        ("gamma=0.9,high", "must hold finite numbers, not 'high'."),
        ("gamma=nan", "must hold finite numbers, not 'nan'."),
        ("gamma=0:inf:3", "must hold finite numbers, not 'inf'."),
        ("gamma=0.9:1:log", "must have an integer in place of 'log'."),
        ("gamma=0.9:1:2.5", "must have an integer in place of '2.5'."),
        ("gamma=0.9:1:1", "must have a COUNT of at least 2, not 1."),
        ("gamma=0.9:1:-3", "must have a COUNT of at least 2, not -3."),
        ("gamma=1:0.9:3", "must have LOW below HIGH."),
        ("gamma=1:1:3", "must have LOW below HIGH."),
        ("gamma=0:1:log:3", "must have LOW above 0 on a log scale."),
        ("gamma=-1:1:log:3", "must have LOW above 0 on a log scale."),
        ("gamma=0.9,1,0.90", "must not hold 0.9 twice."),
        ("num_envs=8,08", "must not hold 8 twice."),
        # Five numbers where floats leave room for two.
        ("gamma=1:1.0000000000000002:5", "must not hold 1.0 twice."),
        ("num_envs=8,16.0", "must have an integer in place of '16.0'."),
        ("num_envs=8,", "must have an integer in place of ''."),
        (
            "num_envs=8:16:2",
            "must list integers, as in --sweep num_envs=8,16: they fix shapes and loop lengths.",
        ),
        ("gamma=0:1:100001", "must give at most 100000 configurations in total, not 100001."),
    ],
)
def test_an_invalid_sweep_is_one_line(word, rule):
    with pytest.raises(ConfigError) as caught:
        grid.parse([word])
    assert (caught.value.option, caught.value.value) == ("sweep", word)
    assert str(caught.value) == f"sweep ({word}) {rule}"


@pytest.mark.parametrize(
    ("word", "rule"),
    [
        ("gamma", DRAW_FORM),
        ("gamma=0.9,1", DRAW_FORM),
        ("gamma=0.9:1:3", DRAW_FORM),
        ("gamma=0.9:1:log:3", DRAW_FORM),
        ("lr=1:2", f"must name a hyperparameter: {NAMES}"),
        ("gamma=0.9:", "must hold finite numbers, not ''."),
        ("gamma=0.9:nan", "must hold finite numbers, not 'nan'."),
        ("gamma=1:0.9", "must have LOW below HIGH."),
        ("gamma=1:1", "must have LOW below HIGH."),
        ("gamma=0:1:log", "must have LOW above 0 on a log scale."),
        (
            "n-step=1:5",
            "must list integers, as in --sweep n_step=8,16: they fix shapes and loop lengths.",
        ),
    ],
)
def test_an_invalid_draw_is_one_line(word, rule):
    with pytest.raises(ConfigError) as caught:
        grid.parse([], [word])
    assert (caught.value.option, caught.value.value) == ("draw", word)
    assert str(caught.value) == f"draw ({word}) {rule}"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            (["learning_rate=1", "learning-rate=2"],),
            "sweep (learning-rate=2) must not name learning_rate a second time.",
        ),
        ((["gamma=1"], ["gamma=0:1"]), "draw (gamma=0:1) must not name gamma a second time."),
        (([], ["gamma=0:1"] * 2), "draw (gamma=0:1) must not name gamma a second time."),
        (
            (["gamma=0:1:1000", "tau=0:1:101"],),
            "sweep (tau=0:1:101) must give at most 100000 configurations in total, not 101000.",
        ),
        (
            (["gamma=0:1:1000"], ["tau=0:1"], 101),
            "num_draws (101) must give at most 100000 configurations in total, not 101000.",
        ),
        (([], [], 0), "num_draws (0) must be at least 1."),
        (([], [], 1, -1), "draw_seed (-1) must be at least 0."),
    ],
)
def test_invalid_combinations_are_one_line(arguments, line):
    with pytest.raises(ConfigError) as caught:
        grid.parse(*arguments)
    assert str(caught.value) == line


def test_the_largest_allowed_number_of_configurations():
    assert len(grid.parse(["gamma=0:1:1000"], ["tau=0:1"], 100)) == 100_000


pieces = st.sampled_from(
    ["gamma", "num-envs", "=", ":", ",", "log", "-", ".", "e", "0", "1", "9", "_", "nan", "inf"]
)
likely_words = st.lists(pieces, max_size=12).map("".join)
numbers = st.floats().map(repr) | st.integers().map(str) | st.text(max_size=3)
specs = st.lists(numbers | st.just("log"), max_size=5)
formed_words = st.builds(
    lambda name, sign, spec: f"{name}={sign.join(spec)}",
    st.sampled_from(["gamma", "n_step"]),
    st.sampled_from(":,"),
    specs,
)


@given(word=st.text() | likely_words | formed_words)
@example(word="num_envs=" + "9" * 5_000)
@example(word="gamma=0:1:" + "9" * 4_000)
@example(word="gamma=" + "9" * 5_000)
@example(word="gamma=5e-324:1.7976931348623157e+308:log:7")
@example(word="gamma=-1.7976931348623157e+308:1.7976931348623157e+308:7")
def test_any_argument_is_parsed_or_rejected(word):
    """Raises no other exception; parsed values are finite and distinct."""
    for words in (([word], []), ([], [word])):
        try:
            found = grid.parse(*words)
        except ConfigError:
            continue
        values = [value for configuration in found for value in configuration.values()]
        assert len(values) == len(found) == len(set(values))
        assert all(isinstance(value, int) or np.isfinite(value) for value in values)
