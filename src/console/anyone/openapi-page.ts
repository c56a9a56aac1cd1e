/** The API as an OpenAPI document, at /openapi.yaml. Anybody may read it: it is as public as the protos that it is made from. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../../base/clock.ts";

const document = new URL("../../gen/openapi/openapi.yaml", import.meta.url);

/** Answers under way at a time, and how long one may take, in milliseconds: whoever asks may be anybody, and read nothing. */
const mostAnswers = 32;
const answerMs = 30_000;

/** Reads the document when it is asked for first, and keeps it: one for all answers, so that each costs no memory of its own. */
export function serveOpenApi(app: FastifyInstance, clock: Clock): void {
  let kept: Promise<{ bytes: Buffer; tag: string }> | undefined;
  let answers = 0;
  app.get("/openapi.yaml", async (request, reply) => {
    kept ??= read();
    const { bytes, tag } = await kept.catch((error: unknown) => {
      kept = undefined;
      throw error;
    });
    reply.headers({ ETag: tag, "Cache-Control": "no-cache" });
    if (request.headers["if-none-match"] === tag) return reply.code(304).send();
    if (answers >= mostAnswers) {
      return reply.code(503).header("Retry-After", "1").send("Too many read this at once. Try again in a moment.\n");
    }
    answers += 1;
    const late = clock.after(answerMs, () => void reply.raw.destroy());
    late.unref?.();
    reply.raw.once("close", () => {
      answers -= 1;
      late.cancel();
    });
    return reply.type("application/yaml; charset=utf-8").send(bytes);
  });
}

async function read(): Promise<{ bytes: Buffer; tag: string }> {
  const bytes = await readFile(document);
  return { bytes, tag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"` };
}
