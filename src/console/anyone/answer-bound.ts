/** How many answers to anybody may be under way at once, and for how long: whoever asks may be anybody, and read nothing. */
import type { FastifyReply } from "fastify";
import type { Clock } from "../../base/clock.ts";

/** How long one may take, in milliseconds. */
const answerMs = 30_000;

export interface AnswerBound {
  /** Counts the answer until its connection is done with it; false when there are too many, and then it has been answered so. */
  admit(reply: FastifyReply): boolean;
}

export function createAnswerBound({ most, clock }: { readonly most: number; readonly clock: Clock }): AnswerBound {
  let answers = 0;
  return {
    admit(reply) {
      if (answers >= most) {
        reply.code(503).header("Retry-After", "1").send("Too many read this at once. Try again in a moment.\n");
        return false;
      }
      answers += 1;
      const late = clock.after(answerMs, () => void reply.raw.destroy());
      late.unref?.();
      reply.raw.once("close", () => {
        answers -= 1;
        late.cancel();
      });
      return true;
    },
  };
}
