"""nginx with `deploy/nginx.conf`, on this machine: other addresses, other folders, and a certificate made here."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from topology.parts import Part, find, folder_for, is_listening, without_root

RECIPE = Path(__file__).parents[2] / "deploy" / "nginx.conf"
_REPLICA = re.compile(r"^ *server replica-\d+:8000 (.*);\n", re.MULTILINE)


class RecipeChanged(Exception):
    """A line of deploy/nginx.conf that is exchanged here is not there once."""


def nginx(parent: Path, port: int, replicas: Sequence[int]) -> tuple[Part, Path]:
    """An nginx in front of `replicas` (ports of loopback), not started, and the certificate that it shows."""
    folder = folder_for(parent, "nginx")
    make_certificate(folder)
    recipe = folder / "nginx.conf"
    recipe.write_text(rendered(folder, port, replicas), encoding="utf-8")
    if os.geteuid() == 0:
        for file in folder.iterdir():
            shutil.chown(file, folder.owner())
    command = [find("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(recipe)]
    log, ends_by = parent / "nginx.log", signal.SIGTERM
    part = Part("nginx", command, log, lambda: is_listening(port), as_root=False, ends_by=ends_by)
    return part, folder / "certificate.pem"


def rendered(folder: Path, port: int, replicas: Sequence[int]) -> str:
    """The recipe for this machine. Raises RecipeChanged."""
    recipe = RECIPE.read_text(encoding="utf-8").replace(" /tmp/", f" {folder}/")
    options = _REPLICA.findall(recipe)
    if not options:
        raise RecipeChanged("server replica-N:8000")
    lines = "".join(f"    server 127.0.0.1:{replica} {options[0]};\n" for replica in replicas)
    recipe = _REPLICA.sub("", recipe).replace("  upstream replicas {\n", f"  upstream replicas {{\n{lines}", 1)
    exchanges = {
        "worker_processes auto;": "worker_processes 1;",
        "listen 8443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/run/secrets/tls_certificate": f"{folder}/certificate.pem",
        "/run/secrets/tls_key": f"{folder}/key.pem",
        "/dev/stdout": f"{folder}/access.log",
    }
    for old, new in exchanges.items():
        if recipe.count(old) != 1:
            raise RecipeChanged(old)
        recipe = recipe.replace(old, new)
    return recipe


def make_certificate(folder: Path) -> None:
    """Writes a key and a certificate for this machine, good for a day."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "contacts_mcp on this machine")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    with os.fdopen(os.open(folder / "key.pem", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))


def complaints(parent: Path) -> str:
    """The complaints of `nginx -t` about the recipe, "" where it has none. Raises ProgramMissing and RecipeChanged."""
    part, _ = nginx(parent, 8443, [8001, 8002])
    done = subprocess.run(
        [*part.command, "-t"], cwd=parent, capture_output=True, text=True, check=False, **without_root()
    )
    return done.stderr if done.returncode or "[warn]" in done.stderr else ""
