"""A registry that has nothing yet: it answers `/v2/`, and finds nothing else."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.handler import Content_Bytes, HostAnswer, Response
from wit_world.imports import request

HEADERS = [("content-type", "application/json"), ("docker-distribution-api-version", "registry/2.0")]


def error(code, message):
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


class Handler(exports.Handler):
    def handle(self):
        path = request.path()
        if path == "/v2/":
            return Response(200, HEADERS, Content_Bytes(b"{}"), [])
        return Response(404, HEADERS, Content_Bytes(error("NAME_UNKNOWN", f"there is nothing at {path}")), [])

    def failure_answer(self, kind):
        return HostAnswer(HEADERS, error("UNKNOWN", kind.name))

    def tend(self, task, cursor, budget):
        raise Err("there is nothing to tend")
