import { writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const { component } = await componentize({
  sourcePath: "module.js",
  witPath: "wit",
  worldName: "{{world}}",
  // There is no network in the sandbox. Without the others no answer could be
  // remembered, as each of them tells a module something new every time.
  disableFeatures: ["http", "fetch-event", "clocks", "random", "stdio"],
});
await writeFile("{{name}}.wasm", component);
