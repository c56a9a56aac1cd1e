/** Archives of others, on this machine's disk. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { readTar, TarError, type TarHeader, tarEnd, tarHeader, tarPadding } from "../../src/base/tar.ts";
import { pack } from "../../src/cli/pack.ts";
import { unpack } from "../../src/cli/unpack.ts";

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-unpack-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

type Given = Partial<TarHeader> & { name: string; text?: string };

function archiveOf(...entries: Given[]): Buffer {
  const parts = entries.flatMap(({ text = "", ...entry }) => {
    const size = Buffer.byteLength(text);
    const header = { type: "file", mode: 0o644, modifiedAt: 0, linkTarget: "", size, ...entry } as const;
    return [tarHeader(header), Buffer.from(text), tarPadding(size)];
  });
  return Buffer.concat([...parts, tarEnd()]);
}

/** In pieces of so many bytes. */
async function* pieces(bytes: Buffer, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

const quiet = (): void => undefined;
const extract = (bytes: Buffer, name: string, to: string) => unpack(pieces(bytes, 700), name, to, quiet);

suite("an archive from a container", () => {
  for (const [what, entries, why] of [
    ["an absolute name", [{ name: "/etc/passwd", text: "x" }], /leads out/],
    ["a name with ..", [{ name: "data/../../x", text: "x" }], /leads out/],
    ["another name than was asked for", [{ name: ".bashrc", text: "x" }], /not what was asked for/],
    ["a link to an absolute path", [{ name: "data/l", type: "symlink", linkTarget: "/etc" }], /link to \/etc/],
    ["a link out of it", [{ name: "data/l", type: "symlink", linkTarget: "../../x" }], /link to \.\.\/\.\.\/x/],
    [
      "a link that leads out by way of another",
      [
        { name: "data/a/b/", type: "directory" },
        { name: "data/a/b/up", type: "symlink", linkTarget: "../.." },
        { name: "data/out", type: "symlink", linkTarget: "a/b/up/../../x" },
      ],
      /leads out|link to/,
    ],
    [
      "a file behind a link in it",
      [
        { name: "data/l", type: "symlink", linkTarget: "." },
        { name: "data/l/x", text: "x" },
        { name: "data/l", type: "symlink", linkTarget: "../outside" },
      ],
      /./,
    ],
    ["a hard link out of it", [{ name: "data/l", type: "hard-link", linkTarget: "../outside/secret" }], /leads out/],
    [
      "a hard link to an absolute path",
      [{ name: "data/l", type: "hard-link", linkTarget: "/etc/passwd" }],
      /leads out/,
    ],
    ["a device", [{ name: "data/null", type: "other", device: true }], /neither a file nor a directory/],
  ] as [string, (Given & { device?: boolean })[], RegExp][]) {
    test(`is refused with ${what}, and nothing is written elsewhere`, async (t) => {
      const root = place(t);
      mkdirSync(join(root, "outside"));
      writeFileSync(join(root, "outside", "secret"), "secret");
      mkdirSync(join(root, "to"));
      const bytes = archiveOf(...entries.map(({ device: _, ...entry }) => entry));
      if (entries.some(({ device }) => device)) asDevice(bytes);
      await assert.rejects(extract(bytes, "data", join(root, "to")), why);
      assert.deepEqual(
        execFileSync("find", ["outside", "to", "-type", "f", "-o", "-path", "outside/*"], {
          cwd: root,
          encoding: "utf8",
        })
          .split("\n")
          .filter((line) => line.startsWith("outside")),
        ["outside/secret"],
      );
      assert.equal(readFileSync(join(root, "outside", "secret"), "utf8"), "secret");
      assert.ok(!existsSync(join(root, "x")));
    });
  }

  test("is not written through a link that was there before", async (t) => {
    const root = place(t);
    mkdirSync(join(root, "outside"));
    mkdirSync(join(root, "to", "data"), { recursive: true });
    symlinkSync("../../outside", join(root, "to", "data", "dir"));
    writeFileSync(join(root, "outside", "f"), "kept");
    symlinkSync("../../outside/f", join(root, "to", "data", "f"));
    await assert.rejects(
      extract(archiveOf({ name: "data/dir/x", text: "x" }), "data", join(root, "to")),
      /no directory/,
    );
    assert.ok(!existsSync(join(root, "outside", "x")));
    await extract(archiveOf({ name: "data/f", text: "new" }), "data", join(root, "to"));
    assert.equal(readFileSync(join(root, "outside", "f"), "utf8"), "kept");
    assert.equal(readFileSync(join(root, "to", "data", "f"), "utf8"), "new");
  });

  test("brings no set-user-id", async (t) => {
    const root = place(t);
    await extract(archiveOf({ name: "x", text: "x", mode: 0o4755 }), "x", join(root, "x"));
    assert.equal(statSync(join(root, "x")).mode & 0o7777, 0o755);
  });

  test("that was cut is an error, wherever it was", async () => {
    const bytes = archiveOf({ name: "x", text: "y".repeat(1_000) });
    const read = async (end: number): Promise<void> => {
      for await (const entry of readTar(pieces(bytes.subarray(0, end), 400))) for await (const _ of entry.content);
    };
    for (const end of [0, 100, 512, 900, 1_512, 1_536, 1_600]) await assert.rejects(read(end), TarError, String(end));
    await assert.rejects(
      read(0).then(() => extract(Buffer.from("no archive".repeat(60)), "x", "/nowhere")),
      TarError,
    );
    await read(bytes.length);
  });
});

suite("a tree", () => {
  /** With names and links of all kinds. */
  function makeTree(root: string): void {
    mkdirSync(join(root, "tree", "empty"), { recursive: true });
    mkdirSync(join(root, "tree", "d".repeat(90), "e".repeat(90)), { recursive: true });
    writeFileSync(join(root, "tree", "d".repeat(90), "e".repeat(90), "ü ß.txt"), "long");
    writeFileSync(join(root, "tree", ".hidden"), "h");
    writeFileSync(join(root, "tree", "run"), "#!/bin/sh\n");
    chmodSync(join(root, "tree", "run"), 0o755);
    writeFileSync(join(root, "tree", "big"), Buffer.alloc(1_000_003, "ab"));
    symlinkSync("run", join(root, "tree", "link"));
    execFileSync("ln", [join(root, "tree", "run"), join(root, "tree", "hard")]);
  }

  const compare = (one: string, other: string): void =>
    void execFileSync("diff", ["-r", "--no-dereference", one, other]);

  test("packed here is unpacked by tar as it was", async (t) => {
    const root = place(t);
    makeTree(root);
    const parts: Uint8Array[] = [];
    for await (const part of pack(join(root, "tree"), "tree", quiet, quiet)) parts.push(part);
    mkdirSync(join(root, "to"));
    execFileSync("tar", ["-xf", "-", "-C", join(root, "to")], { input: Buffer.concat(parts) });
    compare(join(root, "tree"), join(root, "to", "tree"));
  });

  for (const format of ["gnu", "posix", "ustar"]) {
    test(`packed by tar (${format}) is unpacked here as it was, under its own name or another`, async (t) => {
      const root = place(t);
      makeTree(root);
      const bytes = execFileSync("tar", ["-cf", "-", `--format=${format}`, "-C", root, "./tree"], { maxBuffer: 1e8 });
      mkdirSync(join(root, "to"));
      await extract(bytes, "tree", join(root, "to"));
      compare(join(root, "tree"), join(root, "to", "tree"));
      const { files } = await extract(bytes, "tree", join(root, "new"));
      compare(join(root, "tree"), join(root, "new"));
      assert.equal(files, 5);
      assert.equal(readlinkSync(join(root, "new", "link")), "run");
      assert.equal(statSync(join(root, "new", "run")).mode & 0o777, 0o755);
      await extract(
        execFileSync("tar", ["-cf", "-", "-C", join(root, "tree"), "./."], { maxBuffer: 1e8 }),
        ".",
        join(root, "all"),
      );
      compare(join(root, "tree"), join(root, "all"));
    });
  }
});

/** Makes a device of the first entry. */
function asDevice(archive: Buffer): void {
  archive.write("3", 156);
  archive.fill(" ", 148, 156);
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  archive.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}
