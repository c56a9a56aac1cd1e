/** `WatchService`: what the hub of all watches tells, as messages. */
import { create } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type WatchResponse,
  WatchResponseSchema,
  type WatchService,
} from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { principalKey } from "../auth/principal.ts";
import { resetText } from "../watch/reset-text.ts";
import type { News } from "../watch/watch.ts";
import type { WatchHub } from "../watch/watch-hub.ts";

export interface WatchServiceDeps {
  readonly hub: Pick<WatchHub, "watch">;
}

export function createWatchService({ hub }: WatchServiceDeps): ServiceImpl<typeof WatchService> {
  return {
    async *watch(request, { values, signal, requestHeader }) {
      // A message that is to be JSON is made anew for each; the bytes of the others are the same for all.
      const isJson = requestHeader.get("content-type")?.includes("json") ?? false;
      for await (const news of hub.watch(request, values.get(principalKey), signal)) {
        yield isJson ? inFields(news) : inBytes(news);
      }
    },
  };
}

function frameOf({ resume, isSynced, reset }: News): WatchResponse {
  return create(WatchResponseSchema, {
    resume,
    isSynced,
    ...(reset !== undefined && { reset: { reason: reset, message: resetText(reset) } }),
  });
}

function inFields(news: News): WatchResponse {
  const message = frameOf(news);
  message.changes = news.changes.map(({ one, gone }) => one.message(gone));
  return message;
}

/** The changes as they stand in the log, in bytes: these are written as they are. */
function inBytes(news: News): WatchResponse {
  const { number: no } = WatchResponseSchema.field.changes;
  const wireType = WireType.LengthDelimited;
  const message = frameOf(news);
  message.$unknown = news.changes.map(({ one, gone }) => ({ no, wireType, data: one.bytes(gone) }));
  return message;
}
