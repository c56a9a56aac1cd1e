/** The API as an OpenAPI document, at /openapi.yaml. Anybody may read it: it is as public as the protos that it is made from. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../../base/clock.ts";
import { createAnswerBound } from "./answer-bound.ts";

const document = new URL("../../gen/openapi/openapi.yaml", import.meta.url);

/** Answers under way at a time. */
const mostAnswers = 32;

/** Reads the document when it is asked for first, and keeps it: one for all answers, so that each costs no memory of its own. */
export function serveOpenApi(app: FastifyInstance, clock: Clock): void {
  let kept: Promise<{ bytes: Buffer; tag: string }> | undefined;
  const bound = createAnswerBound({ most: mostAnswers, clock });
  app.get("/openapi.yaml", async (request, reply) => {
    kept ??= read();
    const { bytes, tag } = await kept.catch((error: unknown) => {
      kept = undefined;
      throw error;
    });
    reply.headers({ ETag: tag, "Cache-Control": "no-cache" });
    if (request.headers["if-none-match"] === tag) return reply.code(304).send();
    if (!bound.admit(reply)) return reply;
    return reply.type("application/yaml; charset=utf-8").send(bytes);
  });
}

async function read(): Promise<{ bytes: Buffer; tag: string }> {
  const bytes = await readFile(document);
  return { bytes, tag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"` };
}
