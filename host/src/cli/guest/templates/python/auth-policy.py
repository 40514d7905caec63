"""Some addresses push; all others pull, and nothing else."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.auth import Decision, Evidence, Identity_Known, Known, Outcome_Allow, Outcome_Deny
from wit_world.imports import settings
from wit_world.imports.identity import Action, Principal

LIFETIME = 60_000  # milliseconds that the host may rely on an answer


def read():
    return json.loads(settings.value("") or "{}")


class Auth(exports.Auth):
    def check(self):
        if not isinstance(read().get("writers"), list):
            raise Err("`writers` is to be a list of addresses")
        return []

    def knows_by(self):
        return [Evidence.ANYTHING]

    def authenticate(self, client, accesses):
        return Identity_Known(Known(Principal(client.address, [], []), LIFETIME))

    def authorize(self, principal, client, accesses):
        pulls = all(access.action == Action.PULL for access in accesses)
        if pulls or client.address in read()["writers"]:
            return Decision(Outcome_Allow(), LIFETIME)
        return Decision(Outcome_Deny(f"{client.address} may pull and nothing else"), LIFETIME)

    def challenges(self, client, accesses, insufficient, authority):
        return []
