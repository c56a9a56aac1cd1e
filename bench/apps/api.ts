/** The load's own way to an API server: objects are posted, and a watch says which have come to be as wanted. */
import { loadClient } from "./load-client.ts";

interface Named {
  metadata: { name: string };
  status?: { phase?: string };
}

export interface Seen {
  /** Resolves when the object of that name is as wanted. */
  seen(name: string): Promise<void>;
  /** Resolves when one with such a name is. */
  matching(isIt: (name: string) => boolean): Promise<void>;
  close(): void;
}

export interface Api {
  post(path: string, body: object): Promise<void>;
  watch(path: string, isRight: (object: Named) => boolean): Promise<Seen>;
}

export function openApi({ url, token }: { url: string; token: string }): Api {
  const headers = { Authorization: `Bearer ${token}`, "User-Agent": loadClient, "Content-Type": "application/json" };
  return {
    async post(path, body) {
      const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      await response.arrayBuffer();
    },
    async watch(path, isRight) {
      const ending = new AbortController();
      const right = new Set<string>();
      const waiting = new Set<() => void>();
      const response = await fetch(`${url}${path}?watch=true`, { headers, signal: ending.signal });
      void follow(response, (object) => {
        if (!isRight(object)) return;
        right.add(object.metadata.name);
        for (const look of [...waiting]) look();
      }).catch(() => undefined);
      const until = (isSo: () => boolean): Promise<void> =>
        new Promise((resolve) => {
          const look = (): void => {
            if (!isSo()) return;
            waiting.delete(look);
            resolve();
          };
          waiting.add(look);
          look();
        });
      return {
        seen: (name) => until(() => right.has(name)),
        matching: (isIt) => until(() => [...right].some(isIt)),
        close: () => ending.abort(),
      };
    },
  };
}

async function follow(response: Response, tell: (object: Named) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line) tell(JSON.parse(line).object);
  }
}
