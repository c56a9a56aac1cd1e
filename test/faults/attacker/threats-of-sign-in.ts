/** Those who come to the console as somebody whom they are not. */
import type { Threat } from "./threats.ts";

const own = "test/console/sign-in/sign-in.test.ts";
const kubernetes = "test/console/auth/kubernetes-token.test.ts";
const oidc = "test/console/oidc/sign-in.test.ts";

export const threatsOfSignIn: readonly Threat[] = [
  {
    who: "stranger",
    tries: "Uses a cookie that was copied from a browser.",
    stops:
      "It says something new each quarter of an hour; who comes with what it said before ends the session, and the audit has it.",
    test: {
      file: "test/console/auth/sessions.test.ts",
      name: "who brings what a cookie said before ends the session, for both",
    },
  },
  {
    who: "network",
    tries: "Waits for a password or a session in clear, or writes X-Forwarded-Proto into the requests.",
    stops:
      "Neither is taken over a connection that others can read, whatever headers say, and browsers keep and send the cookie nowhere else.",
    test: {
      file: own,
      name: "over a connection that others can read nobody signs in, nobody is known, and it is said where instead",
    },
  },
  {
    who: "stranger",
    tries: "Has somebody's browser sign in, sign out or act from a page elsewhere.",
    stops: "The cookie counts, and a password is looked at, for pages whose Origin is the console's own.",
    test: { file: own, name: "only the console's own page signs in, and only it is known by the cookie" },
  },
  {
    who: "reader",
    tries: "Signs in by what an answer, an error, the audit or a Secret of a session says.",
    stops: "Of a session a hash is kept; no answer but the cookie itself has what it says, and nothing has a password.",
    test: { file: own, name: "no answer, error or record has a password or what a cookie says" },
  },
  {
    who: "stranger",
    tries:
      "Comes back from the provider in somebody else's place: another's code, a code twice, an answer to another question.",
    stops: "State, nonce, PKCE and the issuer are of one sign-in, which only the browser that began it can end, once.",
    test: { file: oidc, name: "who did not begin the sign-in cannot end it" },
  },
  {
    who: "network",
    tries: "Changes who somebody is in the provider's answer.",
    stops: "The ID token has to be signed by a key of the provider, for this client and this very sign-in.",
    test: {
      file: oidc,
      name: "an ID token for another question, of another issuer, for another client, too old, or signed by nobody is refused",
    },
  },
  {
    who: "neighbour",
    tries: "Passes a token on that a pod has for the API server or for something else.",
    stops: "The API server has to say that it is for the audience fairlead.dev; a token for that opens nothing there.",
    test: {
      file: "test/e2e/sign-in.e2e.ts",
      name: "a token for another audience is refused, and so is one of nobody here",
    },
  },
  {
    who: "stranger",
    tries: "Has the agent ask the API server about tokens without end.",
    stops:
      "What cannot be one is known without a question; of the rest 20 in a second are asked about, and those that are known do not wait.",
    test: { file: kubernetes, name: "strangers cannot make the agent ask without end, nor keep out whom it knows" },
  },
];
