"""The image API: who may do what, what is refused, lists and patches."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.images.calls import QCOW2, Images
from webcloud.db import Database


def test_versions_are_public(client: FlaskClient) -> None:
    for path in ("/image", "/image/"):
        answer = client.get(path)
        assert answer.status_code == 300
        assert answer.json["versions"][0]["status"] == "CURRENT"
    assert client.get("/image/v2/images").status_code == 401


def test_sec_S10_read_only_attributes_are_refused_everywhere(
    images: Images, database: Database
) -> None:
    image_id = images.active()
    before = images.show(image_id)
    for key in ("status", "owner", "checksum", "size", "virtual_size", "locations", "location",
                "created_at", "updated_at", "os_hash_value", "os_hash_algo", "file", "self",
                "direct_url", "deleted", "webcloud_fault"):  # fmt: skip
        answer = images.call("POST", "/images", json={"name": "y", key: "queued"})
        assert answer.status_code == 403, key
        for change in ({"op": "replace", "value": "queued"}, {"op": "add", "value": "queued"}):
            assert images.patch(image_id, {**change, "path": f"/{key}"}).status_code == 403, key
        assert images.patch(image_id, {"op": "remove", "path": f"/{key}"}).status_code == 403, key
    for change in ({"op": "replace", "path": "/id", "value": "x"},
                   {"op": "replace", "path": "/disk_format", "value": "raw"}):  # fmt: skip
        assert images.patch(image_id, change).status_code == 403
    headers = {"x-image-meta-status": "queued", "x-image-meta-size": "1"}
    images.call("GET", f"/images/{image_id}", headers=headers)
    assert images.show(image_id) == before
    assert images.names() == ["x"]


def test_a_protected_image_cannot_be_deleted(images: Images) -> None:
    image_id = images.create(protected=True)["id"]
    assert images.call("DELETE", f"/images/{image_id}").status_code == 403
    assert images.patch(image_id, {"op": "replace", "path": "/protected", "value": False})
    assert images.call("DELETE", f"/images/{image_id}").status_code == 204


def test_other_projects_see_public_images_only_and_change_none(
    images: Images, operator: Images, outsider: Images
) -> None:
    private, public = images.active(), operator.active(name="everyone", visibility="public")
    assert outsider.names() == ["everyone"]
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/file")):
        assert outsider.call(method, f"/images/{private}{path}").status_code == 404
    assert outsider.put(private, b"x").status_code == 404
    change = {"op": "replace", "path": "/name", "value": "mine"}
    assert outsider.patch(private, change).status_code == 404
    assert outsider.patch(public, change).status_code == 403
    assert outsider.call("DELETE", f"/images/{public}").status_code == 403
    assert outsider.call("GET", f"/images/{public}/file").data == QCOW2
    assert images.call("POST", "/images", json={"visibility": "public"}).status_code == 403
    raised = {"op": "replace", "path": "/visibility", "value": "public"}
    assert images.patch(private, raised).status_code == 403


def test_lists_are_filtered_sorted_and_paged(images: Images) -> None:
    first = images.active(name="a", os_distro="debian")
    second = images.create(name="b", tags=["t"])["id"]
    images.create(name="hidden", os_hidden=True)
    assert images.names("?sort=name:asc") == ["a", "b"]
    assert images.names("?sort_key=name&sort_dir=desc") == ["b", "a"]
    assert images.names("?name=a") == ["a"]
    assert images.names(f"?id=in:{first},{second}&sort=name") == ["b", "a"]
    assert images.names("?os_hidden=True") == ["hidden"]
    assert images.names("?status=active") == ["a"]
    assert images.names("?tag=t") == ["b"]
    assert images.names("?os_distro=debian") == ["a"]
    assert images.names("?visibility=public") == []
    page = images.call("GET", "/images?limit=1&sort=name:asc").json
    assert [image["name"] for image in page["images"]] == ["a"]
    assert images.names(page["next"].removeprefix("/v2/images")) == ["b"]
    for query in ("limit=x", "sort=evil", "sort=name:up", "marker=none", "protected=maybe",
                  "sort_key=name&sort_dir=asc&sort_dir=asc", "size_min=1"):  # fmt: skip
        assert images.call("GET", f"/images?{query}").status_code == 400, query


def test_patches_add_replace_and_remove(images: Images) -> None:
    image_id = images.create(os_distro="old")["id"]
    answer = images.patch(
        image_id,
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/a~0b", "value": "c"},
        {"op": "remove", "path": "/os_distro"},
        {"op": "replace", "path": "/tags", "value": ["t"]},
        {"op": "replace", "path": "/min_disk", "value": 3},
        {"op": "replace", "path": "/disk_format", "value": "raw"},
    )
    assert answer.status_code == 400  # "a~b" is not a name
    assert images.show(image_id)["name"] == "x"
    answer = images.patch(
        image_id,
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/a.b", "value": "c"},
        {"op": "remove", "path": "/os_distro"},
        {"op": "replace", "path": "/min_disk", "value": 3},
        {"op": "replace", "path": "/os_hidden", "value": True},
        {"op": "replace", "path": "/tags", "value": ["t"]},
        {"op": "replace", "path": "/container_format", "value": "bare"},
    )
    assert answer.status_code == 200, answer.text
    shown = images.show(image_id)
    assert (shown["name"], shown["a.b"], shown["min_disk"]) == ("new", "c", 3)
    assert "os_distro" not in shown
    assert images.patch(image_id, {"op": "remove", "path": "/tags"}).json["tags"] == []
    assert images.patch(image_id, {"op": "remove", "path": "/gone"}).status_code == 409
    for bad in ({"op": "move", "path": "/name"}, {"op": "add", "path": "/name"}, "x",
                {"op": "add", "path": "name", "value": "x"},
                {"op": "remove", "path": "/visibility"},
                {"op": "add", "path": "/min_disk", "value": "3"},
                {"op": "add", "path": "/name", "value": "x", "more": 1}):  # fmt: skip
        assert images.patch(image_id, bad).status_code == 400, bad
    plain = images.call("PATCH", f"/images/{image_id}", json=[])
    assert plain.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"disk_format": "vmdk"}, {"name": "a\nb"}, {"name": "x" * 256}, {"min_disk": -1},
        {"id": "x"},
        {"min_disk": True}, {"visibility": "shared"}, {"tags": "t"}, {"a": 1}, {"os_glance_x": "y"},
        {"a/b": "c"}, {"a": "x" * 5000}, {f"k{n}": "v" for n in range(200)}, [], "x",
    ],
)  # fmt: skip
def test_a_body_that_is_wrong_is_refused(images: Images, body: Any) -> None:
    assert images.call("POST", "/images", json=body).status_code == 400
    assert images.names() == []


def test_an_id_can_be_given_once(images: Images) -> None:
    chosen = "11111111-2222-4333-8444-555555555555"
    assert images.create(id=chosen)["id"] == chosen
    assert images.call("POST", "/images", json={"id": chosen}).status_code == 409


def test_methods_and_schemas_are_told(images: Images) -> None:
    told = images.call("GET", "/info/import").json["import-methods"]["value"]
    assert told == ["web-download"]
    for name in ("image", "images"):
        assert images.call("GET", f"/schemas/{name}").json["name"] == name
