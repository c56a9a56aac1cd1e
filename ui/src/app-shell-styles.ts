/** How the frame looks: one row on top, and a bar at the bottom where there is no room for it. */
import { css } from "lit";

export const shellStyles = css`
  :host { display: flex; flex-direction: column; height: 100dvh; }
  main { flex: 1; min-height: 0; overflow: auto; outline: none; }
  .skip { position: absolute; left: var(--s2); top: -60px; z-index: 30; }
  .skip:focus { top: var(--s2); box-shadow: var(--shadow); }
  .top { display: flex; align-items: center; gap: 2px; height: var(--bar); padding: 0 var(--s3) 0 var(--s4); background: var(--sheet); border-bottom: 1px solid var(--line); flex: none; }
  .home { display: flex; align-items: center; gap: 10px; max-width: 220px; margin-right: var(--s4); color: inherit; }
  .home:hover { text-decoration: none; }
  .home b { font-weight: 600; }
  .mark { width: 24px; height: 24px; flex: none; }
  nav { display: flex; }
  nav a { position: relative; display: flex; align-items: center; gap: 6px; height: 32px; padding: 0 10px; color: var(--soft); border-radius: var(--radius); font-weight: 500; }
  nav a:hover { color: var(--ink); background: var(--hover); text-decoration: none; }
  nav a[aria-current] { color: var(--ink); background: var(--hover); }
  .wide a .icon { display: none; }
  .badge { min-width: 18px; height: 18px; padding: 0 5px; border-radius: 9px; background: var(--accent-fill); color: var(--on-accent); font: 600 11px/18px var(--font); text-align: center; }
  .top button { color: var(--soft); }
  .top button:hover { color: var(--ink); }
  .dot { width: 10px; height: 10px; border-radius: 50%; background: var(--unknown); }
  .dot.ok { background: var(--ok); }
  .dot.progressing { background: var(--progressing); border-radius: 3px; }
  .dot.degraded { background: var(--degraded); border-radius: 2px; rotate: 45deg; }
  .dot.failed { background: none; border: 2.5px solid var(--failed); }
  .lost { display: flex; align-items: center; gap: var(--s2); padding: 6px var(--s4); background: var(--degraded-faint); color: var(--degraded); flex: none; }
  .bottom { display: none; }
  @media (max-width: 700px) {
    .wide, .palette kbd { display: none; }
    .home { max-width: 40vw; margin: 0; }
    .bottom { display: flex; flex: none; background: var(--sheet); border-top: 1px solid var(--line); padding-bottom: env(safe-area-inset-bottom); }
    .bottom a { flex: 1; flex-direction: column; justify-content: center; gap: 2px; height: 52px; font-size: 11px; line-height: 14px; border-radius: 0; }
    .bottom a[aria-current] { color: var(--accent); background: none; }
    .bottom a .icon { width: 20px; height: 20px; }
    .bottom .badge { position: absolute; top: 4px; left: calc(50% + 6px); }
  }
`;
