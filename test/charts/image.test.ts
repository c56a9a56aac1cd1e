import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../e2e/command.ts";

const root = new URL("../..", import.meta.url).pathname;

/** `bin/build-image` on a machine that has these builders; "broken" is one whose daemon does not answer. */
async function build(builders: Readonly<Record<string, "works" | "broken">>) {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-builders-"));
  try {
    for (const [name, state] of Object.entries(builders)) {
      const script = `#!/bin/sh\n${state === "broken" ? "exit 1" : '[ "$1" = info ] || echo "$0 $*"'}\n`;
      writeFileSync(join(folder, name), script, { mode: 0o755 });
    }
    for (const tool of ["sh", "dirname"]) symlinkSync(`/bin/${tool}`, join(folder, tool));
    const { code, stdout, stderr } = await run("/bin/sh", [`${root}bin/build-image`, "fairlead:test"], {
      env: { PATH: folder },
    });
    return { code, said: (stdout + stderr).replaceAll(`${folder}/`, "") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("the image is built by docker, podman or buildah, whichever works", async () => {
  const asked = "build --tag fairlead:test --file Dockerfile .";
  assert.match((await build({ docker: "works", podman: "works" })).said, new RegExp(`^docker ${asked}`, "m"));
  assert.match((await build({ docker: "broken", podman: "works" })).said, new RegExp(`^podman ${asked}`, "m"));
  assert.match((await build({ docker: "broken", buildah: "works" })).said, new RegExp(`^buildah ${asked}`, "m"));
  const none = await build({ docker: "broken" });
  assert.equal(none.code, 1);
  assert.match(none.said, /needs docker, podman or buildah/);
});

test("the image runs as a number that is not root, without a shell, and the builder gets only what it needs", () => {
  const dockerfile = readFileSync(`${root}Dockerfile`, "utf8");
  assert.match(dockerfile, /^USER 65532:65532$/m);
  assert.match(dockerfile, /^ENTRYPOINT \["node", /m);
  for (const line of dockerfile.split("\n").filter((text) => text.startsWith("RUN "))) {
    assert.match(line, /^RUN \[/, "no shell runs while it is built");
  }
  const [first] = readFileSync(`${root}.dockerignore`, "utf8")
    .split("\n")
    .filter((line) => line && !line.startsWith("#"));
  assert.equal(first, "*");
});
