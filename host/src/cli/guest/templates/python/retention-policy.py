"""Tags go that nobody set or pulled for some days; some names are kept."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import settings
from wit_world.imports.retention_types import Departure
from wit_world.imports.storage_policy_types import Ruling_Allow

DAY = 86_400  # seconds


def read():
    return json.loads(settings.value("") or "{}")


class StorageRules(exports.StorageRules):
    def check(self):
        if not isinstance(read().get("kept"), list):
            raise Err("`kept` is to be a list of tags")
        if not isinstance(read().get("days"), int) or read()["days"] < 1:
            raise Err("`days` is to be a whole number above 0")
        return []

    def concerns(self):
        return []  # what clients do is not

    def admit(self, principal, event):
        return Ruling_Allow([])


class Retention(exports.Retention):
    def retain(self, repository, tags, now, recorded_since):
        kept, days = read()["kept"], read()["days"]

        def goes(tag):
            # Of what was pulled before that, nobody knows.
            pulled = recorded_since if tag.last_pull is None else tag.last_pull
            return tag.tag not in kept and now - max(tag.updated, pulled) > days * DAY

        reason = f"neither set nor pulled for {days} days"
        return [Departure(tag.tag, reason) for tag in tags if goes(tag)]
