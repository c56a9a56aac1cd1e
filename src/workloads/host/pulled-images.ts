/** How the pods of an app get images that its origin brings along. Pure. */
import { create } from "@bufbuild/protobuf";
import type { SecretText } from "../../base/secret-text.ts";
import { type AppEvent, AppEventSchema, AppPodSchema } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Draft } from "../../kube/object.ts";
import type { Secret, Workload } from "../../kube/resources.ts";
import { encodeData } from "../../kube/secret-data.ts";
import { imagesOf, isPulledThrough } from "../../policy/pinned-images.ts";
import { nameOnNode } from "../../policy/pulled-image.ts";
import type { Tenant } from "./namespace.ts";
import type { Readiness } from "./readiness.ts";

/** Where this cluster's nodes pull what peers bring along. */
export interface PullDoor {
  /** What the nodes call it, such as `localhost:30500`. */
  readonly name: string;
  /** The content of the Secret that the tenant's pods pull with. */
  configFor(tenant: Tenant): SecretText;
}

/** What becomes of an app's images. */
export interface PulledImages {
  /** By reference as the spec has it, the one for the pods. */
  readonly names: ReadonlyMap<string, string>;
  /** The name of the Secret that they are pulled with, and its content. */
  readonly secretName: string;
  readonly config: SecretText;
}

/** Why images cannot come: one word for programs, a sentence for people. */
export interface PullObstacle {
  readonly reason: string;
  readonly message: string;
}

/** Of the Secret that a Workload's pods pull with. */
export function pullSecretName({ metadata }: Workload): string {
  return `${metadata.name ?? ""}-pull`;
}

/** Undefined for an app whose images this cluster pulls itself; an obstacle where they cannot come. */
export function pulledImages(
  door: PullDoor | undefined,
  workload: Workload,
  app: RemoteAppSpec,
): PulledImages | PullObstacle | undefined {
  if (!isPulledThrough(app)) return undefined;
  if (!door) {
    const message =
      "This cluster's nodes have no way any more to pull through the link: what runs goes on, and nothing new begins, until its operator sets images.enabled in the chart (the setting images.registry).";
    return { reason: "NoImageDoor", message };
  }
  const { peer = "", fingerprint = "" } = workload.spec.origin ?? {};
  const names = new Map<string, string>();
  for (const image of imagesOf(app)) {
    const name = nameOnNode(door.name, peer, image);
    if (name === undefined) {
      const message = `${image} cannot be pulled through the link: its origin has said no digest for it, or its name is too long.`;
      return { reason: "ImageUnpinned", message };
    }
    names.set(image, name);
  }
  return { names, secretName: pullSecretName(workload), config: door.configFor({ peer, fingerprint }) };
}

/** What is seen of an app, speaking of its images as it does itself where the cluster says what nodes call them. */
export function inAskedNames<T extends { seen: Readiness; events: readonly AppEvent[] }>(
  look: T,
  images: PulledImages | undefined,
): T {
  if (!images) return look;
  const say = (text = ""): string =>
    [...images.names].reduce((said, [image, onNode]) => said.replaceAll(onNode, image), text);
  const { seen, events } = look;
  const pods = seen.pods.map((pod) =>
    pod.message ? create(AppPodSchema, { ...pod, message: say(pod.message) }) : pod,
  );
  return {
    ...look,
    seen: { ...seen, pods, message: say(seen.message) },
    events: events.map((event) => create(AppEventSchema, { ...event, message: say(event.message) })),
  };
}

/** The data of the Secret; whose it is and what it is called is as of all that is made for the Workload. */
export function pullSecretContent({ config }: PulledImages): Pick<Draft<Secret>, "type" | "data"> {
  const data = encodeData({ ".dockerconfigjson": config.reveal() });
  return { type: "kubernetes.io/dockerconfigjson", data };
}
