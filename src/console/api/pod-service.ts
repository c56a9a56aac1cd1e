/** `PodService`: pods of apps, wherever they run. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { PodService } from "../../gen/fairlead/console/v1/pod_service_pb.ts";
import { principalKey } from "../auth/principal.ts";

/** Which lines of an app's logs are wanted. */
export interface LogOptions {
  readonly follow: boolean;
  readonly tailLines?: number | undefined;
  readonly sinceSeconds?: number | undefined;
  readonly previous: boolean;
  readonly timestamps: boolean;
  /** Only this pod. */
  readonly pod?: string | undefined;
  /** Who reads, for the audit. */
  readonly person?: string | undefined;
}

export interface PodServiceDeps {
  /** Lines of all pods of a RemoteApp, merged as they come, and notices. Throws a ConnectError when there is no such app. */
  logs(
    app: { namespace: string; name: string },
    options: LogOptions,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly pod: string; readonly line: string; readonly notice: string }>;
}

export function createPodService(deps: PodServiceDeps): ServiceImpl<typeof PodService> {
  return {
    logs({ app, follow, tailLines, sinceSeconds, previous, timestamps, pod }, { signal, values }) {
      const options: LogOptions = {
        follow,
        previous,
        timestamps,
        person: values.get(principalKey)?.name,
        ...(tailLines !== undefined && { tailLines }),
        ...(sinceSeconds > 0n && { sinceSeconds: Number(sinceSeconds) }),
        ...(pod && { pod }),
      };
      return deps.logs({ namespace: app?.namespace ?? "", name: app?.name ?? "" }, options, signal);
    },
  };
}
