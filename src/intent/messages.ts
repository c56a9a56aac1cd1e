/** Between intent.proto's messages and this room's values. Pure; what a peer sends is checked by the rules in the proto. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { SecretContent } from "../base/secret-content.ts";
import type * as pb from "../gen/fairlead/peer/v1/intent_pb.ts";
import { SyncRequestSchema, SyncResponseSchema } from "../gen/fairlead/peer/v1/intent_pb.ts";
import type { Page } from "./digest.ts";
import {
  type Attachment,
  intentLimits,
  type Orphan,
  type RefusedWish,
  type Violation,
  type Wish,
  type WishHead,
} from "./wish.ts";

const validator = createValidator();

export function request(message: MessageInitShape<typeof SyncRequestSchema>["message"]): pb.SyncRequest {
  return create(SyncRequestSchema, message ? { message } : {});
}

export function response(message: MessageInitShape<typeof SyncResponseSchema>["message"]): pb.SyncResponse {
  return create(SyncResponseSchema, message ? { message } : {});
}

/** The first rule of intent.proto that a request breaks, for the peer to read; undefined when it keeps them all. */
export function requestFault(message: pb.SyncRequest): string | undefined {
  if (isEndless(message.message)) return endless;
  const result = validator.validate(SyncRequestSchema, message);
  return result.kind === "valid"
    ? undefined
    : (result.error?.message ?? "the message breaks the rules of intent.proto");
}

export function responseFault(message: pb.SyncResponse): string | undefined {
  if (isEndless(message.message)) return endless;
  const result = validator.validate(SyncResponseSchema, message);
  return result.kind === "valid"
    ? undefined
    : (result.error?.message ?? "the message breaks the rules of intent.proto");
}

const endless = `a list has more than ${intentLimits.page} entries, which intent.proto forbids, or attachments have more than ${intentLimits.attachmentKeys} keys`;

/** The validator would judge each of a million entries before it said that there are too many. */
function isEndless(message: pb.SyncRequest["message"] | pb.SyncResponse["message"]): boolean {
  switch (message.case) {
    case "digest":
      return message.value.entries.length > intentLimits.page;
    case "need":
      return message.value.uids.length > intentLimits.page;
    case "orphans":
      return message.value.orphans.length > intentLimits.page;
    case "refusal":
      return message.value.violations.length > intentLimits.page;
    case "wish":
      return isEndlesslyAttached(message.value);
    default:
      return false;
  }
}

function isEndlesslyAttached({ attachments }: pb.Wish): boolean {
  if (attachments.length > intentLimits.page) return true;
  const keys = attachments.reduce((sum, { data }) => sum + Object.keys(data).length, 0);
  return keys > intentLimits.attachmentKeys;
}

export function pageToMessage(page: Page<WishHead>): MessageInitShape<typeof pb.DigestSchema> {
  return {
    entries: page.entries.map(({ uid, generation, hash }) => ({ uid, generation: BigInt(generation), hash })),
    complete: page.complete,
  };
}

export function pageFromMessage(page: pb.Digest): Page<WishHead> {
  return { entries: page.entries.map(headFromMessage), complete: page.complete };
}

/** Throws a RangeError for a generation that a number cannot hold: it could not be said again as it came. */
export function headFromMessage(head: { uid: string; generation: bigint; hash: string }): WishHead {
  const generation = Number(head.generation);
  if (!Number.isSafeInteger(generation)) throw new RangeError("a generation is beyond 2^53 - 1, which no object has");
  return { uid: head.uid, generation, hash: head.hash };
}

export function wishToMessage(wish: Wish): MessageInitShape<typeof pb.WishSchema> {
  const { uid, namespace, name, spec, hash, adopts = "", leaseSeconds = 0 } = wish;
  const attachments = (wish.attachments ?? []).map(({ content, ...one }) => ({
    ...one,
    data: { ...content.reveal() },
  }));
  const generation = BigInt(wish.generation);
  return { uid, generation, namespace, name, spec, hash, adopts, attachments, leaseSeconds };
}

export function wishFromMessage(wish: pb.Wish): Wish {
  const { namespace, name, spec } = wish;
  const attachments = wish.attachments.map(attachmentFromMessage);
  return {
    ...headFromMessage(wish),
    namespace,
    name,
    spec,
    ...(wish.adopts && { adopts: wish.adopts }),
    ...(wish.leaseSeconds > 0 && { leaseSeconds: wish.leaseSeconds }),
    ...(attachments.length > 0 && { attachments }),
  };
}

function attachmentFromMessage({ kind, name, type, data }: pb.Attachment): Attachment {
  const content = new SecretContent(data);
  return kind === "Secret"
    ? { kind, name, type: type || "Opaque", content }
    : { kind: "ConfigMap", name, type: "", content };
}

export function refusalToMessage({ refusal, ...head }: RefusedWish): MessageInitShape<typeof pb.RefusalSchema> {
  return {
    uid: head.uid,
    generation: BigInt(head.generation),
    hash: head.hash,
    reason: refusal.reason,
    message: refusal.message,
    violations: refusal.violations.slice(0, intentLimits.violations).map((violation) => ({ ...violation })),
  };
}

export function refusalFromMessage(refusal: pb.Refusal): RefusedWish {
  const violations: Violation[] = refusal.violations.map(({ field, rule, message, asked, allowed }) => ({
    field,
    rule,
    message,
    ...(asked && { asked }),
    ...(allowed && { allowed }),
  }));
  return { ...headFromMessage(refusal), refusal: { reason: refusal.reason, message: refusal.message, violations } };
}

export function orphanToMessage(orphan: Orphan): MessageInitShape<typeof pb.OrphanSchema> {
  return { ...orphan, generation: BigInt(orphan.generation) };
}

export function orphanFromMessage(orphan: pb.Orphan): Orphan {
  const { uid, namespace, name, spec, since } = orphan;
  return { uid, namespace, name, spec, since, generation: Number(orphan.generation) };
}
