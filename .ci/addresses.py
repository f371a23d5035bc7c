"""No tracked file names a host of the outer world or a path of somebody's machine.

Examples use the names that are reserved for them (`.example`, `.invalid`, `.test`) or loopback.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_URL = re.compile(r"\b(?:https?|ftp|wss?)://(?:[^\s/@\"'`]*@)?([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
_HOST = re.compile(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|io|dev)\b(?!\()")
_HOME = re.compile(r"(?<![\w.])/(?:home|root|Users|work|opt|mnt)/\w[^\s\"'`)]*")
_RESERVED = re.compile(r"(?:^127(?:\.\d+){3}|(?:^|\.)(?:example|invalid|test|localhost))$")
_XML_NAMES = {"www.w3.org"}  # namespaces: names, never fetched
_EXAMPLE = re.compile(r"(?:^|\.)example\.(?:com|org|net)$")


def main() -> int:
    """Print every find as ``file:line: what``; 1 if there is any."""
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True)  # noqa: S607
    finds = [find for name in listed.stdout.split("\0") if name for find in _finds(Path(name))]
    sys.stdout.writelines(f"{find}\n" for find in finds)
    return 1 if finds else 0


def _finds(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, OSError):
        return []
    return [
        f"{path}:{number}: {what}"
        for number, line in enumerate(lines, start=1)
        for what in _outer(line)
    ]


def _outer(line: str) -> list[str]:
    hosts = {found[1].lower() for found in _URL.finditer(line)}
    hosts |= {found[0] for found in _HOST.finditer(line)}
    outer = [host for host in sorted(hosts) if not _is_reserved(host)]
    return outer + [found[0] for found in _HOME.finditer(line)]


def _is_reserved(host: str) -> bool:
    return host in _XML_NAMES or bool(_RESERVED.search(host) or _EXAMPLE.search(host))


if __name__ == "__main__":
    sys.exit(main())
