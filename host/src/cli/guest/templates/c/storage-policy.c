// Tags that the settings refuse cannot be set.
#include <stdlib.h>
#include <string.h>

#include "storage_policy.h"

// Whether a setting, a list of texts in JSON, has this one.
static bool lists(const char *setting, storage_policy_string_t text) {
  storage_policy_string_t name, json;
  storage_policy_string_set(&name, setting);
  if (!skerry_registry_settings_value(&name, &json)) return false;
  for (size_t at = 0; at + text.len + 2 <= json.len; at++)
    if (json.ptr[at] == '"' && json.ptr[at + text.len + 1] == '"' && !memcmp(json.ptr + at + 1, text.ptr, text.len))
      return true;
  return false;
}

bool exports_skerry_registry_storage_rules_check(storage_policy_list_string_t *ret, storage_policy_string_t *err) {
  storage_policy_string_t name, json;
  storage_policy_string_set(&name, "refused");
  if (skerry_registry_settings_value(&name, &json) && json.len > 0 && json.ptr[0] == '[') {
    *ret = (storage_policy_list_string_t){0};
    return true;
  }
  storage_policy_string_dup(err, "`refused` is to be a list of tags");
  return false;
}

// Only of such events it is asked. What is returned is freed by the generated code:
// so each list and text is one of malloc's.
void exports_skerry_registry_storage_rules_concerns(exports_skerry_registry_storage_rules_list_concern_t *ret) {
  ret->len = 1;
  ret->ptr = malloc(sizeof *ret->ptr);
  if (!ret->ptr) abort();
  ret->ptr[0] = SKERRY_REGISTRY_STORAGE_POLICY_TYPES_CONCERN_TAG_MOVE;
}

void exports_skerry_registry_storage_rules_admit(exports_skerry_registry_storage_rules_principal_t *principal,
                                                 exports_skerry_registry_storage_rules_event_t *event,
                                                 exports_skerry_registry_storage_rules_ruling_t *ret) {
  (void)principal;
  *ret = (exports_skerry_registry_storage_rules_ruling_t){0};
  ret->tag = SKERRY_REGISTRY_STORAGE_POLICY_TYPES_RULING_ALLOW;
  if (event->action.tag != SKERRY_REGISTRY_STORAGE_POLICY_TYPES_HAPPENING_TAG_MOVE) return;
  storage_policy_string_t tag = event->action.val.tag_move.tag;
  if (!lists("refused", tag)) return;
  char message[600] = "the tag ";
  strncat(message, (char *)tag.ptr, tag.len < 128 ? tag.len : 128);
  strcat(message, " of ");
  strncat(message, (char *)event->repository.ptr, event->repository.len < 256 ? event->repository.len : 256);
  strcat(message, " is refused here");
  ret->tag = SKERRY_REGISTRY_STORAGE_POLICY_TYPES_RULING_DENY;
  storage_policy_string_dup(&ret->val.deny.code, "DENIED");
  storage_policy_string_dup(&ret->val.deny.message, message);
}
