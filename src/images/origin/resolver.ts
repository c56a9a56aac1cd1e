/** What a tag stands for now. */
import { createHash } from "node:crypto";
import { isDigest } from "../../policy/image.ts";
import { readBytes } from "../image-answer.ts";
import { ImageError } from "../image-error.ts";
import type { RegistryAccess } from "./access.ts";
import type { Upstream } from "./upstream.ts";

/** As much as registries take of a manifest; bytes. */
export const mostManifestBytes = 4 * 2 ** 20;

/** The digest that the registry says, or that of what it has. Rejects with an `ImageError`. */
export async function resolveTag(
  upstream: Pick<Upstream, "ask">,
  access: RegistryAccess,
  { repository, tag }: { repository: string; tag: string },
  signal: AbortSignal,
): Promise<string> {
  const request = { repository, kind: "manifests", reference: tag } as const;
  const head = await upstream.ask(access, { ...request, method: "HEAD" }, signal);
  head.destroy();
  const said = head.headers["docker-content-digest"];
  if (typeof said === "string" && isDigest(said)) return said;
  const answer = await upstream.ask(access, { ...request, method: "GET" }, signal);
  try {
    const bytes = await readBytes(answer, mostManifestBytes);
    return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  } catch (cause) {
    throw new ImageError("unreachable", `The manifest of ${access.registry}/${repository}:${tag} did not come whole.`, {
      cause,
    });
  }
}
