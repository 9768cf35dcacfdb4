"""Settings come from the environment, typed, or are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from webcloud.config import Config


def test_each_kind_of_setting_is_read() -> None:
    config = Config.from_environment(
        {
            "WEBCLOUD_STATE_DIR": "/srv/cloud",
            "WEBCLOUD_THREADS": "50",
            "WEBCLOUD_IMPORT_ALLOW_PRIVATE": "Yes",
            "WEBCLOUD_UNIQUE_INSTANCE_NAMES": "off",
            "WEBCLOUD_REGION": "North",
            "WEBCLOUD_CPU_RATIO": "1.5",
            "WEBCLOUD_LISTEN": "",
        }
    )
    assert config.state_dir == Path("/srv/cloud")
    assert (config.threads, config.region) == (50, "North")
    assert config.import_allow_private and not config.unique_instance_names
    assert config.listen == Config.listen
    assert config.cpu_ratio == 1.5


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WEBCLOUD_THREADS", "many", "must be a whole number"),
        ("WEBCLOUD_IMPORT_ALLOW_PRIVATE", "perhaps", "must be true or false"),
        ("WEBCLOUD_CPU_RATIO", "lots", "must be a number from 0"),
        ("WEBCLOUD_CPU_RATIO", "-1", "must be a number from 0"),
        ("WEBCLOUD_CPU_RATIO", "inf", "must be a number from 0"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(name: str, value: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"{name} {words}"):
        Config.from_environment({name: value})


def test_what_derives_from_other_settings_is_worked_out() -> None:
    config = Config(state_dir=Path("/srv"), listen="10.0.0.1:80").with_defaults_filled()
    assert config.public_url == "http://10.0.0.1:80"
    assert config.database_url == "sqlite:////srv/controller/webcloud.sqlite"
    given = Config(public_url="https://cloud.example/", database_url="x://y").with_defaults_filled()
    assert (given.public_url, given.database_url) == ("https://cloud.example", "x://y")
