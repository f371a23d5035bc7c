"""The keys of a drop folder on another machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.problem import ConfigurationError
from connectors.csv_drop import CsvDrop, SftpPlace
from tests.unit.config_files import MINIMAL, csv_source, loaded
from worker.bootstrap import build

LOGIN = 'username = "erp"\npassword = "s3cret"\n'


def remote(path: str, more: str = LOGIN) -> str:
    return MINIMAL.replace('path = "outbox"\n', f'path = "{path}"\n{more}')


def place_of(folder: Path, text: str) -> SftpPlace:
    (folder / "stocksync.toml").write_text(text)
    connector = build(folder / "stocksync.toml", environ={}).connector("drop")
    assert isinstance(connector, CsvDrop)
    assert isinstance(connector.options.path, SftpPlace)
    return connector.options.path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text)
    return str(caught.value)


def test_a_local_folder_stays_a_path(tmp_path: Path) -> None:
    assert csv_source(loaded(tmp_path, MINIMAL)).path == tmp_path / "outbox"


def test_an_address_reaches_the_connector_with_its_login(tmp_path: Path) -> None:
    place = place_of(tmp_path, remote("sftp://Erp-Host:2222/srv/the%20outbox"))
    assert (place.host, place.port, place.path) == ("erp-host", 2222, "/srv/the outbox")
    assert (place.username, place.key_file, place.known_hosts) == ("erp", None, None)
    assert place.password is not None
    assert place.password() == "s3cret"


def test_files_count_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    more = 'username = "erp"\nkey_file = "id"\nknown_hosts = "/etc/known"\n'
    place = place_of(tmp_path, remote("sftp://[::1]/out", more))
    assert (place.host, place.port, place.password) == ("::1", 22, None)
    assert (place.key_file, place.known_hosts) == (tmp_path / "id", Path("/etc/known"))
    assert str(place) == "sftp://[::1]/out"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("ftp://host/out", "behind ftp://"),
        ("smb://host/share", "behind smb://"),
        ("CANARY://host/share", "another kind of folder"),
        ("sftp://host", "not the address of a folder"),
        ("sftp://host/", "not the address of a folder"),
        ("sftp://[::::]/out", "not the address of a folder"),
        ("sftp:///out", "not the address of a folder"),
        ("sftp://host:99999/out", "not the address of a folder"),
        ("sftp://host/out?CANARY", "not the address of a folder"),
        ("sftp://erp:CANARY@host/out", "'@'"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_unquoted(
    tmp_path: Path, path: str, message: str
) -> None:
    told = refused(tmp_path, remote(path))
    assert message in told
    assert "CANARY" not in told


def test_an_address_wants_a_user_and_a_password_or_a_key(tmp_path: Path) -> None:
    told = refused(tmp_path, remote("sftp://host/out", ""))
    assert "sources.drop.username: is missing" in told
    assert "sources.drop.password: is missing, and so is key_file" in told


def test_a_login_stands_beside_no_local_folder(tmp_path: Path) -> None:
    told = refused(tmp_path, remote("outbox", LOGIN + 'known_hosts = "known"\n'))
    assert told.count("stands beside a local folder") == 3
    assert "s3cret" not in told
