/** Page tokens: opaque to callers, and of no use to anybody who changed one. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { brokenWord } from "./broken-rule.ts";

/** What something is put in order by. A number comes after every text. */
export type Rank = string | number;

/** Where something stands in a list. */
export interface Place {
  readonly ranks: readonly Rank[];
  readonly key: string;
}

export interface PageTokensDeps {
  /** Seals tokens: random, and of this start of the agent alone. */
  readonly key: Uint8Array;
  /** The time, in milliseconds since 1970. */
  now(): number;
}

export interface PageTokens {
  /** For the page after this place, in the answer to this question. */
  seal(place: Place, question: string): string;
  /** Throws INVALID_ARGUMENT for what was never a token or is of another question, FAILED_PRECONDITION for one whose time is over. */
  open(token: string, question: string): Place;
}

/** For how long a token is good, in milliseconds. */
export const tokenLifeMs = 60 * 60_000;
/** Starts every token; another form of it will have another. */
const form = "1";
const sealBytes = 16;

export function createPageTokens({ key, now }: PageTokensDeps): PageTokens {
  const sealOf = (body: Buffer, question: string): Buffer =>
    createHmac("sha256", key).update(`${body.length}:`).update(body).update(question).digest().subarray(0, sealBytes);
  // Tells a token of another start of the agent, which is no mistake of who shows it, from one that was changed.
  const start = createHmac("sha256", key).update("start").digest("base64url").slice(0, 8);

  return {
    seal({ ranks, key: last }, question) {
      const body = Buffer.from(JSON.stringify([now(), last, ...ranks]));
      const sealed = Buffer.concat([sealOf(body, question), body]).toString("base64url");
      return `${form}.${start}.${sealed}`;
    },

    open(token, question) {
      const [itsForm, itsStart, sealed, ...more] = token.split(".");
      if (itsForm !== form || itsStart?.length !== start.length || sealed === undefined || more.length > 0)
        throw wrong();
      if (itsStart !== start) throw over();
      const bytes = Buffer.from(sealed, "base64url");
      const body = bytes.subarray(sealBytes);
      if (bytes.toString("base64url") !== sealed || bytes.length <= sealBytes) throw wrong();
      if (!timingSafeEqual(bytes.subarray(0, sealBytes), sealOf(body, question))) throw wrong();
      // What bears the seal is as it was written.
      const [at, last, ...ranks]: [number, string, ...Rank[]] = JSON.parse(body.toString());
      if (now() - at > tokenLifeMs) throw over();
      return { ranks, key: last };
    },
  };
}

function wrong(): ConnectError {
  const message =
    "it is not of this list: it is taken from the answer before, and everything but page_size stays as it was asked";
  return brokenWord("page_token", { rule: "list.page_token", message });
}

function over(): ConnectError {
  const message = "page_token is not good any more: the list has to be read from its beginning, without one";
  return new ConnectError(message, Code.FailedPrecondition);
}
