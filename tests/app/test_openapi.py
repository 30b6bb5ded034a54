"""The description of the app's requests names each of them, and no other."""

from pathlib import Path

import jsonschema

from tests.app.desks import running_app, signed_in
from vidi.app import openapi, projects, session, work
from vidi.app.session import AppLock
from vidi.app.state import AppState


def test_every_request_of_a_project_is_described(tmp_path: Path):
    state = AppState(projects=tmp_path, environment={})
    of_work = work.work_routes(state, is_shared=False)
    known = [*session.routes(AppLock()), *projects.routes(state, view="start", is_shared=False), *of_work]
    served = {
        f"{method} {route.path}"
        for route in known
        for method in (getattr(route, "methods", None) or set()) - {"HEAD"}
        if route.path.startswith("/api/1/")
    }

    assert served == set(openapi.ROUTES)


def test_the_description_is_one_that_programs_read(tmp_path: Path):
    with running_app(tmp_path) as address, signed_in(address) as client:
        document = client.get("/api/1/openapi.json").json()

    body = document["paths"]["/api/1/projects"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    read = jsonschema.Draft202012Validator({**body, "components": document["components"]})
    assert read.is_valid({"name": "plants"})
    assert not read.is_valid({"name": ""})
