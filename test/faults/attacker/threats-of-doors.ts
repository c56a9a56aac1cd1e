/** Who may try what at the doors to apps, and from a page behind one. */
import type { Threat } from "./threats.ts";

const host = "test/console/app-host.test.ts";
const malicious = "test/browser/malicious-page.browser.ts";
const apart = "test/browser/hosts-apart.browser.ts";

export const threatsOfDoors: readonly Threat[] = [
  {
    who: "page",
    tries: "Calls the console's API, reads its cookies, or those of another app.",
    stops:
      "Each app has a host and a session of its own; the console's host shows no app and takes no cookie at its doors.",
    test: {
      file: "test/console/app-host.test.ts",
      name: "takes no cookie of another host, and none of an app that was deleted and made again",
    },
  },
  {
    who: "page",
    tries: "Tosses cookies onto other hosts of the same domain.",
    stops: "A cookie that an app sets with a Domain, or under a name that begins with `__Host-`, is dropped.",
    test: { file: "test/tunnel/headers.test.ts", name: "set no cookie that reaches beyond the app" },
  },
  {
    who: "page",
    tries: "Takes the console's token from the requests that reach it.",
    stops: "Tokens and cookies of the console are stripped before a request leaves.",
    test: {
      file: "test/console/app-host.test.ts",
      name: "keeps the app's own Authorization and strips a token of the console's, which opens nothing here",
    },
  },
  {
    who: "page",
    tries:
      "Has the visitor's browser ask the console or another app: by fetch, form, frame, picture, script, worker, service worker, event stream, WebSocket, preload, in a real Chromium.",
    stops:
      "The console takes its cookie, which is of its own host and its own site alone, from its own page by Origin; an app's door takes a request for its own page's only if the browser says so, and in clear, where it does not, by Origin, Referer or a page that is opened.",
    test: { file: malicious, name: "gets nothing of the console or of another app, and nothing gets there" },
  },
  {
    who: "page",
    tries: "Hides the visitor's session at another app behind its own cookies, of every path, for the whole domain.",
    stops:
      "All cookies of the name are looked at; one app's session opens no other; over TLS the name is one that no other host can set.",
    test: { file: apart, name: "hide no session and open no door by cookies that a page tosses at the others" },
  },
  {
    who: "page",
    tries: "Puts a session of its own in the place of the visitor's at the console, or reads theirs.",
    stops:
      "The cookie's name is one that only this very host can set, over TLS or on one's own machine; no page can read it, and all cookies of the name are looked at.",
    test: {
      file: apart,
      name: "let the console's own page in by its cookie, which no page can read, where a browser keeps it at all",
    },
  },
  {
    who: "page",
    tries: "Shows the console, a door's page or another app in a frame, to have the visitor click there.",
    stops:
      "None of them may be framed by another host: a policy of their own, or the door refuses what is asked for a frame.",
    test: { file: apart, name: "show nothing of the console, of a door's own pages or of another app in a frame" },
  },
  {
    who: "page",
    tries: "Opens the console in a window and holds on to it.",
    stops:
      "The console's pages and those of the doors cut the tie to who opened them; what another host shows cannot be read.",
    test: { file: apart, name: "give a page no hold on the windows that it opens" },
  },
  {
    who: "page",
    tries: "Uses a one-time code that it got hold of, has the window go there, or looks for one where it landed.",
    stops: "A code is for one host, once, for a minute, and gone from the address before any page of the app is shown.",
    test: { file: apart, name: "take a one-time code at its own host alone, and let no page see one" },
  },
  {
    who: "page",
    tries: "Lets its own name lead to the console's port, to be of the console's origin (DNS rebinding).",
    stops:
      "Nothing there is given for a name or an address alone: without a token there is an answer that names nothing.",
    test: {
      file: apart,
      name: "answer a page of a name that was made to lead here with nothing but that nobody is known",
    },
  },
  {
    who: "page",
    tries: "Asks in clear for what is shown over TLS on the same port, and the other way round.",
    stops: "The two are two origins with a session each, and that of TLS never leaves it.",
    test: { file: apart, name: "count the same name in clear and over TLS for two, on the one port" },
  },
  {
    who: "page",
    tries: "Uses the password that a browser keeps for another app.",
    stops: "The browser sends it whoever asks, so the door judges who does, as with a session.",
    test: {
      file: "test/console/door-access.test.ts",
      name: "is for those with a password when it asks for one, in clear or hashed, which the app never sees",
    },
  },
  {
    who: "stranger",
    tries:
      "Smuggles a second request in one: lengths that conflict, chunks in disguise, folded lines, absolute targets, two Hosts, encoded ways out, more than fifty of them.",
    stops:
      "Node's strict parser and the door refuse what two readers could understand in two ways, and how a body is delimited is said anew.",
    test: { file: "test/console/smuggling.test.ts", name: "crosses no door" },
  },
  {
    who: "stranger",
    tries: "Uses a one-time code again, late, or at another app.",
    stops: "A code is used up by the first who shows it, wherever that is.",
    test: { file: host, name: "takes no code for another host, and none that is older than 60 s" },
  },
  {
    who: "stranger",
    tries: "Guesses the passwords of an app.",
    stops: "After 20 wrong ones another is tried each second, and who was in stays in.",
    test: {
      file: "test/console/door-access.test.ts",
      name: "stops guessing after twenty wrong passwords, and lets in who was in",
    },
  },
];
