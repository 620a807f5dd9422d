"""Own files, the user and its folders, entry point and labels in a Dockerfile; the key of an image with own files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.dockerfile import dockerfile, instructions
from torchpin.errors import InputError
from torchpin.image import plan
from torchpin.image.build_log import step_title
from torchpin.image.dockerfile import render_context_list, render_dockerfile
from torchpin.model import CopiedFiles, Run, Source

if TYPE_CHECKING:
    from support.fixture_types import Environments, Locks

SETTLE = "sh /run/torchpin/settle.sh"
FILES = (
    CopiedFiles(origin="services/lora/server.py", target="server.py"),
    CopiedFiles(origin="libs/common", target="/app/common", owner="worker"),
)


@pytest.fixture
def lines(environment: Environments, lock: Locks) -> Any:
    def rendered(**changes: Any) -> list[str]:
        env = environment(**changes)
        return instructions(dockerfile(env, lock(env)))

    return rendered


def test_own_files_come_after_all_that_is_installed_and_the_user(lines: Any) -> None:
    rendered = lines(files=FILES, run=Run(user="worker"), apt=("git",))
    steps = [number for number, line in enumerate(rendered) if "target=/run/torchpin/files " in line]
    others = [
        number
        for number, line in enumerate(rendered[: rendered.index("FROM image AS proof")])
        if line.startswith("RUN") and number not in steps
    ]
    assert max(others) < min(steps) < max(steps) < rendered.index("FROM image AS proof")
    assert "useradd" in rendered[max(others)]


def test_an_entry_is_copied_by_a_step_of_its_own_with_its_owner(lines: Any) -> None:
    rendered = lines(files=FILES, run=Run(user="worker"))
    plain, owned = [line for line in rendered if "target=/run/torchpin/files " in line]
    assert "--mount=type=bind,source=files/0,target=/run/torchpin/files " in plain
    assert plain.endswith(
        'mkdir -p "$(dirname /opt/lora/server.py)" && '
        f"cp -R -P -T --preserve=mode /run/torchpin/files /opt/lora/server.py && {SETTLE}"
    )
    assert "--mount=type=bind,source=files/1,target=/run/torchpin/files " in owned
    assert owned.endswith(
        "cp -R -P -T --preserve=mode /run/torchpin/files /app/common && "
        "find /run/torchpin/files -exec sh -c 'for path; do chown -h worker:worker "
        """"/app/common${path#/run/torchpin/files}" || exit 1; done' sh {} + && """ + SETTLE
    )
    assert [step_title(f"[image 9/9] {line}") for line in (plain, owned)] == [
        "files in /opt/lora/server.py", "files in /app/common",
    ]  # fmt: skip


def test_in_the_folder_of_a_source_nothing_of_the_source_is_replaced(lines: Any) -> None:
    source = Source(name="ui", url="u", tag="v1", commit="0f" * 20, path="third_party/ui")
    inside = CopiedFiles(origin="nodes", target="third_party/ui/nodes/mine")
    (step,) = [
        line for line in lines(files=(inside,), sources=(source,)) if "target=/run/torchpin/files " in line
    ]
    place = "/opt/lora/third_party/ui/nodes/mine"
    assert (
        f'if [ -e {place} ]; then echo "torchpin: {place} is the source ui\'s own" >&2; exit 1; fi && '
        f'mkdir -p "$(dirname {place})" && ' in step
    )


def test_a_user_of_ids_is_made_where_the_base_has_none_and_compared_in_the_proof(lines: Any) -> None:
    rendered = lines(run=Run(user="1000:1001", volumes=("/data",), writable=("/app/cache",)))
    (step,) = [line for line in rendered if "useradd" in line]
    assert step.endswith(
        "{ getent group 1001 >/dev/null || groupadd --gid 1001 service; } && "
        "{ getent passwd 1000 >/dev/null || useradd --no-log-init --create-home --uid 1000 --gid 1001 service; } && "
        f"install -d -o 1000 -g 1001 /data && install -d -o 1000 -g 1001 /app/cache && {SETTLE}"
    )
    proof = rendered.index("FROM image AS proof")
    assert rendered[proof + 1] == "USER 1000:1001"
    assert '[ "$(id -u):$(id -g)" = "1000:1001" ] && python -B /opt/torchpin/prove.py' in rendered[proof + 2]
    assert rendered[-1] == "USER 1000:1001"


def test_folders_are_made_for_root_too(lines: Any) -> None:
    (step,) = [line for line in lines(run=Run(writable=("/app/cache",))) if "install -d" in line]
    assert step.endswith(f"install -d /app/cache && {SETTLE}")


def test_an_entry_point_stands_in_place_of_the_start_script(lines: Any) -> None:
    entry_points = {
        name: [line for line in lines(run=run) if line.startswith("ENTRYPOINT")]
        for name, run in {"none": Run(), "given": Run(entrypoint=("tini", "--"))}.items()
    }
    assert entry_points == {
        "none": ['ENTRYPOINT ["/bin/sh", "/opt/torchpin/start.sh"]'],
        "given": ['ENTRYPOINT ["tini", "--"]'],
    }


def test_labels_are_words_in_which_nothing_is_expanded(lines: Any) -> None:
    rendered = lines(run=Run(labels={"org.example.team": 'a "b" $c'}))
    assert r'LABEL org.example.team="a \"b\" \$c"' in rendered


def test_a_template_of_the_repository_that_would_copy_nothing_is_refused(
    environment: Environments, lock: Locks
) -> None:
    env = environment(files=FILES, run=Run(user="worker"))
    with pytest.raises(
        InputError, match=r"docker/Dockerfile\.j2:1:1: has no step for the `files:` of services/lora/"
    ):
        render_dockerfile("FROM a\n", plan.image_plan(env, lock(env)))


def test_what_is_copied_has_to_be_readable_and_folders_writable(environment: Environments) -> None:
    env = environment(files=FILES, run=Run(user="1000:1000", writable=("/app/cache",)))
    assert plan.access_expectations(env) == {
        "user": "",
        "readable": ["/opt/lora", "/opt/torchpin", "/opt/venv", "/app/common"],
        "writable": ["~", "/tmp", "/app/cache"],
    }


def test_an_edit_changes_the_key_and_neither_the_dockerfile_nor_the_context_list(
    environment: Environments, lock: Locks
) -> None:
    env = environment(files=FILES)
    context = plan.build_context(env, lock(env), runtime={}, smoke="smoke")
    listing = render_context_list(context)
    assert "files/0  services/lora/server.py\nfiles/1  libs/common\n" in listing
    keys = [
        plan.image_key(env, "FROM a", listing, copied)
        for copied in ({}, {"files/0": "sha256:1"}, {"files/0": "sha256:2"}, {"files/1": "sha256:1"})
    ]
    assert len({*keys}) == len(keys)
    assert plan.image_key(env, "FROM a", listing) == keys[0]


def test_a_service_without_own_files_has_the_key_that_it_had(environment: Environments, lock: Locks) -> None:
    env = environment()
    context = plan.build_context(env, lock(env), runtime={}, smoke="smoke")
    assert (context.copied, "files/" in render_context_list(context)) == ({}, False)
    # as it was before there were own files, since images and records are found by it
    assert plan.image_key(env, "FROM a", "list") == (
        "1dfc1fe412fe05af8f294381f2e3f255da7591a6836677f80ed01a8447101b2d"
    )


def test_files_of_variables_in_the_repository_are_left_out(environment: Environments) -> None:
    env = environment(run=Run(env_files=("services/lora/.env", "~/x.env", "/etc/x.env")))
    assert plan.left_out_files(env.service) == (
        "services/lora/service.yaml", "services/lora/smoke.py", "services/lora/.env",
    )  # fmt: skip
    assert plan.left_out_files(replace(env.service, run=Run())) == (
        "services/lora/service.yaml", "services/lora/smoke.py",
    )  # fmt: skip
