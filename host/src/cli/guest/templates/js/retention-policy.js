// Tags go that nobody set or pulled for some days; some names are kept.
import { value } from "skerry:registry/settings@0.1.0";

// Not at the top: what stands there runs once, when the module is built.
const settings = () => JSON.parse(value("") ?? "{}");

export const storageRules = {
  check() {
    const { kept, days } = settings();
    if (!Array.isArray(kept)) throw "`kept` is to be a list of tags";
    if (!(Number.isInteger(days) && days > 0)) throw "`days` is to be a whole number above 0";
    return [];
  },

  // What clients do is not.
  concerns() {
    return [];
  },

  admit(principal, event) {
    return { tag: "allow", val: [] };
  },
};

export const retention = {
  // Times are seconds since 1970, as BigInt.
  retain(repository, tags, now, recordedSince) {
    const { kept, days } = settings();
    const goes = ({ tag, updated, lastPull }) => {
      // Of what was pulled before that, nobody knows.
      const pulled = lastPull ?? recordedSince;
      const used = updated > pulled ? updated : pulled;
      return !kept.includes(tag) && now - used > BigInt(days) * 86_400n;
    };
    const reason = `neither set nor pulled for ${days} days`;
    return tags.filter(goes).map(({ tag }) => ({ tag, reason }));
  },
};
