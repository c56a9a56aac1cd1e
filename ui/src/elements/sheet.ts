/** What elements and pages have in common to look at, adopted by each. */
import { css } from "lit";

export const sheet = css`
  *, *::before, *::after { box-sizing: border-box; }
  :host([hidden]), [hidden] { display: none !important; }
  h1, h2, h3, p, ul, ol, dl, dd, figure { margin: 0; padding: 0; }
  ul, ol { list-style: none; }
  h1 { font-size: var(--text-xl); line-height: 28px; font-weight: 600; letter-spacing: -0.01em; }
  h2 { font-size: var(--text-m); line-height: 20px; font-weight: 600; }
  a { color: var(--accent); text-decoration: none; border-radius: 3px; }
  a:hover { text-decoration: underline; }
  :focus-visible { outline: 2px solid var(--focus); outline-offset: 1px; }
  code, .mono { font-family: var(--mono); font-size: 0.94em; }
  .soft { color: var(--soft); }
  .icon { width: 16px; height: 16px; flex: none; vertical-align: -3px; }
  .grow { flex: 1; min-width: 0; }
  .cut { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  .card { background: var(--sheet); border: 1px solid var(--line); border-radius: var(--radius-l); box-shadow: var(--shade); }
  kbd { display: inline-block; min-width: 20px; padding: 0 5px; border: 1px solid var(--line); border-radius: 4px; background: var(--ground); color: var(--soft); font: 500 11px/18px var(--font); text-align: center; }
  input, select {
    height: 32px; padding: 0 10px; font: inherit; color: var(--ink); background: var(--sheet);
    border: 1px solid var(--edge); border-radius: var(--radius);
  }
  input::placeholder { color: var(--soft); opacity: 1; }
  select { padding-right: 6px; }
  button.plain {
    display: inline-flex; align-items: center; justify-content: center; gap: 6px; min-width: 32px; height: 32px; padding: 0 8px; font: inherit; color: inherit;
    background: none; border: 0; border-radius: var(--radius); cursor: pointer;
  }
  button.plain:hover { background: var(--hover); }
  .button {
    display: inline-flex; align-items: center; justify-content: center; gap: 6px; height: 32px; padding: 0 12px; font: 500 var(--text-m) / 1 var(--font);
    color: var(--ink); background: var(--sheet); border: 1px solid var(--edge); border-radius: var(--radius); white-space: nowrap; cursor: pointer;
  }
  .button:hover { background: var(--hover); text-decoration: none; }
  .button.primary { color: var(--on-accent); background: var(--accent-fill); border-color: transparent; }
  .button.primary:hover { background: var(--accent-fill-hover); }
  .button.danger { color: #fff; background: #b3261e; border-color: transparent; }
  .button.danger:hover { background: #98201a; }
  .button:disabled { opacity: 0.5; cursor: default; }
  .button .icon { width: 15px; height: 15px; }
  @media (max-width: 700px) {
    input, select { height: 40px; font-size: 16px; }
    button.plain { min-width: 40px; height: 40px; }
    .button { height: 40px; }
  }
`;
