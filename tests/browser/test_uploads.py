"""Images from the reader's own disk: the stages of an upload, and refusals in words."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.boot_sector import ECHO, disk
from tests.support.browsing import Watch
from tests.support.guest_cloud import GuestCloud

pytestmark = pytest.mark.browser

# Keeps in a tab's memory, beyond the page, which stages were on at any moment.
WATCH_STAGES = """addEventListener("DOMContentLoaded", () => {
  new MutationObserver(() => {
    const stage = document.querySelector("[data-stage][data-now]")?.dataset.stage;
    const seen = JSON.parse(sessionStorage.stages ?? "[]");
    if (stage && seen.at(-1) !== stage) sessionStorage.stages = JSON.stringify([...seen, stage]);
  }).observe(document.body, { subtree: true, attributes: true });
})"""


def choose(page: Page, file: Path, disk_format: str = "") -> None:
    page.goto("/images/new")
    upload = page.get_by_role("region", name="Upload a file")
    upload.get_by_label("File").set_input_files(file)
    if disk_format:
        upload.get_by_label("Format").select_option(disk_format)
    upload.get_by_role("button", name="Upload image").click()


def test_an_uploaded_file_becomes_an_image_that_boots(
    page: Page, cloud: GuestCloud, tmp_path: Path
) -> None:
    raw, image = tmp_path / "echo.raw", tmp_path / "echo.qcow2"
    raw.write_bytes(disk(ECHO))
    argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)]
    subprocess.run(argv, check=True)
    page.add_init_script(WATCH_STAGES)
    choose(page, image)
    page.wait_for_url("**/images")
    row = page.get_by_role("row", name="echo")
    expect(row).to_contain_text("qcow2")
    assert page.evaluate("JSON.parse(sessionStorage.stages)")[:2] == ["receive", "verify"]

    image_id = cloud.api.image("echo")["id"]
    server_id = cloud.api.create("from-upload", image_id)
    cloud.api.wait(server_id, "ACTIVE")
    cloud.api.delete(server_id)
    cloud.api.wait_gone(server_id)
    row.get_by_role("button", name="Delete echo").click()
    dialog = page.get_by_role("dialog", name="Delete image echo?")
    dialog.get_by_role("button", name="Delete image echo · admin").click()
    expect(page.get_by_role("row", name="echo")).to_have_count(0)


def test_a_file_that_is_not_what_it_claims_is_refused_in_words(
    page: Page, watch: Watch, cloud: GuestCloud, tmp_path: Path
) -> None:
    watch.forgive("Failed to load resource.* 400 ")
    liar = tmp_path / "liar.qcow2"
    liar.write_bytes(disk(ECHO))
    choose(page, liar)
    fault = page.get_by_role("region", name="Upload a file").get_by_role("alert")
    expect(fault).to_contain_text("qcow2")
    expect(page.get_by_role("button", name="Upload image")).to_be_enabled()

    secret = tmp_path / "secret.qcow2"
    outside = ["-b", "/etc/shadow", "-F", "raw", "-u", str(secret), "1M"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *outside], check=True)
    choose(page, secret)
    expect(fault).to_contain_text("backing")
    active = cloud.api.call("GET", "/image/v2/images?status=active")["images"]
    assert {image["name"] for image in active}.isdisjoint({"liar", "secret"})


def test_an_address_of_the_cloud_itself_is_not_imported(page: Page, watch: Watch) -> None:
    watch.forgive("Failed to load resource.* 40[03] ")
    page.goto("/images/new")
    form = page.get_by_role("region", name="Import from an address")
    form.get_by_label("Address").fill("http://127.0.0.1/disk.qcow2")
    form.get_by_label("Name").fill("inside")
    form.get_by_role("button", name="Import image").click()
    page.wait_for_url("**/images")
    expect(page.get_by_role("row", name="inside")).to_contain_text(
        "not a reachable public web server"
    )
