/** Gives Web Awesome's controls the console's own icons: by themselves they would fetch them from elsewhere. */

import sprite from "fairlead:icons";
import { registerIconLibrary } from "@awesome.me/webawesome/dist/components/icon/library.js";
import type { IconName } from "../model/icon-names.ts";

/** Web Awesome's word for each icon that its controls show by themselves. */
const own: Readonly<Record<string, IconName>> = {
  "chevron-down": "caret",
  "circle-xmark": "close",
  xmark: "close",
  check: "done",
  eye: "show",
  "eye-slash": "hide",
};

export function useOwnIcons(): void {
  for (const library of ["default", "system"]) {
    registerIconLibrary(library, { spriteSheet: true, resolver: (name) => `${sprite}#${own[name] ?? name}` });
  }
}
