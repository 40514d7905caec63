// Some addresses push; all others pull, and nothing else.
import { value } from "skerry:registry/settings@0.1.0";

// Not at the top: what stands there runs once, when the module is built.
const settings = () => JSON.parse(value("") ?? "{}");
const lifetime = 60_000n; // milliseconds that the host may rely on an answer

export const auth = {
  check() {
    if (!Array.isArray(settings().writers)) throw "`writers` is to be a list of addresses";
    return [];
  },

  knowsBy() {
    return ["anything"];
  },

  authenticate({ address }, accesses) {
    return { tag: "known", val: { principal: { subject: address, groups: [], claims: [] }, lifetime } };
  },

  authorize(principal, { address }, accesses) {
    const pulls = accesses.every((access) => access.action === "pull");
    if (pulls || settings().writers.includes(address)) return { outcome: { tag: "allow" }, lifetime };
    return { outcome: { tag: "deny", val: `${address} may pull and nothing else` }, lifetime };
  },

  challenges(client, accesses, insufficient, authority) {
    return [];
  },
};
