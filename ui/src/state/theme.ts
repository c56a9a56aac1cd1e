/** Light, dark, or as the machine has it: kept in this browser, and shown by an attribute of the document. */

export type Theme = "auto" | "light" | "dark";

const key = "fairlead.theme";
const themes: readonly Theme[] = ["auto", "light", "dark"];

export function readTheme(storage: Pick<Storage, "getItem">): Theme {
  const kept = storage.getItem(key);
  return themes.find((theme) => theme === kept) ?? "auto";
}

export function keepTheme(storage: Pick<Storage, "setItem">, theme: Theme): void {
  storage.setItem(key, theme);
}

/** The style sheet has both themes, and goes by the attribute before it goes by the machine. */
export function applyTheme(root: HTMLElement, theme: Theme): void {
  if (theme === "auto") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", theme);
}

/** What comes after this one when somebody goes round. */
export function nextTheme(theme: Theme): Theme {
  return themes[(themes.indexOf(theme) + 1) % themes.length] ?? "auto";
}
