/**
 * Tokens for peers' Kubernetes APIs, kept between runs of kubectl, each of which asks for one: in files that nobody else can read, until
 * shortly before their end.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";

export interface KubeToken {
  readonly token: string;
  /** RFC 3339. */
  readonly expires: string;
}

export interface KubeTokenCache {
  /** One that counts for a while; undefined when there is none, or the program that asks has just been given it: it was of no use to it. */
  find(reader: number): Promise<KubeToken | undefined>;
  /** Where it cannot be written, it is not kept. */
  keep(token: KubeToken, reader: number): Promise<void>;
}

/** So long before its end a token is not given any more, in milliseconds: what is asked with it has to get there. */
const marginMs = 60_000;

/** `about` is all by which a token is another one: the peer, and where and as whom the agent is asked. It is kept as a hash. */
export function openKubeTokenCache(deps: {
  env: Readonly<Record<string, string | undefined>>;
  about: readonly (string | undefined)[];
  now: () => number;
  /** Whose what is kept has to be; the user's that this runs as, unless given. */
  user?: number | undefined;
}): KubeTokenCache {
  const { env, about, now, user = process.getuid?.() } = deps;
  const base = env.XDG_CACHE_HOME || (env.HOME && join(env.HOME, ".cache"));
  if (!base) return { find: async () => undefined, keep: async () => undefined };
  const folder = join(base, "fairlead", "kube-tokens");
  const hash = createHash("sha256").update(JSON.stringify(about.map((text) => text ?? null)));
  const file = join(folder, `${hash.digest("hex").slice(0, 32)}.json`);

  async function write(kept: Kept): Promise<void> {
    const next = `${file}.${process.pid}`;
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const handle = await open(next, "wx", 0o600);
      try {
        await handle.writeFile(JSON.stringify(kept));
      } finally {
        await handle.close();
      }
      await rename(next, file);
    } catch {
      await rm(next, { force: true }).catch(() => undefined);
    }
  }

  return {
    async find(reader) {
      const kept = await read(file, user);
      if (kept === undefined || !(Date.parse(kept.expires) - marginMs > now())) return undefined;
      // A client that is refused asks for another token, and has no way to say why.
      if (kept.reader === reader) return undefined;
      await write({ ...kept, reader });
      return { token: kept.token, expires: kept.expires };
    },
    keep: (token, reader) => write({ ...token, reader }),
  };
}

interface Kept extends KubeToken {
  /** The process that was given it last. */
  readonly reader: number;
}

/** What others could read is no secret any more; and by a token that somebody else has laid there, kubectl would work in their name. */
async function read(file: string, user: number | undefined): Promise<Kept | undefined> {
  try {
    // What stands at this path can be another file a moment later, so it is the open one that is looked at.
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { mode, uid } = await handle.stat();
      if ((mode & 0o077) !== 0 || (user !== undefined && uid !== user)) return undefined;
      const kept: unknown = JSON.parse(await handle.readFile("utf8"));
      return isKept(kept) ? kept : undefined;
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}

function isKept(value: unknown): value is Kept {
  return (
    typeof value === "object" &&
    value !== null &&
    "token" in value &&
    typeof value.token === "string" &&
    "expires" in value &&
    typeof value.expires === "string" &&
    "reader" in value &&
    typeof value.reader === "number"
  );
}
