// Tags go that nobody set or pulled for some days; some names are kept.
#include <stdlib.h>
#include <string.h>

#include "retention_policy.h"

// Whether a setting, a list of texts in JSON, has this one.
static bool lists(const char *setting, retention_policy_string_t text) {
  retention_policy_string_t name, json;
  retention_policy_string_set(&name, setting);
  if (!skerry_registry_settings_value(&name, &json)) return false;
  for (size_t at = 0; at + text.len + 2 <= json.len; at++)
    if (json.ptr[at] == '"' && json.ptr[at + text.len + 1] == '"' && !memcmp(json.ptr + at + 1, text.ptr, text.len))
      return true;
  return false;
}

// A setting that is a whole number of at most nine digits; else 0.
static uint64_t number(const char *setting) {
  retention_policy_string_t name, json;
  retention_policy_string_set(&name, setting);
  if (!skerry_registry_settings_value(&name, &json) || json.len > 9) return 0;
  uint64_t sum = 0;
  for (size_t at = 0; at < json.len; at++) {
    if (json.ptr[at] < '0' || json.ptr[at] > '9') return 0;
    sum = sum * 10 + (json.ptr[at] - '0');
  }
  return sum;
}

bool exports_skerry_registry_storage_rules_check(retention_policy_list_string_t *ret, retention_policy_string_t *err) {
  retention_policy_string_t name, json;
  retention_policy_string_set(&name, "kept");
  bool kept = skerry_registry_settings_value(&name, &json) && json.len > 0 && json.ptr[0] == '[';
  if (kept && number("days") > 0) {
    *ret = (retention_policy_list_string_t){0};
    return true;
  }
  retention_policy_string_dup(err, kept ? "`days` is to be a whole number above 0" : "`kept` is to be a list of tags");
  return false;
}

// What clients do is not.
void exports_skerry_registry_storage_rules_concerns(exports_skerry_registry_storage_rules_list_concern_t *ret) {
  *ret = (exports_skerry_registry_storage_rules_list_concern_t){0};
}

void exports_skerry_registry_storage_rules_admit(exports_skerry_registry_storage_rules_principal_t *principal,
                                                 exports_skerry_registry_storage_rules_event_t *event,
                                                 exports_skerry_registry_storage_rules_ruling_t *ret) {
  (void)principal, (void)event;
  *ret = (exports_skerry_registry_storage_rules_ruling_t){0};
  ret->tag = SKERRY_REGISTRY_STORAGE_POLICY_TYPES_RULING_ALLOW;
}

// What is returned is freed by the generated code: so each list and text is one of malloc's.
bool exports_skerry_registry_retention_retain(retention_policy_string_t *repository,
                                              exports_skerry_registry_retention_list_tag_facts_t *tags, uint64_t now,
                                              uint64_t recorded_since,
                                              exports_skerry_registry_retention_list_departure_t *ret,
                                              retention_policy_string_t *err) {
  (void)repository, (void)err;
  *ret = (exports_skerry_registry_retention_list_departure_t){0};
  if (tags->len == 0) return true;
  ret->ptr = malloc(tags->len * sizeof *ret->ptr);
  if (!ret->ptr) abort();
  uint64_t days = number("days");
  // The number as a text: at most nine digits.
  char reason[64] = "neither set nor pulled for ", digits[10] = {0};
  size_t at = sizeof digits - 1;
  for (uint64_t rest = days; rest > 0; rest /= 10) digits[--at] = '0' + rest % 10;
  strcat(strcat(reason, digits + at), " days");
  for (size_t n = 0; n < tags->len; n++) {
    exports_skerry_registry_retention_tag_facts_t *tag = &tags->ptr[n];
    // Of what was pulled before that, nobody knows.
    uint64_t used = tag->last_pull.is_some ? tag->last_pull.val : recorded_since;
    if (tag->updated > used) used = tag->updated;
    if (lists("kept", tag->tag) || now < used || now - used <= days * 86400) continue;
    exports_skerry_registry_retention_departure_t *gone = &ret->ptr[ret->len++];
    retention_policy_string_dup_n(&gone->tag, (char *)tag->tag.ptr, tag->tag.len);
    retention_policy_string_dup(&gone->reason, reason);
  }
  return true;
}
