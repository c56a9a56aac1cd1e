/** What may be tried at the console's API by who is not signed in. */
import type { Threat } from "./threats.ts";

export const threatsOfApi: readonly Threat[] = [
  {
    who: "stranger",
    tries: "Asks which calls there are, and with what fields.",
    stops: "Nothing: the protos are public, and reflection tells no more than they do, nothing of what is kept here.",
    test: {
      file: "test/console/reflection.test.ts",
      name: "lists what is served to somebody who is not signed in, by either version of it and by each protocol",
    },
  },
  {
    who: "stranger",
    tries: "Holds streams open that need no credentials.",
    stops: "64 of reflection at a time, a minute each; 256 of health. What else there is does not share these places.",
    test: {
      file: "test/console/reflection.test.ts",
      name: "streams at a time are counted, and each lasts a minute at most",
    },
  },
];
