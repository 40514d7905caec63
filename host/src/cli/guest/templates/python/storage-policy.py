"""Tags that the settings refuse cannot be set."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import settings
from wit_world.imports.storage_policy_types import Concern, Denial, Happening_TagMove, Ruling_Allow, Ruling_Deny


def read():
    return json.loads(settings.value("") or "{}")


class StorageRules(exports.StorageRules):
    def check(self):
        if not isinstance(read().get("refused"), list):
            raise Err("`refused` is to be a list of tags")
        return []

    def concerns(self):
        return [Concern.TAG_MOVE]  # only of such events it is asked

    def admit(self, principal, event):
        match event.action:
            case Happening_TagMove(to) if to.tag in read()["refused"]:
                return Ruling_Deny(Denial("DENIED", 0, f"the tag {to.tag} of {event.repository} is refused here"))
        return Ruling_Allow([])
