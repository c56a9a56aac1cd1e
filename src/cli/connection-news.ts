/** Tells the person that the connection to the agent was lost and what runs waits, and that it goes on. */
import { systemClock, type Timer } from "../base/clock.ts";
import type { AgentSession } from "../client/session.ts";

/** A shorter gap is nobody's business; milliseconds. */
const noticeableMs = 2_000;

/** Until the answer is called. */
export function tellOfConnection(session: AgentSession, tell: (text: string) => void): () => void {
  let waiting: Timer | undefined;
  let told = false;
  const stop = session.onConnection((news) => {
    waiting?.cancel();
    if (!news.stands) {
      waiting = systemClock.after(noticeableMs, () => {
        told = true;
        tell("the connection to the agent was lost; this goes on when there is one again\n");
      });
    } else if (told) {
      told = false;
      tell("there is a connection to the agent again\n");
    }
  });
  const end = (): void => {
    stop();
    waiting?.cancel();
  };
  void session.closed.then(end);
  return end;
}
