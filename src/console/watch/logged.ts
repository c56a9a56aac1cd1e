/** One thing in the log of changes, and how it is said: once in each form, for however many watches. */
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type Change, ChangeSchema, type Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";

/** Names a thing within its topic. The namespace is empty for what has none. */
export interface Ref {
  readonly namespace: string;
  readonly name: string;
}

/** By what it is said whether a watch is told of a thing. */
export interface Traits {
  /** Whom it concerns: who sees all of these peers sees it. "" stands for what concerns the agent, and so any of them. */
  readonly peers: readonly string[];
  /** The peers for which it is asked. What concerns the agent may be about some all the same, as an app that a selector has placed there. */
  readonly about: readonly string[];
  /** Whose own it is, as `ownerKey` says it: they see it, too. */
  readonly owner?: string | undefined;
  /** None unless given. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** Of what concerns the agent and is about no peer. */
export const agentsOwn: Traits = { peers: [""], about: [] };

/** A thing as it is now. */
export interface Told extends Traits {
  /** As it is shown. Called when somebody is to be shown it. */
  now(): Change["now"];
}

/** From a change on: who saw it. Without traits: nobody, since it was not there. */
export interface View {
  readonly from: number;
  readonly traits: Traits | undefined;
}

export class Logged {
  readonly number: number;
  readonly topic: Topic;
  readonly namespace: string;
  readonly name: string;
  /** Tells it from all others, of other topics too. */
  readonly key: string;
  /** Undefined: it is gone. */
  readonly told: Told | undefined;
  /** As far back as is known, the latest last. */
  readonly views: readonly View[];
  /** It has changed again, or is forgotten. */
  isSuperseded = false;
  readonly #texts: ChangeTexts;

  constructor(
    texts: ChangeTexts,
    o: {
      readonly number: number;
      readonly topic: Topic;
      readonly ref: Ref;
      readonly told: Told | undefined;
      readonly views: readonly View[];
    },
  ) {
    this.#texts = texts;
    this.number = o.number;
    this.topic = o.topic;
    this.namespace = o.ref.namespace;
    this.name = o.ref.name;
    this.key = `${o.topic} ${o.ref.namespace}/${o.ref.name}`;
    this.told = o.told;
    this.views = o.views;
  }

  /** `gone`: as one that is gone, whether it is or not. */
  message(gone: boolean): Change {
    const { number, topic, namespace, name, told } = this;
    const same = { number: BigInt(number), topic, namespace, name };
    return create(ChangeSchema, gone || !told ? { ...same, gone: true } : { ...same, now: told.now() });
  }

  /** The message as a field of another one has it: its length, then its bytes. */
  bytes(gone: boolean): Uint8Array {
    return gone ? bytesOf(this.message(true)) : this.#texts.bytes(this);
  }

  json(gone: boolean): string {
    return gone ? jsonOf(this.message(true)) : this.#texts.json(this);
  }
}

interface Texts {
  bytes?: Uint8Array;
  json?: string;
}

/** What is kept of things as they are said, at most; bytes. Beyond it the oldest is made anew when it is asked for. */
const mostKept = 32 * 1024 * 1024;

/** How things are said, as long as they are so and there is room. */
export class ChangeTexts {
  readonly #kept = new Map<Logged, Texts>();
  readonly #most: number;
  #size = 0;

  constructor(most: number = mostKept) {
    this.#most = most;
  }

  bytes(one: Logged): Uint8Array {
    const known = this.#kept.get(one)?.bytes;
    if (known) return known;
    const bytes = bytesOf(one.message(false));
    this.#keep(one, { ...this.#kept.get(one), bytes });
    return bytes;
  }

  json(one: Logged): string {
    const known = this.#kept.get(one)?.json;
    if (known !== undefined) return known;
    const json = jsonOf(one.message(false));
    this.#keep(one, { ...this.#kept.get(one), json });
    return json;
  }

  release(one: Logged): void {
    const texts = this.#kept.get(one);
    if (!texts) return;
    this.#size -= sizeOf(texts);
    this.#kept.delete(one);
  }

  #keep(one: Logged, texts: Texts): void {
    this.release(one);
    // Who is shown one that has changed meanwhile is the last to be.
    if (one.isSuperseded) return;
    this.#kept.set(one, texts);
    this.#size += sizeOf(texts);
    for (const [oldest] of this.#kept) {
      if (this.#size <= this.#most) return;
      this.release(oldest);
    }
  }
}

function sizeOf({ bytes, json }: Texts): number {
  return (bytes?.byteLength ?? 0) + 2 * (json?.length ?? 0);
}

function bytesOf(change: Change): Uint8Array {
  return new BinaryWriter().bytes(toBinary(ChangeSchema, change)).finish();
}

function jsonOf(change: Change): string {
  return toJsonString(ChangeSchema, change);
}
