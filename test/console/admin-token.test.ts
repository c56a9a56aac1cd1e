import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import type { Log } from "../../src/base/log.ts";
import { silentLog } from "../../src/base/log.ts";
import { SecretText } from "../../src/base/secret-text.ts";
import { type AdminTokenStore, loadAdminToken } from "../../src/console/auth/admin-token.ts";
import { createAuthenticator } from "../../src/console/auth/authenticator.ts";
import { bearerToken, mintToken } from "../../src/console/auth/token.ts";

const { signal } = new AbortController();

class MemoryStore implements AdminTokenStore {
  token: SecretText | undefined;
  creates = 0;
  async read(): Promise<SecretText | undefined> {
    return this.token;
  }
  async create(token: SecretText): Promise<"created" | "exists"> {
    this.creates += 1;
    if (this.token) return "exists";
    this.token = token;
    return "created";
  }
}

function authorises(hash: Buffer, token: SecretText | undefined): boolean {
  return createAuthenticator({ adminTokenHash: hash }).authenticate(`Bearer ${token?.reveal()}`) !== undefined;
}

describe("the administrator's token", () => {
  test("is made once, also when two agents start at the same time", async () => {
    const store = new MemoryStore();
    const hashes = await Promise.all([1, 2].map(() => loadAdminToken({ store, log: silentLog }, signal)));
    for (const hash of hashes) assert.ok(authorises(hash, store.token));
    assert.ok(authorises(await loadAdminToken({ store, log: silentLog }, signal), store.token), "and after a restart");
  });

  test("is never made anew because a read failed", async () => {
    const store = new MemoryStore();
    store.read = () => Promise.reject(new Error("500"));
    await assert.rejects(loadAdminToken({ store, log: silentLog }, signal), /500/);
    assert.equal(store.creates, 0);
  });

  test("that an operator has emptied is refused, not accepted", async () => {
    const store = new MemoryStore();
    store.token = new SecretText(" \n");
    await assert.rejects(loadAdminToken({ store, log: silentLog }, signal), /no usable token/);
  });

  test("is in no log", async () => {
    const store = new MemoryStore();
    const lines: string[] = [];
    const line = (fields: object, msg: string): void => void lines.push(inspect(fields) + msg);
    const log: Log = { debug: line, info: line, warn: line, error: line, child: () => log };
    await loadAdminToken({ store, log }, signal);
    assert.ok(lines.length > 0);
    assert.ok(store.token && !lines.join().includes(store.token.reveal()));
  });
});

test("only a bearer token counts as one", () => {
  const token = mintToken().reveal();
  assert.equal(bearerToken(`Bearer ${token}`), token);
  assert.equal(bearerToken(`bearer   ${token} `), token);
  for (const other of [undefined, "", "Bearer", "Bearer ", `Basic ${token}`, `Bearer ${token} x`, `Bearer a,b`]) {
    assert.equal(bearerToken(other), undefined);
  }
  assert.notEqual(mintToken().reveal(), token);
});
