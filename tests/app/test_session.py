"""Who may use the app: the token of this start, once a code, then a cookie; nobody else, and no other page."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.desks import photos, running_app, signed_in
from vidi.app.session import AppLock
from vidi.app.start import run_app
from vidi.app.state import AppState
from vidi.app.work import work_routes
from vidi.data.project import read_project
from vidi.errors import DataError, UsageError
from vidi.workflows.requests.in_use import AppRequest


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("app")
    with running_app(folder / "projects", photos(folder)) as opened:
        yield opened


def test_without_the_token_only_the_page_s_own_files_are_given(address: str):
    with httpx.Client(base_url=address.partition("/#")[0]) as client:
        page, asked, begun = client.get("/"), client.get("/api/1/project"), client.post("/api/1/session")
        wrong = client.get("/api/1/project", headers={"Authorization": "Bearer wrong"})
        forged = client.get("/api/1/project", headers={"Cookie": f"vidi-{client.base_url.port}=wrong"})

    assert page.status_code == 200
    assert {one.status_code for one in (asked, begun, wrong, forged)} == {401}


def test_the_token_becomes_a_cookie_that_no_script_and_no_other_site_can_use(address: str):
    with signed_in(address) as client:
        name = f"vidi-{client.base_url.port}"
        token = client.cookies[name]
        begun = client.post("/api/1/session", headers={"Authorization": f"Bearer {token}"})
        found = client.get("/api/1/project")

    said = begun.headers["set-cookie"]
    assert said.startswith(f"{name}=")
    assert "HttpOnly" in said
    assert "SameSite=strict" in said
    assert found.json()["project"]["name"] == "photos"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, 403),
    ],
)
def test_other_names_and_other_sites_are_kept_out_whatever_they_hold(
    address: str, headers: dict[str, str], status: int
):
    with signed_in(address) as client:
        assert client.get("/api/1/project", headers=headers).status_code == status


def test_others_of_the_network_need_a_project_to_add_to(tmp_path: Path):
    with pytest.raises(UsageError, match="--host without a project"):
        run_app(AppRequest(host="0.0.0.0"), say=print, environment={"VIDI_PROJECTS": str(tmp_path)})  # noqa: S104


def test_of_a_file_that_names_no_images_no_project_is_made(tmp_path: Path):
    (tmp_path / "note.txt").write_text("hello")

    with pytest.raises(DataError, match=r"note\.txt"), running_app(tmp_path / "projects", tmp_path / "note.txt"):
        pass

    assert not (tmp_path / "projects").exists()


def test_a_code_that_starts_a_browser_opens_once():
    lock = AppLock()
    code = lock.code().encode()

    assert lock.opens(lock.token.encode())
    assert [lock.opens(code), lock.opens(code)] == [True, False]


def test_images_in_place_get_a_project_that_is_found_again(tmp_path: Path):
    data, projects = photos(tmp_path), tmp_path / "projects"
    found = []
    for _ in range(2):
        with running_app(projects, data) as address, signed_in(address) as client:
            found.append(client.get("/api/1/project").json()["project"]["folder"])

    assert found[0] == found[1]
    project = read_project(Path(found[0]))
    assert (project.source, project.owns_images) == (data, False)


def test_a_port_that_is_taken_is_named_where_it_was_asked_for(address: str, tmp_path: Path):
    taken = int(address.partition("/#")[0].rpartition(":")[2])

    with pytest.raises(Exception, match=str(taken)), running_app(tmp_path, port=taken):
        pass


def test_others_of_the_network_have_camera_labels_and_try_alone(tmp_path: Path):
    state = AppState(projects=tmp_path, environment={})

    shared = {route.path.split("/")[3] for route in work_routes(state, is_shared=True) if route.path.startswith("/api")}

    assert shared == {"files", "try", "similar", "feedback", "review"}


def test_a_start_imports_nothing_that_the_first_screen_can_wait_for():
    heavy = ("numpy", "onnxruntime", "PIL", "vidi.log.records", "vidi.data.read")
    asked = f"import sys, vidi.app.start; print([one for one in {heavy!r} if one in sys.modules])"

    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
