"""Parameters that once made the API fail instead of refuse."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.support.people import Person


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("name", ["changes-since", "changes-before"])
def test_a_time_outside_the_calendar_is_refused(
    client: FlaskClient, member: Person, name: str, moment: str
) -> None:
    answer = client.get(
        "/compute/v2.1/servers", query_string={name: moment}, headers=member.headers
    )
    assert answer.status_code == 400
    assert answer.get_json()["badRequest"]["field"] == name


@pytest.mark.parametrize("name", ["instances", "cores", "ram", "key_pairs"])
def test_a_quota_of_null_leaves_the_quota_as_it_is(
    client: FlaskClient, admin: Person, name: str
) -> None:
    path = f"/compute/v2.1/os-quota-sets/{admin.project_id}"
    before = client.get(path, headers=admin.headers).get_json()["quota_set"]
    answer = client.put(path, json={"quota_set": {name: None}}, headers=admin.headers)
    assert answer.status_code == 200
    assert client.get(path, headers=admin.headers).get_json()["quota_set"] == before
