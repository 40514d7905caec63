// A registry that has nothing yet: it answers `/v2/`, and finds nothing else.
import { path } from "skerry:registry/request@0.1.0";

const headers = [["content-type", "application/json"], ["docker-distribution-api-version", "registry/2.0"]];
const bytes = (json) => new TextEncoder().encode(JSON.stringify(json));
const error = (code, message) => bytes({ errors: [{ code, message }] });

export const handler = {
  handle() {
    const found = path() === "/v2/";
    const val = found ? bytes({}) : error("NAME_UNKNOWN", `there is nothing at ${path()}`);
    return { status: found ? 200 : 404, headers, body: { tag: "bytes", val }, notes: [] };
  },

  failureAnswer(kind) {
    return { headers, body: error("UNKNOWN", kind) };
  },

  tend(task, cursor, budget) {
    throw "there is nothing to tend";
  },
};
