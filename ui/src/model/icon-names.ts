/** The icons of the console: our word for each, and Lucide's. Whatever is not here is not in the bundle. */
export const iconNames = {
  // States, each of a shape of its own.
  ok: "circle-check",
  progressing: "loader",
  held: "hourglass",
  degraded: "triangle-alert",
  failed: "circle-x",
  unknown: "circle-dashed",
  // Pages and things.
  overview: "layout-dashboard",
  apps: "boxes",
  app: "box",
  peer: "server",
  person: "circle-user-round",
  // Deeds.
  search: "search",
  copy: "copy",
  done: "check",
  close: "x",
  more: "ellipsis",
  open: "external-link",
  back: "arrow-left",
  forward: "arrow-right",
  up: "arrow-up",
  down: "arrow-down",
  caret: "chevron-down",
  delete: "trash-2",
  key: "keyboard",
  "sign-out": "log-out",
  "sign-in": "log-in",
  seen: "check-check",
  retry: "rotate-cw",
  show: "eye",
  hide: "eye-off",
  // Themes.
  auto: "monitor",
  light: "sun",
  dark: "moon",
  // The link to the agent.
  live: "radio",
  lost: "unplug",
  // States of a page.
  empty: "inbox",
  lock: "lock",
  nowhere: "map-pin-off",
} as const;

export type IconName = keyof typeof iconNames;
