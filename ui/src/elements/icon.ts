/** An icon, as a picture beside words; it says something to screen readers only where it is given a label. */
import sprite from "fairlead:icons";
import { html, nothing, type TemplateResult } from "lit";
import type { IconName } from "../model/icon-names.ts";

export function icon(name: IconName, label = ""): TemplateResult {
  return html`<svg class="icon" role=${label === "" ? nothing : "img"} aria-label=${label || nothing} aria-hidden=${label === "" ? "true" : nothing}><use href=${`${sprite}#${name}`}></use></svg>`;
}
