"""The senders' key: given, kept, made once, and never readable by others."""

from pathlib import Path

import pytest

from ingest.keys import FILE, digest_key, find_key, make_key, provide_key
from ingest.settings import SettingError, Settings


def test_a_given_key_is_used_and_not_written(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, ingest_key="given")
    assert provide_key(settings) == find_key(settings) == "given"
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_and_printed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    assert find_key(settings) is None
    key = provide_key(settings)
    assert len(key) >= 32
    assert key in capsys.readouterr().out
    assert provide_key(settings) == find_key(settings) == key
    assert capsys.readouterr().out == ""
    assert (tmp_path / "data" / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE]


def test_an_empty_key_file_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with pytest.raises(SettingError, match="is empty"):
        provide_key(Settings(data_dir=tmp_path))


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="cannot be used"):
        provide_key(Settings(data_dir=tmp_path / "file"))


def test_keys_of_any_text_have_a_digest() -> None:
    assert digest_key("钥匙") == digest_key("钥匙") != digest_key("key")
    assert make_key() != make_key()
