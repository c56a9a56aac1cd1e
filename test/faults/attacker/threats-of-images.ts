/** Who may try what with images that come through the link. */
import type { Threat } from "./threats.ts";

const pull = "test/images/pull.test.ts";
const across = "test/images/across.test.ts";

export const threatsOfImages: readonly Threat[] = [
  {
    who: "neighbour",
    tries:
      "Reaches the port on a node where images of peers are pulled, with no password, a guessed one, or another peer's.",
    stops:
      "Each request shows a password that follows from the agent's own key and the peer, which only that peer's pull secrets hold; it opens that peer's images and no others.",
    test: { file: pull, name: "shows its pull secret at each request, or gets nothing" },
  },
  {
    who: "peer",
    tries: "Sends other bytes than the digest says, by which its image was admitted.",
    stops:
      "The host hashes all that it hands on and keeps the last of it back until the digest is right; the audit names the image.",
    test: { file: pull, name: "never gets the last byte of what is not what its digest says" },
  },
  {
    who: "peer",
    tries: "Brings images itself where its policy does not say so, under the name of a registry that is allowed.",
    stops:
      "A policy lets nobody bring images unless it says so (`workloads.pullThrough`); its rules about images count all the same.",
    test: { file: across, name: "is denied where the host's policy does not let it bring images" },
  },
  {
    who: "host",
    tries: "Pulls what it is not to run from a registry that is shared with it.",
    stops: "A repository is open only while an app of ours at that peer has an image there.",
    test: {
      file: across,
      name: "gives the host nothing of repositories that no app of its uses, whatever the policy shares",
    },
  },
  {
    who: "host",
    tries: "Looks for the credentials of the origin's registry.",
    stops:
      "They are read at the origin when they are needed, sent to the registry alone, and are in nothing that goes over the link.",
    test: { file: pull, name: "is not shown to the store that it redirects to" },
  },
  {
    who: "network",
    tries: "Answers in the place of a registry, or has it send elsewhere for blobs and tokens.",
    stops:
      "A registry's certificate is checked; nobody is followed from TLS to where there is none, and credentials go to no other host.",
    test: {
      file: "test/images/access.test.ts",
      name: "is not followed to where TLS ends, nor asked for a token there",
    },
  },
];
