"""The keys of a drop folder on another machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.loading import load
from config.problem import ConfigurationError
from connectors.csv_drop import CsvDrop, FsspecPlace, SftpPlace
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
        ("https://host/out", "behind https://"),
        ("file:///srv/out", "behind file://"),
        ("scp://host/CANARY", "behind scp://"),
        ("ftp://", "not the address of a folder"),
        ("ftp://host:99999/out", "not the address of a folder"),
        ("s3://box/out?key=CANARY", "not the address of a folder"),
        ("ftp://erp:CANARY@host/out", "'@'"),
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


def test_any_other_address_reaches_the_connector_with_its_options(tmp_path: Path) -> None:
    more = LOGIN + "storage_options = { tls = true, block_size = 65536 }\n"
    (tmp_path / "stocksync.toml").write_text(remote("ftp://erp-host/outbox", more))
    connector = build(tmp_path / "stocksync.toml", environ={}).connector("drop")
    assert isinstance(connector, CsvDrop)
    place = connector.options.path
    assert isinstance(place, FsspecPlace)
    assert (place.url, place.username) == ("ftp://erp-host/outbox", "erp")
    assert place.options == {"tls": True, "block_size": 65536}
    assert place.password is not None
    assert place.password() == "s3cret"


def test_an_unencrypted_connection_is_remarked_upon(tmp_path: Path) -> None:
    (tmp_path / "stocksync.toml").write_text(remote("ftp://erp-host/outbox"))
    [remark] = load(tmp_path / "stocksync.toml", {}, tmp_path).warnings
    assert "unencrypted" in remark.message


@pytest.mark.parametrize("name", ["password", "aws_secret", "token", "account_key"])
def test_no_secret_stands_in_the_options_of_a_store(tmp_path: Path, name: str) -> None:
    more = f'storage_options = {{ {name} = "CANARY" }}\n'
    told = refused(tmp_path, remote("s3://box/outbox", more))
    assert f"storage_options.{name}: may be a secret" in told
    assert "CANARY" not in told


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("outbox", "storage_options = { tls = true }"),
        ("sftp://host/out", "storage_options = { tls = true }"),
        ("ftp://host/out", 'known_hosts = "known"'),
        ("ftp://host/out", 'key_file = "id"'),
    ],
)
def test_a_key_of_another_kind_of_folder_is_refused(tmp_path: Path, path: str, key: str) -> None:
    assert "stands beside" in refused(tmp_path, remote(path, f"{key}\n"))
