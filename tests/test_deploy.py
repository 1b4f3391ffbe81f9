"""The files of dashboards/deploy agree with this project, and with the validators of their tools that are installed."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.cli import main

HERE = Path(__file__).parents[1] / "dashboards/deploy"
COMPOSE = yaml.safe_load((HERE / "compose.yaml").read_text())
CLUSTER, JOB = yaml.safe_load_all((HERE / "kubernetes.yaml").read_text())


def commands() -> list[list[str]]:
    """The command that each of the files runs."""
    script = re.sub(r"\\\n", " ", (HERE / "slurm.sh").read_text())
    (line,) = re.findall(r"^pipeline .*", script, flags=re.MULTILINE)
    return [
        COMPOSE["services"]["run"]["command"],
        JOB["spec"]["template"]["spec"]["containers"][0]["command"],
        line.split(),
    ]


@pytest.mark.parametrize("command", commands(), ids=["compose", "kubernetes", "slurm"])
def test_commands_have_only_options_that_exist(command):
    program, run, config, *options = command
    assert (program, run) == ("pipeline", "run")
    assert "my.toml" in config or config == '"$config"'
    options_of_run = {option for parameter in main.commands[run].params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= options_of_run


def test_services_and_paths_that_are_named_exist():
    services = COMPOSE["services"]
    assert "tcp://scheduler:8786" in services["worker"]["command"]
    assert "tcp://scheduler:8786" in services["run"]["command"]
    build = services["run"]["build"]
    assert (HERE / build["context"] / build["dockerfile"]).samefile(HERE / "Dockerfile")
    for line in re.findall(r"^COPY (.*) \S+$", (HERE / "Dockerfile").read_text(), flags=re.MULTILINE):
        assert all((HERE / build["context"] / name).exists() for name in line.split())
    (address,) = [part for part in commands()[1] if part.startswith("tcp://")]
    assert (
        address == f"tcp://{CLUSTER['metadata']['name']}-scheduler:8786"
    )  # the name that the operator gives to the service
    assert all(
        f"]({name.name})" in (HERE / "README.md").read_text() for name in HERE.iterdir() if name.name != "README.md"
    )


def test_compose_file_is_valid_to_docker_compose():
    for tool in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(tool[0])
            and not subprocess.run([*tool, "version"], capture_output=True, check=False).returncode
        ):
            break
    else:
        pytest.skip("docker compose is not installed")
    result = subprocess.run(
        [*tool, "-f", str(HERE / "compose.yaml"), "config", "--quiet"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_kubernetes_cluster_is_valid_to_the_schema_of_the_operator():
    spec = importlib.util.find_spec("dask_kubernetes")
    if spec is None or importlib.util.find_spec("jsonschema") is None:
        pytest.skip("needs the packages dask-kubernetes, which has the schema, and jsonschema")
    import jsonschema

    file = next(Path(spec.origin).parent.rglob("crds/daskcluster.yaml"))
    definition = yaml.safe_load(file.read_text())
    (version,) = (v for v in definition["spec"]["versions"] if v["name"] == CLUSTER["apiVersion"].rpartition("/")[2])
    assert definition["spec"]["names"]["kind"] == CLUSTER["kind"]
    schema = version["schema"]["openAPIV3Schema"]
    jsonschema.Draft202012Validator(schema).validate(CLUSTER)
    broken = CLUSTER | {"spec": {"worker": CLUSTER["spec"]["worker"]}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(broken)


def test_slurm_script_is_valid_bash_and_asks_for_its_resources():
    script = str(HERE / "slurm.sh")
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    resources = re.findall(r"^#SBATCH --([\w-]+)=\S+$", Path(script).read_text(), flags=re.MULTILINE)
    assert {"ntasks", "cpus-per-task", "time"} <= set(resources)
    if shutil.which("shellcheck"):
        result = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout
