/** What people who cannot see well, or have a small screen, would miss of a page. */
import { mkdirSync } from "node:fs";
import type { BrowserContextOptions, Page } from "playwright-core";

/** Each theme on a phone and on a desk. */
export const screens: readonly (BrowserContextOptions & { readonly name: string })[] = (
  ["light", "dark"] as const
).flatMap((colorScheme) =>
  [360, 1280].map((width) => ({ name: `${colorScheme}-${width}`, colorScheme, viewport: { width, height: 720 } })),
);

/** Texts whose contrast to what is behind them is below 4.5 (WCAG 2.2, 1.4.3), and whatever makes the page wider than the screen. */
export function illegible(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`(() => {
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const luminance = (color) => {
      const [r, g, b] = channels(color).slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const color = getComputedStyle(at).backgroundColor;
        if ((channels(color)[3] ?? 1) > 0) return color;
      }
      return "rgb(255, 255, 255)";
    };
    const found = [];
    if (document.documentElement.scrollWidth > innerWidth) found.push("the page is " + document.documentElement.scrollWidth + " px wide");
    for (const element of document.body.querySelectorAll("*")) {
      const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join(" ").trim();
      if (text === "") continue;
      const [low, high] = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => a - b);
      const contrast = (high + 0.05) / (low + 0.05);
      if (contrast < 4.5) found.push(text + ": " + contrast.toFixed(2));
    }
    return found;
  })()`);
}

const pictures = new URL("../../.cache/browser/", import.meta.url).pathname;

/** Leaves a picture of the page in .cache/browser, for eyes. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: `${pictures}${name}.png`, fullPage: true });
}
