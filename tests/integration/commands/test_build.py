"""lora built in the lab with a real engine: proven, recorded and documented, and what must fail before anything is tagged."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.dockerfile import write_template
from support.labs import OPTIONS, ROOT, build_environment, change_service, image_tag, image_tags
from support.terminals import run_on_terminal
from torchpin.checks.run import blocking_findings
from torchpin.commands import generate, images, judge
from torchpin.commands.build import build
from torchpin.commands.lock import lock
from torchpin.description import write
from torchpin.description.environments import mirror_variable, select_environments
from torchpin.errors import FindingsError, ToolError
from torchpin.lab import docker_engine, stub_wheels
from torchpin.lock import file_format, sealing
from torchpin.model import CopiedFiles, Health
from torchpin.tools import docker, index_server, uv
from torchpin.tools.files import write_files
from torchpin.workspace import generated, workspace

if TYPE_CHECKING:
    from torchpin.model import Environment, Service
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]


_SERVER = """\
import json, os, stat

paths = ["/app", *("/app/" + name for name in sorted(os.listdir("/app"))), "/opt/lora/tool.sh"]
found = {path: os.lstat(path) for path in paths}
answer = {path: [status.st_uid, status.st_gid, f"{status.st_mode:o}"] for path, status in found.items()}
shared = os.statvfs("/dev/shm")
print(json.dumps({
    "ids": [os.getuid(), os.getgid()],
    "secret": open("/run/secrets/TOKEN").read(),
    "variable": os.environ["OF_FILE"],
    "shared memory": shared.f_blocks * shared.f_frsize,
    **answer,
}))
"""


def run_container(tag: str, *command: str, **options: Any) -> str:
    with docker.engine() as client:
        output: bytes = client.containers.run(tag, list(command), remove=True, network_mode="none", **options)
    return output.decode()


def test_the_image_is_built_proven_recorded_and_documented(
    scratch: Repository, env: Environment, tmp_path: Path
) -> None:
    outcome = build_environment(scratch, env)
    assert (outcome.status, outcome.code) == ("changed", 0), outcome.detail

    locked = workspace.read_lock(scratch, env)
    frozen = scratch.text("records/lora-gpu/pip_freeze.txt")
    assert frozen == "".join(
        f"{name}=={package.version}\n" for name, package in sorted(locked.packages.items())
    )
    record = workspace.read_build_record(scratch, env)
    assert record["torch"]["version"] == "2.7.1+cu128"
    assert record["torch"]["cuda"] == "12.8"
    assert record["sources"] == {"/opt/lora/third_party/sd-scripts": env.service.sources[0].commit}
    assert "not recorded yet" not in str(scratch.text("docs/services/lora.md"))

    results = judge.verify(scratch, [env], require=["docker", "image"])
    assert judge.exit_code(results, require=["docker", "image", "clone", "record"]) == 0, blocking_findings(
        results
    )

    with docker.engine() as client:
        labels = client.images.get(image_tags(scratch)[0]).labels
    sbom = scratch.text("records/lora-gpu/sbom.cdx.json")
    assert labels["io.torchpin.sbom"] == sealing.digest(sbom or "")
    assert labels["org.opencontainers.image.base.name"].startswith("docker.io/torchpin-lab/")
    assert "org.opencontainers.image.revision" not in labels  # the lab's copy is in no git repository

    second = build_environment(scratch, env)
    assert second.status == "same"
    assert "nothing to do" in second.detail

    write_files({scratch.root / "records/lora-gpu/pip_freeze.txt": frozen + "sneaked==1\n"})
    tampered = [result for result in judge.verify(scratch, [env]) if result.check == "REC001"]
    assert tampered[0].findings[0].message == "sneaked: 1 is installed, but not locked"
    with pytest.raises(FindingsError, match=r"\nrecords/lora-gpu/pip_freeze\.txt:\d+: sneaked==1\n"):
        build_environment(scratch, env)
    (recorded,) = build(scratch, [env], replace(OPTIONS, overwrite=True))
    assert (recorded.status, ", and recorded: " in recorded.detail) == ("changed", True), recorded.detail
    assert scratch.text("records/lora-gpu/pip_freeze.txt") == frozen


def test_a_container_writes_its_freeze_record_reports_and_runs_its_command(
    scratch: Repository, env: Environment, tmp_path: Path
) -> None:
    build_environment(scratch, env)
    volume = tmp_path / "workspace"
    volume.mkdir()
    output = run_container(
        image_tags(scratch)[0], "python", "-c", "print('the command ran')", volumes=[f"{volume}:/workspace"]
    )
    assert "ENVIRONMENT INFO" in output
    assert output.rstrip().endswith("the command ran")
    written = (volume / "lora_training/logs/pip_freeze.txt").read_text()
    assert written == scratch.text("records/lora-gpu/pip_freeze.txt")


def test_an_image_holds_no_uv_no_cache_and_no_address_of_a_mirror(
    scratch: Repository, env: Environment
) -> None:
    build_environment(scratch, env)
    (tag, *_) = image_tags(scratch)
    script = (
        "import os; print([os.path.join(d, f) for top in ('/run', '/var/cache', '/opt', '/usr/local', '/root', '/tmp')"
        " for d, _, fs in os.walk(top) for f in fs if f == 'uv' or '/torchpin/' in d + '/' and top == '/run' or 'uv' in d.split('/')])"
    )
    assert run_container(tag, "-c", script, entrypoint=["python"]).strip() == "[]"
    with docker.engine() as client:
        history = json.dumps(client.images.get(tag).history())
    assert "127.0.0.1" not in history
    assert "TORCHPIN_MIRROR_CU128:-https://download.pytorch.org/whl/cu128" in history


def test_own_files_a_user_of_ids_a_health_check_and_a_lost_optional_layer(
    scratch: Repository, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def change(service: Service) -> Service:
        health = Health(command=("python", "-c", "import torch"))
        layers = tuple(replace(layer, optional=layer.name == "utilities") for layer in service.layers)
        run = replace(
            service.run,
            user="1000:1000",
            writable=("/workspace", "/app/cache"),
            labels={"org.example.team": "speech"},
            health=health,
            command=("python", "/app/server.py"),
            secrets=("TOKEN",),
            env_files=("services/lora/app/.env",),
            shm_size="128MB",
            volumes=(),
            ports=(),
        )
        files = (
            CopiedFiles(
                origin="services/lora/app", target="/app", owner="1000:1000", mode="0640", ignore=("*.log",)
            ),
            CopiedFiles(origin="services/lora/tool.sh", target="tool.sh"),
        )
        return replace(service, layers=layers, run=run, files=files)

    app = scratch.root / "services/lora/app"
    write_files({app / "server.py": _SERVER, app / "debug.log": "", app.parent / "tool.sh": "#!/bin/sh\n"})
    write_files({app / ".env": "OF_FILE=read\n"})
    (app / "link.py").symlink_to("server.py")
    (app.parent / "tool.sh").chmod(0o700)
    repo, env = change_service(scratch, change)
    assert not any(outcome.code for outcome in lock(repo, [env]))
    _spoil_hash(repo, env, "05-utilities", "tqdm")
    outcome = build_environment(repo, env)
    assert outcome.code == 0, outcome.detail
    assert workspace.read_build_record(repo, env)["optional_missing"] == sorted(
        package.name for package in workspace.read_lock(repo, env).layers[5].packages
    )
    (tag, *_) = image_tags(repo)
    monkeypatch.setenv("TOKEN", "S3CRET")
    command, code = images.run(repo, env)
    output = capfd.readouterr().out
    assert (code, "S3CRET" in " ".join(command)) == (0, False), output
    assert json.loads(output.splitlines()[-1]) == {
        "ids": [1000, 1000],
        "secret": "S3CRET",
        "variable": "read",
        "shared memory": 128 * 2**20,
        "/app": [1000, 1000, "40750"],
        "/app/cache": [1000, 1000, "40755"],
        "/app/link.py": [1000, 1000, "120777"],
        "/app/server.py": [1000, 1000, "100640"],
        "/opt/lora/tool.sh": [0, 0, "100755"],
    }
    with docker.engine() as client:
        config = client.images.get(tag).attrs["Config"]
        layers_before = client.images.get(tag).attrs["RootFS"]["Layers"]
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-c", "import torch"]
    assert config["Labels"]["org.example.team"] == "speech"
    assert config["Labels"]["io.torchpin.torch"] == "2.7.1+cu128"

    # an edit is a new image whose layers are the same but for the last
    write_files({app / "server.py": f"{_SERVER}# edited\n"})
    outcome = build_environment(repo, env)
    assert (outcome.status, outcome.code) == ("changed", 0), outcome.detail
    with docker.engine() as client:
        layers_after = client.images.get(image_tag(repo, env)).attrs["RootFS"]["Layers"]
    assert (
        layers_after[:-4] == layers_before[:-4]
    )  # behind: both entries, WORKDIR and the report of the proof
    assert layers_after[-4] != layers_before[-4]

    (app / "server.py").unlink()
    (app / "link.py").unlink()
    assert "nothing of services/lora/app is left" in build_environment(repo, env).detail


def test_the_base_comes_from_a_mirror_of_its_registry(small: tuple[Repository, Environment]) -> None:
    scratch, _ = small
    (service,) = scratch.services
    with docker.engine() as client:
        client.images.get(service.base.image).tag("mirror.invalid/hub/acme/base", tag="1")
    try:
        repo, env = change_service(
            scratch, lambda before: replace(before, base=replace(before.base, image="acme/base:1"))
        )
        repo = replace(
            repo,
            settings=replace(
                repo.settings, mirrors={**repo.settings.mirrors, "docker.io": "mirror.invalid/hub"}
            ),
        )
        assert not any(outcome.code for outcome in lock(repo, [env]))
        outcome = build_environment(repo, env)
        assert outcome.code == 0, outcome.detail
        assert "FROM acme/base:1 AS image\n" in str(repo.text("docker/lora-gpu/Dockerfile"))
    finally:
        with docker.engine() as client:
            docker.remove_tags(client, ["mirror.invalid/hub/acme/base:1"])


def _build_failure(repo: Repository, env: Environment) -> str:
    """A build that fails: nothing tagged, nothing recorded; what was said."""
    outcome = build_environment(repo, env)
    assert (outcome.status, outcome.code) == ("failed", 3), outcome
    assert image_tags(repo) == []
    assert repo.text("records/lora-gpu/pip_freeze.txt") is None
    return outcome.detail


def _spoil_hash(repo: Repository, env: Environment, layer_name: str, package_name: str) -> None:
    """A lock, properly sealed and rendered, with a hash that no file has."""
    locked = workspace.read_lock(repo, env)
    layers = tuple(
        replace(
            layer,
            packages=tuple(
                replace(package, sha256="0" * 64)
                if (layer.name, package.name) == (layer_name, package_name)
                else package
                for package in layer.packages
            ),
        )
        for layer in locked.layers
    )
    spoilt = replace(locked, layers=layers)
    files = {f"lockfiles/{env.name}/{name}": text for name, text in file_format.lock_texts(spoilt).items()}
    files |= generated.environment_files(repo, env, spoilt)
    write_files({repo.root / path: text for path, text in files.items()})


def test_a_wheel_with_another_local_version_fails_before_anything_is_tagged(
    small: tuple[Repository, Environment],
) -> None:
    scratch, _ = small
    (service,) = scratch.services
    tag = f"cp{service.python.major}{service.python.minor}"
    files = {
        name: stub_wheels.build_wheel(
            name, f"{version}+cu128", tag=f"{tag}-{tag}-linux_x86_64", requires=("typing-extensions>=4.8",) if name == "torch" else (),
            modules=stub_wheels.torch_modules(f"{version}+cu124", cuda="12.4", archs=["sm_90"], cudnn=90100, cxx11_abi=False)
            if name == "torch" else {f"{name}/__init__.py": ""},
        )
        for name, version in service.torch.family.items()
    }  # fmt: skip
    channel = {name: [stub_wheels.index_file(*file)] for name, file in files.items()}
    with index_server.serve({"cu128": channel}) as address:
        mirrors = {**scratch.settings.mirrors, "cu128": f"{address}/cu128/"}
        repo = replace(scratch, settings=replace(scratch.settings, mirrors=mirrors))
        env = select_environments(repo.services)[0]
        assert not any(outcome.code for outcome in lock(repo, [env], refresh=True))
        detail = _build_failure(repo, env)
    assert "failed at verification" in detail
    assert "expected 2.7.1+cu128, found 2.7.1+cu124" in detail
    assert "expected 12.8, found 12.4" in detail


def test_an_image_with_a_package_beyond_the_lock_fails_before_anything_is_tagged(
    scratch: Repository, env: Environment
) -> None:
    template = write_template(scratch.root)
    extra = 'RUN d=$(python -c "import site; print(site.getsitepackages()[0])")/sneaked-1.0.dist-info && mkdir "$d" && printf "Metadata-Version: 2.1\\nName: sneaked\\nVersion: 1.0\\n" >"$d/METADATA"\n'
    template.write_text(template.read_text().replace("# Copied in a step", extra + "# Copied in a step"))
    assert not any(outcome.code for outcome in generate.write_renderings(scratch, [env]))
    assert "sneaked: expected not to be installed, found 1.0" in _build_failure(scratch, env)


def test_a_moved_tag_stops_the_build_with_both_commits(
    scratch: Repository, env: Environment, tmp_path: Path
) -> None:
    source = env.service.sources[0]
    moved = tmp_path / "moved"
    shutil.copytree(scratch.settings.mirrors[source.name].removeprefix("file://"), moved)

    def git(*arguments: str) -> str:
        person = ("-c", "user.name=a", "-c", "user.email=a@localhost")
        return subprocess.run(
            ("git", "-C", str(moved), *person, *arguments), check=True, capture_output=True, text=True
        ).stdout.strip()

    tree = git("rev-parse", f"{source.tag}^{{tree}}")
    moved_commit = git("commit-tree", tree, "-m", "moved")
    git("tag", "--force", source.version, moved_commit)
    repo = replace(
        scratch,
        settings=replace(
            scratch.settings, mirrors={**scratch.settings.mirrors, source.name: f"file://{moved}"}
        ),
    )
    detail = _build_failure(repo, env)
    assert source.commit in detail
    assert moved_commit in detail


def test_a_file_with_other_bytes_fails_in_its_layer_with_the_log_and_the_remedy(
    scratch: Repository, env: Environment
) -> None:
    _spoil_hash(scratch, env, "06-sd-scripts", "einops")
    detail = _build_failure(scratch, env)
    assert "failed at layer 06-sd-scripts" in detail
    assert "\nhelp: " in detail
    log = Path(detail.rsplit("\nlog: ", 1)[1].strip())
    assert "einops" in log.read_text()


def test_a_stale_rendering_is_not_built(scratch: Repository, env: Environment) -> None:
    write_files({scratch.root / "docker/lora-gpu/Dockerfile": "FROM scratch\n"})
    outcome = build_environment(scratch, env)
    assert outcome.code == 1
    assert "out of date; run `invoke render --service lora`" in outcome.detail


def test_an_engine_that_is_gone_is_one_clear_error(
    scratch: Repository, env: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(ToolError, match="no Docker engine at"):
        build(scratch, [env], OPTIONS)


def variables(repo: Repository) -> dict[str, str]:
    """Those with which everything that the lab stands in for comes from mirrors."""
    mirrors = {mirror_variable(name): url for name, url in repo.settings.mirrors.items()}
    return {**mirrors, "TORCHPIN_BUILD_NETWORK": "host", "TORCHPIN_REGISTRY": repo.prefix}


def command_line(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", "from torchpin.cli.main import main; main()", *arguments)


def start_command(repo: Repository, *arguments: str) -> subprocess.Popen[str]:
    """The real command in a scratch repository."""
    return subprocess.Popen(
        command_line(*arguments), cwd=repo.root, env={**os.environ, **variables(repo)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def test_the_command_builds_for_real_with_mirrors_and_then_has_nothing_to_do(
    scratch: Repository, env: Environment
) -> None:
    smoke = scratch.root / "services/lora/smoke.py"
    smoke.write_text(
        f"{smoke.read_text()}\nimport time\n\ntime.sleep(2)\n"
    )  # so that there is something to see
    assert not any(outcome.code for outcome in generate.write_renderings(scratch, [env]))
    build = ("build", "--service", "lora")
    shown = run_on_terminal(command_line(*build), scratch.root, environ=variables(scratch), columns=100)
    assert shown.exit_code == 0, shown.text
    assert "lora-gpu: building; log:" in shown.text
    assert "lora-gpu: verification" in shown.text
    assert re.search(r"lora-gpu: image ━* ?[━╸╺]* ?\d+ of \d+ steps", shown.text)
    assert re.search(r"\nlora-gpu: image: \d+ steps.* \([\d:]+( s)?\)\n", shown.text)
    assert "built and verified" in shown.text
    assert shown.cursor_is_visible
    with start_command(scratch, *build, "--progress", "plain") as process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "already built and verified, nothing to do" in output
    assert workspace.read_build_record(scratch, env)["key"] in json.dumps(_labels(scratch, env))


def _image_names(repo: Repository, env: Environment) -> list[str]:
    key = generated.render_environment(repo, env, workspace.read_lock(repo, env)).image_key
    return [f"{repo.prefix}/torchpin/lora-gpu:{key[:12]}"]


def _labels(repo: Repository, env: Environment) -> dict[str, str]:
    with docker.engine() as client:
        labels: dict[str, str] = client.images.get(*_image_names(repo, env)).labels
    return labels


@pytest.mark.parametrize(
    "sent_signal", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["ctrl-c", "cancelled", "hung up"]
)
def test_an_interrupt_ends_the_build_and_nothing_is_tagged_or_recorded(
    scratch: Repository, env: Environment, sent_signal: signal.Signals
) -> None:
    smoke = scratch.root / "services/lora/smoke.py"
    smoke.write_text("import time\n\ntime.sleep(300)\n")
    assert not any(outcome.code for outcome in generate.write_renderings(scratch, [env]))
    with start_command(scratch, "build", "--service", "lora", "--progress", "json") as process:
        assert process.stdout
        for line in process.stdout:
            if "prove.py" in line and '"kind": "started"' in line:
                break
        time.sleep(1)
        process.send_signal(sent_signal)
        output = process.stdout.read()
    assert process.wait(timeout=30) == 130, output
    assert "interrupted" in output
    assert scratch.text("records/lora-gpu/pip_freeze.txt") is None
    with docker.engine() as client:
        assert docker_engine.list_tags(client, f"{scratch.prefix}/") == []


def test_the_real_torch_is_locked_built_and_proven_from_pypi(scratch: Repository) -> None:
    """zopilot's torch 2.5.1 for CUDA 12.4 is what PyPI serves: gigabytes, real libraries, `import torch` and all."""
    zopilot = next(
        service for service in workspace.open_repository(ROOT).services if service.name == "zopilot"
    )
    (lora,) = scratch.services
    (variant,) = zopilot.variants
    package_names = {"numpy", "scipy"}
    layers = (
        replace(layer, packages=tuple(package for package in layer.packages if package.name in package_names))
        for layer in zopilot.layers
    )
    service = replace(
        zopilot, python=lora.python, base=lora.base, torch=replace(zopilot.torch, companions={}), apt=(), gpus=(),
        variants=(replace(variant, channel="pypi"),), layers=tuple(layer for layer in layers if layer.packages),
        imports=("torch", "numpy", "scipy"), recommends=(), reasons=(), waivers=(),
        run=replace(zopilot.run, compiles=False),  # the test's base has no compiler
    )  # fmt: skip
    smoke = "import torch\n\nassert float((torch.ones(2, 2) @ torch.ones(2, 2)).sum()) == 8.0\n"
    folder = scratch.root / "services" / "zopilot"
    for path in ("services/lora", "docker/lora-gpu", "lockfiles/lora-gpu", "records/lora-gpu"):
        shutil.rmtree(scratch.root / path, ignore_errors=True)
    write_files({folder / "service.yaml": write.to_yaml(service), folder / "smoke.py": smoke})
    repo = workspace.reread(scratch)
    (env,) = select_environments(repo.services)
    assert not any(outcome.code for outcome in lock(repo, [env]))
    outcome = build_environment(repo, env)
    assert outcome.code == 0, outcome.detail
    torch = workspace.read_build_record(repo, env)["torch"]
    assert (torch["version"], torch["cuda"], torch["cudnn"]) == ("2.5.1+cu124", "12.4", 90100)
    assert "sm_90" in torch["archs"]
    assert workspace.read_lock(repo, env).packages["torch"].version == "2.5.1"
    assert workspace.read_build_record(repo, env)["uv"] == uv.UV_VERSION
