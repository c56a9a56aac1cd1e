/** Where the console begins: it makes the state, and gives it to the shell that stands in the document. */
import { systemClock } from "../../src/base/clock.ts";
import "./app-shell.ts";
import { useOwnIcons } from "./elements/icon-library.ts";
import { ConsoleState } from "./state/console-state.ts";

useOwnIcons();
const state = new ConsoleState({
  window,
  clock: systemClock,
  // A page that is not seen has no frames; it goes on all the same, or it would be of yesterday when somebody comes back.
  onFrame: (show) => void (document.hidden ? setTimeout(show, 250) : requestAnimationFrame(show)),
});
const shell = document.querySelector("fl-app");
if (shell) shell.state = state;
void state.session.ask();
