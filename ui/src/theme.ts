/** Runs before anything is painted: the theme that somebody has chosen, so that nothing flashes in the other. */
import { applyTheme, readTheme } from "./state/theme.ts";

applyTheme(document.documentElement, readTheme(localStorage));
