/** Keeps what peers' apps bring along: stores it when it comes, knows what of it is lost, and takes away what nothing refers to any more. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Attachment, Refusal } from "../../intent/wish.ts";
import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import { refOf } from "../../kube/object.ts";
import { configMaps, secrets, type Workload } from "../../kube/resources.ts";
import type { ContentHash } from "../content-hash.ts";
import { contentName, type Needed, neededBy } from "./attachments.ts";
import { contentRefusal } from "./content-error.ts";
import { type Content, type ContentShelf, contentDraft, openContentShelf } from "./content-shelf.ts";
import type { Obstacle } from "./status.ts";

export interface Contents {
  /**
   * Stores what came with a wish for this Workload. A Workload that does not exist yet, and so has no UID, only tries whether the API
   * server would take it. Rejects on trouble that may pass.
   */
  store(workload: Workload, attachments: readonly Attachment[], signal: AbortSignal): Promise<Refusal | undefined>;
  /** Makes what is written in the spec, and says what is in the way of running it, or in how many milliseconds to ask again. */
  make(workload: Workload, app: RemoteAppSpec, signal: AbortSignal): Promise<Obstacle | number | undefined>;
  /**
   * Deletes what neither the Workload nor any of `users` (objects that were made of it, and its pods) refers to. While a rollout is
   * under way the latest ones stay, since its earlier pods may come again; and what came just now, which the Workload may be about
   * to name. Resolves with the milliseconds after which to look again.
   */
  tidy(
    workload: Workload,
    o: { isSettled: boolean; users: readonly unknown[] },
    signal: AbortSignal,
  ): Promise<number | undefined>;
  /** Something that came with what is asked for is not here. False while it is not known. */
  lacks(workload: Workload): boolean;
  /** Bytes of all that is here of this Workload's spec, and of all in a namespace. */
  bytesOf(workload: Workload): number;
  bytesIn(namespace: string): number;
  close(): Promise<void>;
}

/** How many contents that are not needed any more are kept of one Workload while it is not as it should be. */
const mostSpare = 10;
const lookAgainMs = 1_000;
/** For how long what was stored is not taken for left over: its Workload is written after it. Milliseconds. */
const youngMs = 10_000;

/** `onChange` is called with a Workload's namespace and name after its contents changed; with a namespace alone after much did. */
export function createContents(deps: {
  client: Pick<KubeClient, "apply" | "delete" | "list" | "watch">;
  hashContent: ContentHash;
  onChange(namespace: string, workload: string | undefined): void;
  clock: Clock;
  log: Log;
}): Contents {
  const { client, hashContent, clock, log } = deps;
  const shelves = new Map<string, ContentShelf>();
  /** By UID, when it was stored, on the monotonic clock; of what was stored lately. */
  const stored = new Map<string, number>();

  function shelfOf({ metadata: { namespace = "" } }: Workload): ContentShelf {
    let shelf = shelves.get(namespace);
    if (!shelf) {
      const onChange = (workload: string | undefined): void => deps.onChange(namespace, workload);
      shelf = openContentShelf({ client, namespace, hashContent, onChange, clock, log });
      shelves.set(namespace, shelf);
    }
    return shelf;
  }

  async function put(
    workload: Workload,
    one: { attachment: Attachment; hash: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { kind, name } = one.attachment;
    const draft = contentDraft(workload, contentName(workload.metadata.name ?? "", { name, hash: one.hash }), one);
    const objects = kind === "Secret" ? secrets : configMaps;
    const shelf = shelfOf(workload);
    const there = shelf.get(kind, draft.metadata.name ?? "");
    if (isRight(there, workload)) return;
    // What is immutable cannot be mended.
    if (there) await client.delete(objects, refOf(there), { uid: there.metadata.uid }, signal);
    const answer = await client.apply(objects, draft, { force: true }, signal);
    const now = clock.monotonic();
    for (const [uid, at] of stored) if (now - at >= youngMs) stored.delete(uid);
    stored.set(answer.metadata.uid ?? "", now);
    shelf.put(kind, answer);
  }

  function missing(workload: Workload, needed: readonly Needed[]): Needed[] {
    const shelf = shelfOf(workload);
    return needed.filter((one) => !isRight(shelf.get(one.kind, nameFor(workload, one)), workload));
  }

  async function drop(content: Content, signal: AbortSignal): Promise<void> {
    const objects = content.kind === "Secret" ? secrets : configMaps;
    await client.delete(objects, refOf(content), { uid: content.metadata.uid }, signal);
  }

  return {
    async store(workload, attachments, signal) {
      const isNew = workload.metadata.uid === undefined;
      for (const attachment of attachments) {
        const one = { attachment, hash: hashContent(attachment) };
        try {
          if (!isNew) await put(workload, one, signal);
          else {
            const draft = contentDraft(workload, nameFor(workload, { name: attachment.name, hash: one.hash }), one);
            const objects = attachment.kind === "Secret" ? secrets : configMaps;
            await client.apply(objects, draft, { force: true, dryRun: true }, signal);
          }
        } catch (error) {
          return contentRefusal(attachment, error);
        }
      }
      return undefined;
    },

    async make(workload, app, signal) {
      const needed = neededBy(app);
      const unheard = [...app.secrets, ...app.configMaps].length - needed.length;
      if (needed.length === 0 && unheard === 0) return undefined;
      const shelf = shelfOf(workload);
      if (!shelf.isSynced) return shelf.lastError ? unseen(shelf.lastError) : lookAgainMs;
      for (const { inline, hash } of needed) {
        if (!inline) continue;
        try {
          await put(workload, { attachment: inline, hash }, signal);
        } catch (error) {
          const { reason, message } = contentRefusal(inline, error);
          return { reason, message };
        }
      }
      const [first, ...more] = missing(workload, needed);
      if (!first && unheard === 0) return undefined;
      const what = first ? `The ${first.kind} ${first.name}` : "Something that the app brings along";
      const others = more.length > 0 ? ` and ${more.length} more` : "";
      const message = `${what}${others} is not here; it is asked of the app's origin, and nothing is changed before it comes.`;
      return { reason: "ContentMissing", message };
    },

    async tidy(workload, { isSettled, users }, signal) {
      const shelf = shelves.get(workload.metadata.namespace ?? "");
      if (!shelf?.isSynced) return undefined;
      const { app, running } = workload.spec;
      const kept = new Set(
        [app, running].flatMap((one) => (one ? neededBy(one) : [])).map((one) => nameFor(workload, one)),
      );
      const spare = shelf
        .of(workload.metadata.name ?? "")
        .filter((one) => isOf(one, workload) && !kept.has(one.metadata.name ?? ""));
      if (spare.length === 0) return undefined;
      const text = JSON.stringify(users);
      const oldEnough = clock.monotonic() - youngMs;
      const isYoung = ({ metadata }: Content): boolean => (stored.get(metadata.uid ?? "") ?? oldEnough) > oldEnough;
      const unused = spare.filter((one) => !isYoung(one) && !text.includes(`"${one.metadata.name}"`)).sort(latestFirst);
      for (const content of isSettled ? unused : unused.slice(mostSpare)) await drop(content, signal);
      return spare.some(isYoung) ? youngMs : undefined;
    },

    lacks(workload) {
      const { app } = workload.spec;
      if (!app || (app.secrets.length === 0 && app.configMaps.length === 0)) return false;
      if (!shelfOf(workload).isSynced) return false;
      const sent = neededBy(app).filter(({ inline }) => !inline);
      const unheard = [...app.secrets, ...app.configMaps].length - neededBy(app).length;
      return unheard > 0 || missing(workload, sent).length > 0;
    },

    bytesOf(workload) {
      const { app } = workload.spec;
      if (!app || (app.secrets.length === 0 && app.configMaps.length === 0)) return 0;
      const shelf = shelfOf(workload);
      const sent = neededBy(app).filter(({ inline }) => !inline);
      return sent.reduce((sum, one) => sum + (shelf.get(one.kind, nameFor(workload, one))?.bytes ?? 0), 0);
    },
    bytesIn: (namespace) => shelves.get(namespace)?.bytes ?? 0,

    async close() {
      await Promise.all([...shelves.values()].map((shelf) => shelf.close()));
    },
  };
}

function nameFor({ metadata }: Workload, one: Pick<Needed, "name" | "hash">): string {
  return contentName(metadata.name ?? "", one);
}

function isOf({ metadata }: Content, workload: Workload): boolean {
  return metadata.ownerReferences?.some(({ uid }) => uid === workload.metadata.uid) ?? false;
}

function isRight(content: Content | undefined, workload: Workload): boolean {
  return Boolean(content?.isWhole && isOf(content, workload) && !content.metadata.deletionTimestamp);
}

function latestFirst(a: Content, b: Content): number {
  const at = ({ metadata }: Content): string => metadata.creationTimestamp ?? "";
  return at(a) < at(b) ? 1 : -1;
}

function unseen(error: Error): Obstacle {
  const isForbidden = error instanceof KubeError && error.status === 403;
  const advice = isForbidden
    ? " The operator of the host upgrades the chart, whose role for peers' namespaces has that right."
    : "";
  return {
    reason: isForbidden ? "NotPermitted" : "Unreachable",
    message: `The host's agent does not see what the app brought along: ${error.message}${advice}`,
  };
}
