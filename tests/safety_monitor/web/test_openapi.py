"""The API keeps what its own description promises, whatever is asked of it."""

from typing import Any

import hypothesis
import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from safety_monitor.incident import Sense
from safety_monitor.web.app import make_app
from safety_monitor.web.site import Site
from tests.web_site import incident_of

LOCAL = {"Host": "localhost"}


def test_answers_are_those_described(site: Site) -> None:
    site.journal.record(incident_of(1))
    site.view.opened(Sense.AUDIO, "microphone", False)
    site.view.opened(Sense.GESTURE, "camera", False)
    app = make_app(site, pages=False)
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=LOCAL)
    operations = [schema[path][method] for path, methods in schema.raw_schema["paths"].items() for method in methods]
    assert len(operations) == 21
    for operation in operations:

        @hypothesis.settings(
            max_examples=15,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def keeps_its_promise(case: Any) -> None:
            # Any file is no recording, and any value none that each setting takes.
            any_value = [positive_data_acceptance] if case.path.endswith(("/analyze", "/settings/{key}")) else []
            case.call_and_validate(headers=LOCAL, timeout=120, excluded_checks=any_value)

        keeps_its_promise()


def test_the_document_names_every_route(client: TestClient) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert {path.removeprefix("/api/v1") for path in paths} == {
        "/health",
        "/metrics",
        "/incidents",
        "/incidents/{incident}",
        "/incidents/{incident}/ack",
        "/incidents/{incident}/cancel",
        "/incidents/{incident}/alert",
        "/incidents/{incident}/evidence",
        "/incidents/{incident}/evidence/{name}",
        "/incidents/{incident}/mark",
        "/incidents/{incident}/protect",
        "/incidents/{incident}/retry",
        "/incidents.csv",
        "/incidents.json",
        "/arm",
        "/disarm",
        "/analyze",
        "/test-alert",
        "/models",
        "/settings",
        "/settings/{key}",
    }
