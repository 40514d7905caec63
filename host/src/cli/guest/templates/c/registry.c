// A registry that has nothing yet: it answers `/v2/`, and finds nothing else.
#include <stdlib.h>
#include <string.h>

#include "registry.h"

#define NOTHING "{\"errors\":[{\"code\":\"NAME_UNKNOWN\",\"message\":\"there is nothing of that name\"}]}"
#define FAILURE "{\"errors\":[{\"code\":\"UNKNOWN\",\"message\":\"the host cannot answer\"}]}"

// What is returned is freed by the generated code: each text is a copy.
static void field(registry_tuple2_string_string_t *to, const char *name, const char *value) {
  registry_string_dup(&to->f0, name);
  registry_string_dup(&to->f1, value);
}

static registry_list_tuple2_string_string_t headers(void) {
  registry_tuple2_string_string_t *fields = malloc(2 * sizeof *fields);
  if (!fields) abort();
  field(&fields[0], "content-type", "application/json");
  field(&fields[1], "docker-distribution-api-version", "registry/2.0");
  return (registry_list_tuple2_string_string_t){.ptr = fields, .len = 2};
}

static registry_list_u8_t bytes(const char *text) {
  registry_string_t copy;
  registry_string_dup(&copy, text);
  return (registry_list_u8_t){.ptr = copy.ptr, .len = copy.len};
}

void exports_skerry_registry_handler_handle(exports_skerry_registry_handler_response_t *ret) {
  registry_string_t path;
  skerry_registry_request_path(&path);
  bool found = path.len == 4 && !memcmp(path.ptr, "/v2/", 4);
  *ret = (exports_skerry_registry_handler_response_t){.status = found ? 200 : 404, .headers = headers()};
  ret->body.tag = EXPORTS_SKERRY_REGISTRY_HANDLER_CONTENT_BYTES;
  ret->body.val.bytes = bytes(found ? "{}" : NOTHING);
}

void exports_skerry_registry_handler_failure_answer(exports_skerry_registry_handler_host_failure_t kind,
                                                    exports_skerry_registry_handler_host_answer_t *ret) {
  (void)kind;
  *ret = (exports_skerry_registry_handler_host_answer_t){.headers = headers(), .body = bytes(FAILURE)};
}

bool exports_skerry_registry_handler_tend(exports_skerry_registry_handler_task_t *task, registry_string_t *cursor,
                                          uint32_t budget, exports_skerry_registry_handler_progress_t *ret,
                                          registry_string_t *err) {
  (void)task, (void)cursor, (void)budget, (void)ret;
  registry_string_dup(err, "there is nothing to tend");
  return false;
}
