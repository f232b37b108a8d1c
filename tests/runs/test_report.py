"""Reports: data from the files of a run, missing and damaged files, and hostile values."""

import json
import shlex

import pytest
from helpers import report_run, runner

from jaxdqn import recipes
from jaxdqn.config import ConfigError
from jaxdqn.runs import cli, directory, experiment, policy_file, report, report_policy, report_text
from jaxdqn.runs.errors import RunError

HOSTILE = "</script><script>document.title='hacked'</script><!-- \u2028 ' \" & {{DATA}}"


def contents(run_dir, **options):
    return report_run.data(report.write(run_dir, **options).read_text())


def test_a_run_has_its_result_curve_config_and_policies(tmp_path):
    report_run.write(tmp_path / "run", seeds=3)
    data = contents(tmp_path / "run")
    assert data["missing"] == [] and data["title"] == "dqn on CartPole-v1"
    assert "3 seeds have a median return of 201, from 200 to 202, after 30,000" in data["sentence"]
    assert "0 of 3 seeds solve" in data["sentence"]
    assert data["curve"]["steps"] == [10_000, 20_000, 30_000]
    assert data["curve"]["evaluation"]["median"] == [1.0, 101.0, 201.0]
    assert data["curve"]["evaluation"]["seeds"][2] == [2.0, 102.0, 202.0]
    assert data["curve"]["solved_at"] == 475.0
    assert data["facts"]["Hyperparameters"]["gamma"] == "0.996"
    assert data["facts"]["Seconds"] == {"run": "12.5"}
    names = [policy["name"] for policy in data["cartpole"]["policies"]]
    assert names == ["after 10,000 steps", "after 20,000 steps", "best", "final"]
    assert data["cartpole"]["seed"] == 7
    assert (tmp_path / "run" / "report.html").stat().st_size < 1_000_000


def test_another_seed_has_its_own_policies_only(tmp_path):
    report_run.write(tmp_path / "run", seeds=3)
    data = contents(tmp_path / "run", seed=8)
    assert [policy["name"] for policy in data["cartpole"]["policies"]] == ["best", "final"]
    with pytest.raises(ConfigError, match="must be a seed of the run, 7 to 9"):
        report.write(tmp_path / "run", seed=10)


def test_the_page_refers_to_no_other_file(tmp_path):
    report_run.write(tmp_path / "run")
    page = report.write(tmp_path / "run").read_text()
    assert "default-src 'none'" in page and "MIT" in page
    assert not any(word in page for word in (' src="', "<link", "@import", "url(", "fetch("))


def test_the_command_resumes_the_same_run(tmp_path):
    """Its words are parsed by the command line into the config of the run."""
    report_run.write(tmp_path / "run", seeds=2, agent="rainbow", features=(8, 4))
    file = tmp_path / "run" / "config.json"
    found = json.loads(file.read_text())
    found["config"]["threads"] = 2
    directory.write_json(file, found)
    saved = directory.read_config(tmp_path / "run").config
    words = shlex.split(report_text.resume(saved, tmp_path / "run"))
    assert words[:3] == ["python", "-m", "jaxdqn"] and words[-1] == "--resume"
    args = cli.parse(experiment.EnvArgs, words[3:])
    recipe, args = experiment.complete(recipes.find(args.env, args.agent), args)
    directory.create(args.run_dir, tmp_path, experiment.run_config(recipe, args), resume=True)


def test_the_network_is_traced_once_for_all_policies(tmp_path, monkeypatch):
    report_run.write(tmp_path / "run")
    traced, layer_order = [], policy_file.layer_order
    monkeypatch.setattr(
        policy_file, "layer_order", lambda *inputs: traced.append(1) or layer_order(*inputs)
    )
    assert len(contents(tmp_path / "run")["cartpole"]["policies"]) == 4 and len(traced) == 1


@pytest.mark.parametrize("name", ["policy/best.npz", "policy/20000-steps.npz"])
def test_what_is_there_is_shown_if_a_policy_is_damaged(tmp_path, name):
    report_run.write(tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(b"damaged")
    data = contents(tmp_path / "run")
    (line,) = data["missing"]
    assert name in line and "\n" not in line
    assert len(data["cartpole"]["policies"]) == 3 and data["curve"]


def test_a_run_without_policy_or_metrics_has_a_page_that_says_so(tmp_path):
    report_run.write(tmp_path / "run")
    for path in [*(tmp_path / "run" / "policy").iterdir(), tmp_path / "run" / "metrics.jsonl"]:
        path.unlink()
    (tmp_path / "run" / "result.json").unlink()
    data = contents(tmp_path / "run")
    assert [line.split()[-1] for line in data["missing"]] == [
        "result.json.", "metrics.jsonl.", "yet.", "yet.",
    ]  # fmt: skip
    assert data["curve"] is None and "cartpole" not in data


def test_damaged_metrics_are_shown_up_to_the_damage(tmp_path):
    report_run.write(tmp_path / "run")
    path = tmp_path / "run" / "metrics.jsonl"
    lines = path.read_text().splitlines()
    for damaged in ("{", "[]", '{"env_steps": 5}', lines[0], '{"env_steps": 1e999}', "[" * 9_999):
        path.write_text("\n".join([*lines[:2], damaged, lines[2]]))
        data = contents(tmp_path / "run")
        assert data["curve"]["steps"] == [10_000, 20_000]
        assert "damaged from line 3 on" in data["missing"][0]


@pytest.mark.parametrize("text", ["{", "[]", '{"config": 1, "versions": 2}', ""])
def test_a_damaged_config_leaves_the_curve(tmp_path, text):
    report_run.write(tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text(text)
    data = contents(tmp_path / "run")
    assert data["curve"]["steps"] and "config.json" in data["missing"][0]


def test_a_directory_that_is_no_run_is_an_error(tmp_path):
    with pytest.raises(RunError, match="must be the directory of a run") as error:
        report.write(tmp_path)
    assert error.value.exit_code == 2 and not list(tmp_path.iterdir())


def test_hostile_text_is_only_data(tmp_path):
    report_run.write(tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    before = report.write(tmp_path / "run").read_text()
    saved = json.loads(path.read_text())
    saved["config"] |= {"agent": HOSTILE, HOSTILE: HOSTILE}
    saved["versions"]["jax"] = HOSTILE * 1_000
    path.write_text(json.dumps(saved))
    page = report.write(tmp_path / "run").read_text()
    assert page.count("<script") == before.count("<script")
    assert page.count("</script") == before.count("</script")
    data = report_run.data(page)
    assert data["title"].startswith(HOSTILE) and data["facts"]["Run"][HOSTILE] == HOSTILE
    assert len(data["facts"]["Versions"]["jax"]) <= report.MAX_TEXT + 1
    assert HOSTILE not in report_text.resume(saved["config"], path)


def test_a_revision_is_shown_with_12_digits():
    revision = "0961ce2217be9c1bc945adf527b8a93745774080"
    assert report_text.short_revision(f"{revision}-dirty") == "0961ce2217be-dirty"
    assert report_text.short_revision(None) is None


def test_numbers_are_finite(tmp_path):
    report_run.write(tmp_path / "run")
    rows = [
        report_run.metrics(k, [x]) for k, x in enumerate([float("nan"), 1e300, -float("inf"), 5.0])
    ]
    path = tmp_path / "run" / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = contents(tmp_path / "run")
    assert data["curve"]["evaluation"]["median"] == [None, None, None, 5.0]
    assert report.plain([10**400, float("nan"), 2**40, "x"]) == [None, None, 2**40, "x"]


def test_a_long_run_of_many_seeds_is_bounded(tmp_path):
    report_run.write(tmp_path / "run")
    rows = (report_run.metrics(k, [float(k)] * 100) for k in range(2_000))
    path = tmp_path / "run" / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = contents(tmp_path / "run")
    assert len(data["curve"]["steps"]) == 400 and data["curve"]["steps"][-1] == 1_999
    assert len(data["curve"]["evaluation"]["seeds"]) == 32 and data["curve"]["num_seeds"] == 100
    assert (tmp_path / "run" / "report.html").stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("env", "shown"),
    [("Breakout-MinAtar", "pictures"), ("Acrobot-v1", "pictures"), ("Catch-bsuite", "pictures")],
)
def test_other_environments_have_an_episode(tmp_path, env, shown):
    report_run.write(tmp_path / "run", env=env)
    episode = contents(tmp_path / "run")["episode"]
    length = len(episode["steps"])
    assert len(episode["actions"]) == len(episode["rewards"]) == len(episode["q"]) == length
    assert [max(range(len(q)), key=q.__getitem__) for q in episode["q"]] == episode["actions"]
    assert episode[shown]["url"].startswith("data:image/png;base64,")
    assert (tmp_path / "run" / "report.html").stat().st_size < 1_000_000


def test_an_own_environment_is_executed_only_if_it_is_named(tmp_path):
    name = "helpers.envs:chain_env"
    report_run.write(tmp_path / "run", env=name)
    data = contents(tmp_path / "run")
    assert "episode" not in data and any(f"--env {name}" in line for line in data["missing"])
    for given in ({"env": name}, {"recipe": recipes.find(name)}):
        data = contents(tmp_path / "run", **given)
        assert data["episode"]["steps"] and data["missing"] == []


def test_an_unknown_network_is_refused():
    recipe = recipes.find("CartPole-v1")
    params = {"params": {"Conv_0": {}}}
    with pytest.raises(ValueError, match="unknown layer Conv_0"):
        report_policy.describe(recipe, params)


def test_a_sweep_has_a_ranking(tmp_path):
    recipe = recipes.find("CartPole-v1")
    args = experiment.EnvArgs(steps=8_000, eval_interval=1_000)
    config = experiment.run_config(recipe, args) | {"num_draws": 16, "sweep": ["gamma=0.9,0.99"]}
    run_dir = directory.create(tmp_path / "run", tmp_path, config, resume=False)
    assert "no results.csv yet" in contents(run_dir)["missing"][0]
    (run_dir / "results.csv").write_text(
        "gamma,seed,final_return,best_return,steps_to_solve,diverged\n"
        "0.9,0,10.0,11.0,,\n0.9,1,30.0,31.0,,\n0.99,0,500.0,500.0,1000,\n0.99,1,nan,5.0,,1000\n"
    )
    data = contents(run_dir)
    best, worst = data["ranking"]["rows"]
    assert (best["values"], best["solved"], best["diverged"]) == (["0.99"], 1, 1)
    assert (worst["mean"], worst["median"], worst["worst"]) == (20.0, 20.0, 10.0)
    assert data["missing"] == [] and data["commands"]["Resume"].startswith(
        "python experiments/sweep.py"
    )


@pytest.mark.slow
def test_the_program_prints_the_path_or_one_line(tmp_path):
    report_run.write(tmp_path / "run")
    code, out, _ = runner.run("report.py", tmp_path / "run")
    assert (code, out) == (0, f"Report: {tmp_path / 'run' / 'report.html'}.\n")
    code, out, err = runner.run("report.py", tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
