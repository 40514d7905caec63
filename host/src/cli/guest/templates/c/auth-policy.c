// Some addresses push; all others pull, and nothing else.
#include <stdlib.h>
#include <string.h>

#include "auth_policy.h"

// How long the host may rely on an answer, in milliseconds.
#define LIFETIME ((exports_skerry_registry_auth_option_lifetime_t){.is_some = true, .val = 60000})

// Whether a setting, a list of texts in JSON, has this one.
static bool lists(const char *setting, auth_policy_string_t text) {
  auth_policy_string_t name, json;
  auth_policy_string_set(&name, setting);
  if (!skerry_registry_settings_value(&name, &json)) return false;
  for (size_t at = 0; at + text.len + 2 <= json.len; at++)
    if (json.ptr[at] == '"' && json.ptr[at + text.len + 1] == '"' && !memcmp(json.ptr + at + 1, text.ptr, text.len))
      return true;
  return false;
}

bool exports_skerry_registry_auth_check(auth_policy_list_string_t *ret, auth_policy_string_t *err) {
  auth_policy_string_t name, json;
  auth_policy_string_set(&name, "writers");
  if (skerry_registry_settings_value(&name, &json) && json.len > 0 && json.ptr[0] == '[') {
    *ret = (auth_policy_list_string_t){0};
    return true;
  }
  auth_policy_string_dup(err, "`writers` is to be a list of addresses");
  return false;
}

// What is returned is freed by the generated code: it is all copies.
void exports_skerry_registry_auth_knows_by(exports_skerry_registry_auth_list_evidence_t *ret) {
  *ret = (exports_skerry_registry_auth_list_evidence_t){.ptr = malloc(sizeof *ret->ptr), .len = 1};
  if (!ret->ptr) abort();
  ret->ptr[0] = EXPORTS_SKERRY_REGISTRY_AUTH_EVIDENCE_ANYTHING;
}

void exports_skerry_registry_auth_authenticate(exports_skerry_registry_auth_client_t *client,
                                               exports_skerry_registry_auth_list_access_t *accesses,
                                               exports_skerry_registry_auth_identity_t *ret) {
  (void)accesses;
  *ret = (exports_skerry_registry_auth_identity_t){.tag = EXPORTS_SKERRY_REGISTRY_AUTH_IDENTITY_KNOWN};
  auth_policy_string_dup_n(&ret->val.known.principal.subject, (char *)client->address.ptr, client->address.len);
  ret->val.known.lifetime = LIFETIME;
}

void exports_skerry_registry_auth_authorize(exports_skerry_registry_auth_principal_t *principal,
                                            exports_skerry_registry_auth_client_t *client,
                                            exports_skerry_registry_auth_list_access_t *accesses,
                                            exports_skerry_registry_auth_decision_t *ret) {
  (void)principal;
  *ret = (exports_skerry_registry_auth_decision_t){.lifetime = LIFETIME};
  ret->outcome.tag = EXPORTS_SKERRY_REGISTRY_AUTH_OUTCOME_ALLOW;
  bool pulls = true;
  for (size_t n = 0; n < accesses->len; n++) pulls &= accesses->ptr[n].action == SKERRY_REGISTRY_IDENTITY_ACTION_PULL;
  if (pulls || lists("writers", client->address)) return;
  char message[128] = {0};
  strncat(message, (char *)client->address.ptr, client->address.len < 64 ? client->address.len : 64);
  strcat(message, " may pull and nothing else");
  ret->outcome.tag = EXPORTS_SKERRY_REGISTRY_AUTH_OUTCOME_DENY;
  auth_policy_string_dup(&ret->outcome.val.deny, message);
}

void exports_skerry_registry_auth_challenges(exports_skerry_registry_auth_client_t *client,
                                             exports_skerry_registry_auth_list_access_t *accesses, bool insufficient,
                                             auth_policy_string_t *maybe_authority,
                                             exports_skerry_registry_auth_list_challenge_t *ret) {
  (void)client, (void)accesses, (void)insufficient, (void)maybe_authority;
  *ret = (exports_skerry_registry_auth_list_challenge_t){0};
}
