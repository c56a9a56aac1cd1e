/**
 * The console itself, for browsers: one document for the path of each of its pages, and what the document loads. Nothing of it tells of
 * this agent, so anybody may have it; what it shows comes by the API, from whoever is signed in.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../../base/clock.ts";
import { createAnswerBound } from "../anyone/answer-bound.ts";
import { type BuiltPages, type Encoding, isPage, type PageFile } from "./built-pages.ts";

export interface PagesDeps {
  /** What was built. In a clone it is built anew if its sources have changed, unless `kept` will do; rejects when they do not build. */
  read(kept: "kept" | "fresh"): Promise<BuiltPages>;
  readonly clock: Clock;
}

/**
 * What a page may do: load scripts, styles and pictures of the console's own, call the console, and nothing else. No script and no style
 * stands in the document, and texts become markup only by the one policy of the library that renders.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types lit-html",
].join("; ");

/** Answers under way at a time: six a browser, and strangers may be many. */
const mostAnswers = 240;

export function servePages(app: FastifyInstance, deps: PagesDeps): void {
  const bound = createAnswerBound({ most: mostAnswers, clock: deps.clock });

  /** Whatever has no route of its own, which is why it shadows nothing. */
  app.get("/*", async (request, reply) => {
    const [path = "/"] = (request.raw.url ?? "/").split("?");
    const isAsset = path.startsWith("/assets/");
    const pages = await deps.read(isAsset ? "kept" : "fresh");
    const file = isAsset ? pages.assets.get(path) : isPage(pages, path) ? pages.index : undefined;
    if (!file) return reply.callNotFound();
    if (isAsset) reply.header("Cache-Control", "public, max-age=31536000, immutable");
    else reply.headers({ "Content-Security-Policy": policy, "Cache-Control": "no-cache" });
    return send(request, reply, file);
  });

  async function send(request: FastifyRequest, reply: FastifyReply, file: PageFile): Promise<FastifyReply> {
    const encoding = chooseEncoding(request.headers["accept-encoding"], file.encodings);
    const tag = encoding ? `${file.tag.slice(0, -1)}-${encoding}"` : file.tag;
    reply.headers({ ETag: tag, Vary: "Accept-Encoding" });
    if (request.headers["if-none-match"]?.split(/\s*,\s*/).includes(tag)) return reply.code(304).send();
    if (!bound.admit(reply)) return reply;
    if (encoding) reply.header("Content-Encoding", encoding);
    return reply.type(file.type).send(await file.read(encoding));
  }
}

/** The best that there is and the client takes. */
function chooseEncoding(accepted: string | undefined, there: readonly Encoding[]): Encoding | undefined {
  const words = (accepted ?? "").toLowerCase().split(",");
  const takes = (name: string): boolean =>
    words.some((word) => {
      const [coding = "", ...parameters] = word.split(";").map((part) => part.trim());
      return coding === name && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
    });
  return there.find(takes);
}
