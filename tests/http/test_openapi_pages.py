"""Laws of the pages: all that they load is here, nothing else may be loaded, and what is unchanged is not sent again."""

import re

import pytest

from walletd.http.openapi.pages import FILES, POLICIES

from .conftest import Client

ALL = [(page, f"/{page}/{name}" if name else f"/{page}") for page, names in FILES.items() for name in names]
PATHS = ["/openapi.json", *(path for _, path in ALL)]


@pytest.mark.parametrize("page", FILES)
async def test_a_page_loads_its_own_files_and_no_others(client: Client, page: str) -> None:
    text = (await client.get(f"/{page}")).body.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert {path.removeprefix(f"{page}/") for path in loaded} - {"openapi.json"} <= FILES[page].keys()
    for path in loaded:
        assert (await client.get(f"/{path}")).status == 200
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", text)


@pytest.mark.parametrize(("page", "path"), ALL)
async def test_a_page_may_run_no_foreign_script_and_ask_no_foreign_host(client: Client, page: str, path: str) -> None:
    answer = await client.get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert answer.headers["Content-Security-Policy"] == POLICIES[page]
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "http" not in answer.headers["Content-Security-Policy"]
    assert ("'unsafe-inline'" in policy["style-src"]) == (page == "redoc")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_pages_scripts_name_no_host_to_load_from(client: Client) -> None:
    for path in ("/docs/docs.js", "/redoc/redoc.js", "/docs/docs.css", "/docs/swagger-ui.css"):
        assert not re.search(rb"https?://(?!www\.w3\.org/)", (await client.get(path)).body), path
    assert b"cdn." not in (await client.get("/redoc/redoc.standalone.js")).body


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_unchanged_is_not_sent_again(client: Client, path: str) -> None:
    answer = await client.get(path)
    etag = answer.headers["ETag"]
    assert answer.status == 200
    assert answer.body
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await client.get(path, headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
        assert again.headers["Cache-Control"] == answer.headers["Cache-Control"]
    assert (await client.get(path, headers={"If-None-Match": '"other"'})).status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_head_is_get_without_the_body(client: Client, path: str) -> None:
    get, head = await client.get(path), await client.send("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("path", ["/docs/", "/docs/x.js", "/docs/..%2f__init__.py", "/redoc/docs.js", "/docs/%00"])
async def test_a_file_that_is_not_of_the_page_is_404(client: Client, path: str) -> None:
    assert (await client.get(path)).status == 404
