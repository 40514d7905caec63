// Tags that the settings refuse cannot be set.
import { value } from "skerry:registry/settings@0.1.0";

// Not at the top: what stands there runs once, when the module is built.
const settings = () => JSON.parse(value("") ?? "{}");

export const storageRules = {
  check() {
    if (!Array.isArray(settings().refused)) throw "`refused` is to be a list of tags";
    return [];
  },

  // Only of such events it is asked.
  concerns() {
    return ["tag-move"];
  },

  admit(principal, { repository, action }) {
    if (action.tag === "tag-move" && settings().refused.includes(action.val.tag)) {
      const message = `the tag ${action.val.tag} of ${repository} is refused here`;
      return { tag: "deny", val: { code: "DENIED", status: 0, message } };
    }
    return { tag: "allow", val: [] };
  },
};
