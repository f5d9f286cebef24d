"""The image, compose.yaml, nginx and the cluster are as docs/hosting.md says, where their linters say nothing.

The linters themselves run in `scripts/check`. A planted mistake shows here that each of them looks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from topology.caller import Caller
from topology.parts import STARTED_WITHIN, command_of_ours, free_port, is_listening

from contacts_mcp.config import Settings, variable_of

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
NGINX = (ROOT / "deploy/nginx.conf").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
CLUSTER_TEXT = (ROOT / "deploy/kubernetes.yaml").read_text(encoding="utf-8")
CLUSTER: dict[str, Any] = {part["kind"]: part for part in YAML(typ="safe").load_all(CLUSTER_TEXT)}
POD: dict[str, Any] = CLUSTER["Deployment"]["spec"]["template"]["spec"]
CONTAINER: dict[str, Any] = POD["containers"][0]
SERVICES: dict[str, Any] = COMPOSE["services"]
REPLICAS = [name for name, service in SERVICES.items() if service["image"].startswith("contacts-mcp")]

CALL_TIMEOUT = Settings.model_fields["call_timeout"].default
LEAVING = 5  # seconds until no balancer sends to a replica that drains
CLOSING = 5  # seconds for the journal
LINTERS = {
    "hadolint": (
        "Dockerfile",
        ["hadolint"],
        ("bookworm AS build", "bookworm AS build\nRUN cd /tmp && apt-get install x"),
    ),
    "check-jsonschema": (
        "compose.yaml",
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec"],
        ("read_only:", "read_onl:"),
    ),
    "kubernetes-validate": (
        "deploy/kubernetes.yaml",
        ["kubernetes-validate", "--strict"],
        ("readOnlyRootFilesystem", "readOnlyRootFS"),
    ),
}


OURS = {variable_of(field) for field in Settings.model_fields}


# Linters


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_catches_a_planted_mistake(linter: str, tmp_path: Path) -> None:
    name, (program, *options), (right, wrong) = LINTERS[linter]
    command = shutil.which(program, path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip(f"{linter} comes with the extra `dev` only")
    text = (ROOT / name).read_text(encoding="utf-8")
    planted = tmp_path / Path(name).name
    for content, is_right in ((text, True), (text.replace(right, wrong, 1), False)):
        planted.write_text(content, encoding="utf-8")
        done = subprocess.run([command, *options, planted], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == is_right, done.stdout + done.stderr


# The image


def test_the_image_runs_as_a_user_with_a_number_that_is_not_root() -> None:
    """A cluster can only tell by the number that it is not root."""
    user = re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)[-1]
    assert re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", user)
    assert f"--uid {user.partition(':')[0]} " in DOCKERFILE


def test_the_image_has_a_health_check_by_what_is_in_it() -> None:
    (check,) = re.findall(r"^HEALTHCHECK .*?CMD (\[.*?\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    program, options, code = json.loads(check)
    assert (program, options) == ("python", "-ISc")
    compile(code, "HEALTHCHECK", "exec")
    assert "/healthz" in code


def test_the_image_ends_on_the_signal_that_drains_it() -> None:
    assert re.findall(r"^STOPSIGNAL (.*)$", DOCKERFILE, re.MULTILINE) == ["SIGTERM"]
    assert re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE) == ['["contacts-mcp", "serve"]'], (
        "a shell before it would keep the signal"
    )


def test_the_last_stage_takes_the_environment_alone() -> None:
    """No compiler, no source and no cache of an installer comes along."""
    build, last = re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]
    assert re.findall(r"^COPY (.*)$", last, re.MULTILINE) == ["--from=build /opt/contacts-mcp /opt/contacts-mcp"]
    assert "/source[team]" in build
    assert not re.search(r"\b(apt-get|gcc|pip)\b", last)
    assert "VOLUME" not in DOCKERFILE


def test_the_bytecode_is_compiled_where_the_packages_are() -> None:
    (places,) = re.findall(r"compileall -q --invalidation-mode unchecked-hash (.*?) \\?$", DOCKERFILE, re.MULTILINE)
    (version,) = {*re.findall(r"^FROM python:(3\.\d+)", DOCKERFILE, re.MULTILINE)}
    assert places.split() == [f"/usr/local/lib/python{version}", "/opt/contacts-mcp"]


IMAGES = [
    *re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE),
    *(service["image"] for name, service in SERVICES.items() if name not in REPLICAS),
]


@pytest.mark.parametrize("image", sorted({*IMAGES}))
def test_every_image_names_its_version_and_its_system(image: str) -> None:
    """A rebuild gets mended bugs of this line, and never another line."""
    assert re.fullmatch(r"[a-z/]+:\d+(\.\d+)*(-slim)?-(bookworm|trixie)", image)


READ_ONLY = """
root="$1" room="$2"
shift 2
mount --make-rprivate / && mount --rbind / "$root" && mount -o remount,bind,ro "$root" &&
    mount -t tmpfs tmpfs "$root$room" && ! touch "$root/written" 2>/dev/null || exit 77
exec chroot "$root" "$@"
"""
UNTRIED = 77  # the exit code for a machine that does not let us


def test_the_server_runs_on_a_root_that_is_read_only(tmp_path: Path) -> None:
    """Only its HOME is written to, which is /tmp in compose.yaml and in the cluster."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a root that is read-only takes root to make")
    port = free_port()
    command = [command_of_ours(), "serve", "--http", f"127.0.0.1:{port}"]
    root, room = tmp_path / "root", tmp_path / "room"
    root.mkdir()
    room.mkdir()
    settings = {"CONTACTS_MCP_SANDBOX": "1", "CONTACTS_MCP_DATA_DIR": f"{room}/data", "HOME": str(room)}
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", root, room, *command],
        env={**os.environ, **settings, "TMPDIR": str(room)},
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            until = time.monotonic() + STARTED_WITHIN
            while not is_listening(port) and server.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            if server.poll() == UNTRIED:
                pytest.skip("this machine mounts nothing for us")
            answer = Caller(f"http://127.0.0.1:{port}").call("lookup_contact", contact_id=1001)
            assert answer.is_carried_out, str(answer)
        finally:
            server.kill()


# compose.yaml


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_of_compose_is_shut_in(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid"} & {*service}
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert {where.partition(":")[0] for where in service["tmpfs"]} >= {"/tmp"}
    assert service["mem_limit"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_of_compose_has_a_health_check(name: str) -> None:
    assert name in REPLICAS or SERVICES[name]["healthcheck"]["test"]  # that of the replicas is in the image
    assert all(waits == {"condition": "service_healthy"} for waits in SERVICES[name].get("depends_on", {}).values())


def test_compose_holds_no_secret_and_no_default_of_one() -> None:
    """Secrets come as files, and no variable has a default."""
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert re.findall(r"\$\{\w+(?!:\?)[^\w]", text) == []
    for service in SERVICES.values():
        for variable in service.get("environment", {}):
            assert variable.endswith("_FILE") or not re.search("PASSWORD|SECRET|KEY|DATABASE_URL|REDIS_URL", variable)
        assert {*service.get("secrets", [])} <= {*COMPOSE["secrets"]}
    assert all(secret["file"].startswith("./secrets/") for secret in COMPOSE["secrets"].values())
    assert {*COMPOSE["secrets"]} == {name for service in SERVICES.values() for name in service.get("secrets", [])}


def test_no_folder_of_secrets_gets_into_the_repository_or_the_image() -> None:
    assert "secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8").startswith("*\n")
    assert "!secrets" not in (ROOT / ".dockerignore").read_text(encoding="utf-8")


def test_the_settings_of_compose_and_of_the_cluster_are_settings() -> None:
    in_compose = {*SERVICES[REPLICAS[0]]["environment"]} | {name.upper() for name in SERVICES[REPLICAS[0]]["secrets"]}
    in_cluster = {*CLUSTER["ConfigMap"]["data"]}
    named = {name.upper() for name in re.findall(r"\bcontacts_mcp_\w+", CLUSTER_TEXT)}
    assert {"CONTACTS_MCP_DATABASE_URL", "CONTACTS_MCP_SIGNING_KEY"} <= named
    assert in_compose | in_cluster | named <= OURS


def test_only_nginx_is_reached_from_outside_and_the_data_from_nowhere() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    assert COMPOSE["networks"]["data"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert {*SERVICES[name]["networks"]} == {"data"}
    assert {*SERVICES["nginx"]["networks"]} == {"front"}


def test_the_replicas_believe_the_address_of_nginx_and_no_other() -> None:
    address = SERVICES["nginx"]["networks"]["front"]["ipv4_address"]
    for name in REPLICAS:
        assert SERVICES[name]["environment"]["CONTACTS_MCP_PROXIES"] == address
    assert "*" not in CLUSTER["ConfigMap"]["data"]["CONTACTS_MCP_PROXIES"]


def test_redis_keeps_the_count_of_requests_whatever_else_it_holds() -> None:
    """A policy that evicts would take the count away, and with it the limit."""
    (script,) = SERVICES["redis"]["entrypoint"][2:]
    assert "maxmemory-policy noeviction" in script
    assert "requirepass $$(cat /run/secrets/redis_password)" in script


# Both


@pytest.mark.parametrize("name", [*REPLICAS, "nginx"])
def test_compose_waits_until_a_replica_has_drained(name: str) -> None:
    grace = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert grace > LEAVING + CALL_TIMEOUT + CLOSING


def test_the_cluster_waits_until_a_replica_has_drained() -> None:
    before = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before >= LEAVING
    assert POD["terminationGracePeriodSeconds"] > before + LEAVING + CALL_TIMEOUT + CLOSING


def test_the_most_replicas_are_those_that_may_run_at_once() -> None:
    """Each takes its part of the limit where Redis is lost. One more than were told of would break it."""
    assert {SERVICES[name]["environment"]["CONTACTS_MCP_REPLICAS_MOST"] for name in REPLICAS} == {str(len(REPLICAS))}
    spec = CLUSTER["Deployment"]["spec"]
    most = spec["replicas"] + spec["strategy"]["rollingUpdate"]["maxSurge"]
    assert CLUSTER["ConfigMap"]["data"]["CONTACTS_MCP_REPLICAS_MOST"] == str(most)


# The cluster


def test_the_pod_is_shut_in() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["runAsUser"] > 0
    assert POD["automountServiceAccountToken"] is False
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_cluster_file_holds_no_secret() -> None:
    """It names them only."""
    assert "Secret" not in CLUSTER
    assert not re.search(r"\w+://[^/\s]*:[^/\s]*@", CLUSTER_TEXT)
    assert not {*CLUSTER["ConfigMap"]["data"]} & {
        "CONTACTS_MCP_DATABASE_URL",
        "CONTACTS_MCP_REDIS_URL",
        "CONTACTS_MCP_SIGNING_KEY",
        "CONTACTS_MCP_OTHER_SIGNING_KEYS",
    }


def test_a_replica_that_waits_for_its_database_is_not_killed() -> None:
    """Being ready needs PostgreSQL. Being alive does not, or a failover would end all replicas at once."""
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert CONTAINER["startupProbe"]["httpGet"]["path"] == "/healthz"


def test_the_disruption_budget_leaves_room_to_restart_one() -> None:
    assert 0 < CLUSTER["PodDisruptionBudget"]["spec"]["minAvailable"] < CLUSTER["Deployment"]["spec"]["replicas"]


def test_the_metrics_are_reached_by_the_monitoring_alone() -> None:
    assert [port["name"] for port in CLUSTER["Service"]["spec"]["ports"]] == ["http"]
    paths = CLUSTER["Ingress"]["spec"]["rules"][0]["http"]["paths"]
    assert {path["path"] for path in paths} == {"/mcp", "/.well-known/oauth-protected-resource"}
    http, metrics = CLUSTER["NetworkPolicy"]["spec"]["ingress"]
    assert (http["ports"], metrics["ports"]) == ([{"port": "http"}], [{"port": "metrics"}])
    assert http["from"] != metrics["from"]


# nginx


def directives(name: str) -> list[str]:
    """The values of every directive `name`, without comments."""
    plain = re.sub(r"#.*", "", NGINX)
    return [" ".join(value.split()) for value in re.findall(rf"(?<=[\s{{;]){name}\s+([^;{{]*);", plain)]


def test_nginx_keeps_no_connection_to_a_replica() -> None:
    """With kept ones a restart loses calls. Newer versions keep them unless they are told not to."""
    assert directives("keepalive") == []
    assert "Connection close" in directives("proxy_set_header")


def test_nginx_never_gives_all_replicas_up() -> None:
    """By default some failed calls take a replica out for a while. Many at once would take out the last."""
    assert {value.split()[1] for value in directives("server")} == {"max_fails=0"}


def test_nginx_never_sends_a_post_twice() -> None:
    (cases,) = directives("proxy_next_upstream")
    assert {*cases.split()} == {"error", "timeout"}


def test_nginx_ends_slow_requests_and_large_ones() -> None:
    assert directives("client_header_timeout") == directives("client_body_timeout") == ["10s"]
    assert directives("client_max_body_size") == ["256k"]
    assert directives("client_body_buffer_size") == ["256k"], "a larger body would be written to a file"


def test_nginx_lets_no_client_say_where_it_is() -> None:
    headers = dict(header.split(" ", 1) for header in directives("proxy_set_header"))
    assert headers["X-Forwarded-For"] == "$remote_addr"
    assert headers["X-Forwarded-Proto"] == "$scheme"
    assert {headers[name] for name in ("Forwarded", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP")} == {'""'}


def test_nginx_waits_longer_than_a_call_takes_and_lets_streams_through() -> None:
    (wait,) = directives("proxy_read_timeout")
    assert int(wait.removesuffix("s")) > CALL_TIMEOUT + LEAVING
    assert directives("proxy_buffering") == ["off"]


def test_nginx_lets_only_the_paths_of_clients_in() -> None:
    """Inherited headers would be lost where a location sets one of its own."""
    locations = re.findall(r"location (.*?) \{(.*?)\n    \}", NGINX, re.DOTALL)
    passed = [path for path, inside in locations if "proxy_pass" in inside]
    assert passed == ["= /mcp", "/.well-known/oauth-protected-resource", "= /healthz"]
    assert not any("proxy_set_header" in inside for _, inside in locations)
    assert all("return 404;" in inside for path, inside in locations if path not in passed)


def test_the_log_of_nginx_holds_no_header_and_no_path() -> None:
    (line,) = re.findall(r"log_format (.*?);", NGINX, re.DOTALL)
    assert not re.search(r"\$(http_|request\b|request_uri|uri|args|query|cookie|request_body|sent_http)", line)
